"""Runs the suites that show conformance and writes docs/conformance.md; script/conformance calls it."""

import argparse
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.backends.openssl import backend

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "conformance.md"
STANDARDS: Final = ROOT / "docs" / "standards.md"
DEVIATIONS: Final = "# Where we differ"
LIBRARIES: Final = ("pyspf", "dkimpy", "authres", "pymilter", "cryptography", "idna", "publicsuffixlist", "hypothesis")
PROGRAMS: Final = {"Postfix": ("postconf", "-d", "-h", "mail_version"), "knot": ("knotd", "--version")}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a suite is chosen by: a test's file below tests/, its name with parameters, whether hypothesis drives it."""

    file: str
    name: str
    generated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A row of the page; a test belongs to the first suite that takes it."""

    title: str
    source: str
    takes: Callable[[Shown], bool]


def _of(*files: str, name: str = "") -> Callable[[Shown], bool]:
    return lambda test: test.file.startswith(files) and name in test.name


SUITES: Final = (
    Suite(
        title="RFC 7208 suite, in memory",
        source="public suite of the SPF project, as shipped with pyspf 2.0.14",
        takes=_of("verify/test_spf_suite.py", name="test_result"),
    ),
    Suite(
        title="RFC 7208 suite, explanations",
        source="the same; asked for by tests only",
        takes=_of("verify/test_spf_suite.py", name="test_explanation"),
    ),
    Suite(
        title="RFC 7208 suite, over real DNS",
        source="the same; our client asks knot",
        takes=_of("verify/test_spf_suite_dns.py", name="test_result"),
    ),
    Suite(
        title="RFC 7208 suite, explanations over real DNS",
        source="the same",
        takes=_of("verify/test_spf_suite_dns.py"),
    ),
    Suite(
        title="Generated messages, records, names and packets",
        source="properties that must hold of any input (hypothesis); one is some hundred inputs",
        takes=lambda test: test.generated,
    ),
    Suite(title="SPF rows", source="RFC 7208, 8616, attacks", takes=_of("verify/test_spf")),
    Suite(
        title="RFC 8463 appendix A",
        source="the RFC's own message with two signatures",
        takes=_of("verify/test_dkim.py", name="rfc_8463"),
    ),
    Suite(
        title="DKIM against a second opinion",
        source="messages that dkimpy signs or judges",
        takes=_of("verify/test_dkim_oracle.py"),
    ),
    Suite(
        title="DKIM rows",
        source="RFC 6376, 8301, 8463, 8616, attacks",
        takes=_of("verify/test_dkim", "verify/test_keys.py", "message/test_tags.py", "message/test_body.py"),
    ),
    Suite(title="ARC rows", source="RFC 8617, 1 to 50 sets", takes=_of("verify/test_arc.py")),
    Suite(
        title="DMARC worked examples",
        source="RFC 9989, rows 1 to 8 of C.4",
        takes=_of("verify/test_dmarc.py", name="(C.4 row"),
    ),
    Suite(
        title="DMARC by public suffixes",
        source="RFC 7489, and the guard of the tree walk",
        takes=_of("verify/test_dmarc_psl.py", "verify/test_dmarc_guard.py"),
    ),
    Suite(title="DMARC rows", source="RFC 9989", takes=_of("verify/test_dmarc", "verify/test_walk")),
    Suite(
        title="From, MAIL FROM, HELO and header rows",
        source="RFC 5321, 5322, 6854, attacks",
        takes=_of(
            "message/test_a", "message/test_header", "message/test_l", "message/test_reverse_path", "test_domain"
        ),
    ),
    Suite(
        title="Authentication-Results rows",
        source="RFC 8601; two other parsers read what we write",
        takes=_of("stamp/"),
    ),
    Suite(title="Policy rows", source="RFC 9989 7.4 and 8, RFC 7372, local policy", takes=_of("policy/")),
    Suite(title="DNS client rows", source="RFC 1035, 2308, 6891; hostile servers", takes=_of("dns/")),
    Suite(
        title="Scenarios, core",
        source="whole messages; every attack of H.1 to H.5",
        takes=_of("scenarios/test_scenarios.py", name="test_core"),
    ),
    Suite(
        title="Scenarios, libmilter",
        source="the same, through the real daemon",
        takes=_of("scenarios/test_scenarios.py", name="test_libmilter"),
    ),
    Suite(
        title="Scenarios, Postfix",
        source="the same, by SMTP through a real Postfix",
        takes=_of("scenarios/test_scenarios.py"),
    ),
    Suite(
        title="Milter conversations",
        source="the real daemon over libmilter",
        takes=_of("daemon/test_conversation.py", "daemon/test_session.py", "daemon/test_undecodable.py"),
    ),
    Suite(
        title="Postfix, end to end",
        source="delivery, refusal, hold queue, stop, reload",
        takes=_of("daemon/test_postfix"),
    ),
    Suite(
        title="Corpus of the fuzzers",
        source="inputs written or found for tests/fuzz",
        takes=_of("fuzz/test_corpus.py"),
    ),
)


def suite_of(test: Shown) -> Suite | None:
    """The suite that a test belongs to."""
    return next((suite for suite in SUITES if suite.takes(test)), None)


@dataclass(slots=True, eq=False)  # pytest keeps its plugins in sets
class Recorder:
    """A pytest plugin: keeps the tests of the suites, and what became of each.

    Attributes:
        outcomes: ``passed``, ``failed`` or ``skipped`` by suite and test.
        reasons: why tests were skipped, by suite.
    """

    outcomes: dict[str, dict[str, str]] = field(default_factory=dict)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    _suites: dict[str, str] = field(default_factory=dict)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect what shows nothing of conformance."""
        others = []
        for item in items:
            file = item.path.relative_to(ROOT / "tests").as_posix()
            suite = suite_of(Shown(file, item.name, generated=item.get_closest_marker("hypothesis") is not None))
            if suite is None:
                others.append(item)
            else:
                self._suites[item.nodeid] = suite.title
        items[:] = [item for item in items if item.nodeid in self._suites]
        config.hook.pytest_deselected(items=others)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome; a fault before or after a test is one of the test."""
        title = self._suites[report.nodeid]
        if report.when != "call" and report.passed:
            return
        known = self.outcomes.setdefault(title, {})
        if known.get(report.nodeid) != "failed":
            known[report.nodeid] = report.outcome
        if report.skipped and isinstance(report.longrepr, tuple):
            self.reasons.setdefault(title, Counter())[report.longrepr[2].removeprefix("Skipped: ")] += 1


def deviations() -> str:
    """The table at the end of docs/standards.md."""
    _, _, table = STANDARDS.read_text(encoding="utf-8").partition(f"\n{DEVIATIONS}\n")
    return table.strip()


def page(recorder: Recorder, about: Iterable[tuple[str, str]]) -> str:
    """Render docs/conformance.md."""
    lines = [
        "# Conformance",
        "",
        "Written by `script/conformance`, which runs the suites below; not to be edited. What each rule is, and which",
        "test holds it, is in `standards.md`.",
        "",
        *(f"* {name}: {value}" for name, value in about),
        "",
        "| suite | what it is | passed | total | skipped |",
        "|---|---|---:|---:|---:|",
    ]
    everything: Counter[str] = Counter()
    for suite in SUITES:
        counts = Counter(recorder.outcomes.get(suite.title, {}).values())
        everything += counts
        lines.append(f"| {suite.title} | {suite.source} | {_cells(counts)} |")
    lines += [f"| all | | {_cells(everything)} |", ""]
    failed = [test for tests in recorder.outcomes.values() for test, outcome in tests.items() if outcome == "failed"]
    if failed:
        lines += ["## Failed", "", *(f"* `{test}`" for test in failed), ""]
    if recorder.reasons:
        lines += ["## Skipped", ""]
        for title, reasons in recorder.reasons.items():
            lines += [f"* {title}: {count} because {reason}" for reason, count in reasons.items()]
        lines.append("")
    lines += ["## Where we differ", "", "From `standards.md`:", "", deviations(), ""]
    return "\n".join(lines)


def _cells(counts: Counter[str]) -> str:
    return f"{counts['passed']} | {counts.total()} | {counts['skipped']}"


def _about(arguments: Sequence[str]) -> list[tuple[str, str]]:
    command = shlex.join(["script/conformance", *arguments])
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    programs = ", ".join(f"{name} {_output(*command)}" for name, command in PROGRAMS.items())
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d} (UTC)"),
        ("commit", _commit()),
        ("command", f"`{command}`"),
        ("runs on", f"Python {sys.version.partition(' ')[0]}, {backend.openssl_version_text()}, {programs}"),
        ("libraries", libraries),
    ]


def _commit() -> str:
    """What was tested; said too where files differ from it, other than the page."""
    changed = _said("git", "status", "--porcelain", "--untracked-files=no", "--", ".", f":!{PAGE.relative_to(ROOT)}")
    return _output("git", "rev-parse", "--short", "HEAD") + (", and changes that are not committed" if changed else "")


def _output(*command: str) -> str:
    """The last word of what a program says; Knot says its name too."""
    return (_said(*command).split() or ["(unknown)"])[-1]


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return "(not installed)"


def main() -> int:
    """Run, and write the page; the exit status is pytest's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=PAGE, help="where to write (default: docs/conformance.md)")
    options, arguments = parser.parse_known_args()
    recorder = Recorder()
    status = pytest.main(["-q", "-p", "no:cacheprovider", *(arguments or ["tests"])], plugins=[recorder])
    if not recorder.outcomes:
        return int(status) or 1
    options.output.write_text(page(recorder, _about(sys.argv[1:])), encoding="utf-8")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
