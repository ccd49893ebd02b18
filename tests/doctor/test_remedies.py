"""What the doctor says to type does what it says: each command is typed, to a real postconf, and nothing is left."""

import re
import subprocess
from collections.abc import Callable

import pytest

from assay.doctor.model import Finding
from support.doctor_changes import both, main, service, smtp
from support.doctor_mta_cases import MTA_CASES
from support.doctor_world import Machine, found, machine

pytestmark = pytest.mark.real

COMMAND = re.compile(r"postconf -c .*")

SEVERAL: dict[str, Callable[[Machine], object]] = {
    "order, two judges of DMARC, and settings": main(
        smtpd_milters="inet:localhost:11332, unix:spamass/spamass.sock, inet:8899@localhost, unix:opendmarc/sock,"
        " { unix:assay/assay.sock, default_action=accept, command_timeout=5s }"
    ),
    "the same beside a service": smtp(
        "{ smtpd_milters = inet:localhost:11332, unix:it's/spamass.sock,"
        " { unix:assay/assay.sock, default_action=reject, command_timeout=5s } }"
    ),
    "assay twice, behind one that rewrites": main(
        smtpd_milters="unix:spamass/spamass.sock, unix:assay/assay.sock, unix:/assay/assay.sock"
    ),
    "a submission service without a password, with a signer": both(
        main(smtpd_milters="{ unix:assay/assay.sock, connect_timeout=20s }, unix:signer/sock"),
        service("2587 inet n - y - - smtpd", "milter_macro_daemon_name=ORIGINATING"),
    ),
}


def typed(findings: list[Finding]) -> int:
    """Type every command that stands in a remedy, one after the other; nobody reloads the Postfix of a copy."""
    commands = [match[0] for each in findings if (match := COMMAND.search(each.remedy))]
    for command in commands:
        done = subprocess.run(
            ["/bin/bash", "-c", f"postfix() {{ :; }}\n{command}"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), command
    return len(commands)


ONE = {
    f"{case.id}: {case.claim}": case
    for case in MTA_CASES
    # what it should say instead is another socket, at which assay is not
    if case.claim != "the socket is spelled as libmilter does"
}


@pytest.mark.parametrize("claim", ONE)
def test_a_command_mends_what_it_was_said_for(claim: str) -> None:
    case = ONE[claim]
    with machine(case.change) as made:
        case.after(made)
        if typed(found(made)):
            assert found(made) == []


@pytest.mark.parametrize("change", SEVERAL.values(), ids=SEVERAL.keys())
def test_what_one_command_mends_the_next_does_not_undo(change: Callable[[Machine], object]) -> None:
    with machine(change, lambda made: made.write("/etc/opendmarc.conf", "AuthservID other.dest.example\n")) as made:
        assert typed(found(made))
        assert found(made) == []
