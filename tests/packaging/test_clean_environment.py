"""The wheel and the source distribution in virtual environments that hold nothing but what assay says it needs."""

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from assay import __version__
from assay.config.load import SYSTEM_FILE
from assay.daemon.milter_client import MilterClient
from support.conversation import RECEIVER, letter, send, stamped
from support.dnsserver import DnsServer
from support.packages import Installed, dependencies, own_copy
from support.ports import free_port
from support.process import Process

ZONE = """\
good.example. TXT "v=spf1 ip4:192.0.2.10 -all"
_dmarc.good.example. TXT "v=DMARC1; p=reject"
"""
MESSAGE = "From: a@good.example\r\nTo: user@receiver.example\r\nSubject: hello\r\n\r\ntext\r\n"


@pytest.fixture(scope="module", params=["wheel", "sdist"], ids=["from the wheel", "from the source distribution"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    distribution: Path = request.getfixturevalue(request.param)
    return Installed.make(tmp_path_factory.mktemp(request.param) / "venv", distribution, dependencies())


def test_it_tells_its_version_wherever_one_is(installed: Installed, tmp_path: Path) -> None:
    assert installed.run("--version", directory=tmp_path).strip() == f"assay, version {__version__}"


def test_pymilter_keeps_its_names(installed: Installed, tmp_path: Path) -> None:
    code = "import Milter, milter, assay; print(milter.__file__.endswith('.so'), assay.__file__)"
    extension, package = installed.run("-c", code, directory=tmp_path, program="python").split()

    assert extension == "True"
    assert Path(package).is_relative_to(installed.prefix / "lib")


def test_its_configuration_and_policies_came_with_it(installed: Installed, tmp_path: Path) -> None:
    # README.md: /etc/assay/assay.toml, else the file that was installed with the program
    arguments = ("--config", installed.shared / "conf/assay.toml") if SYSTEM_FILE.exists() else ()

    found = installed.run("config", *arguments, directory=tmp_path)

    assert f"configuration {installed.shared / 'conf/assay.toml'}: good" in found
    assert f"policies {installed.shared / 'policies'}:" in found


def test_it_judges_a_file(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(ZONE)
    (tmp_path / "message.eml").write_bytes(MESSAGE.encode())
    envelope = ("--ip", "192.0.2.10", "--mail-from", "bounce@good.example")
    configuration = ("--config", installed.shared / "conf/assay.toml")

    judged = installed.run(
        "check", "message.eml", "--json", "--zone", "zone", *envelope, *configuration, directory=tmp_path
    )

    assert json.loads(judged)["results"]["dmarc"]["value"] == "pass"


def test_its_daemon_answers_an_mta(installed: Installed, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    port = free_port()
    with DnsServer(ZONE) as dns:
        config = own_copy(installed, tmp_path, f"inet:{port}@127.0.0.1", dns.nameserver)
        command = ["env", "--ignore-environment", f"--chdir={elsewhere}", str(installed.program), "run"]
        with Process([*command, "--config", str(config)], log=tmp_path / "log") as daemon:
            daemon.wait_for_output("worker started")
            with MilterClient.connect_to(("127.0.0.1", port)) as client:
                client.negotiate()
                client.macros(b"C", j=RECEIVER)
                client.connect(ip_address("192.0.2.10"))
                client.helo(b"mail.good.example")
                verdict = send(client, letter())
            assert daemon.stop() == 0

    field = stamped(verdict)
    assert field.startswith(f"{RECEIVER};")
    assert "spf=pass" in field
    assert "dmarc=pass" in field
