"""A real Prometheus that reads one daemon and evaluates our alert rules."""

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from support.ports import free_port
from support.process import Process, program

ROOT = Path(__file__).parents[2]

_CONFIGURATION = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: assay
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
"""


class Prometheus(Process):
    """``prometheus`` on a port of loopback.

    Args:
        directory: for its files; made if missing.
        target: the port of the daemon's metrics.
    """

    def __init__(self, directory: Path, target: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "prometheus.yml"
        config.write_text(_CONFIGURATION.format(rules=ROOT / "conf/prometheus-alerts.yml", target=target))
        self._address = f"127.0.0.1:{free_port()}"
        command = (
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={self._address}",
        )
        super().__init__(command, log=directory / "prometheus.log")

    def start(self) -> Self:
        """Start it and wait until it answers."""
        super().start()
        self.wait_for_output("Server is ready to receive web requests.")
        return self

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate an expression now: an instant vector."""
        data: dict[str, Any] = self._ask("query", query=expression)
        assert data["resultType"] == "vector", expression
        result: list[dict[str, Any]] = data["result"]
        return result

    def value(self, expression: str) -> float | None:
        """The one number of an expression; None without one."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if len(result) == 1 else None

    def rules(self) -> list[dict[str, Any]]:
        """The alert rules with their state."""
        [group] = self._ask("rules")["groups"]
        rules: list[dict[str, Any]] = group["rules"]
        return rules

    def _ask(self, what: str, **parameters: str) -> Any:
        url = f"http://{self._address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from error
