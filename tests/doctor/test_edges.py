"""What a first reading gets wrong: names and places that are nearly the same."""

import pytest

from assay.doctor.postfix import Postfix
from support.doctor_changes import Case, both, check, main, setting
from support.doctor_world import Machine


def unchrooted(made: Machine) -> None:
    made.master = made.master.replace("smtp inet n - y", "smtp inet n - n")


CASES = (
    Case(
        id="",
        claim="assay has a name of its own, and opendkim that of the host",
        change=both(
            setting("authserv_id", '"auth.dest.example"'),
            main(smtpd_milters="unix:assay/assay.sock, unix:opendkim/opendkim.sock"),
        ),
    ),
    Case(
        id="authserv-id-clash",
        claim="opendkim has the name that assay was given",
        change=both(
            setting("authserv_id", '"auth.dest.example"'),
            main(smtpd_milters="unix:assay/assay.sock, unix:opendkim/opendkim.sock"),
            lambda made: made.write("/etc/opendkim.conf", "AuthservID auth.dest.example\n"),
        ),
        says=("as auth.dest.example",),
    ),
    Case(
        id="",
        claim="a host without a good name, and assay with one",
        change=both(setting("authserv_id", '"auth.dest.example"'), main(myhostname="localhost")),
    ),
    Case(
        id="milter-in-non-smtpd",
        claim="cleanup has a chroot and smtpd has none",
        change=both(unchrooted, main(non_smtpd_milters="unix:/assay/assay.sock")),
    ),
    Case(
        id="file-writable",
        claim="everybody may put files into the directory of policies",
        after=lambda made: made.path("/etc/assay/policies").chmod(0o777),
        says=("/etc/assay/policies (mode 0777) may be changed by everybody",),
    ),
)

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.claim}: {case.id or 'nothing'}")


@each_case
@pytest.mark.usefixtures("without_postconf")
def test_edge(case: Case) -> None:
    check(case)


@each_case
@pytest.mark.real
def test_edge_of_a_real_configuration(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    ("directory", "command"),
    [
        ("/etc/postfix", "postconf -e 'milter_protocol = 6' && postfix reload"),
        (
            "/etc/postfix-in",
            "postconf -c /etc/postfix-in -e 'milter_protocol = 6' && postfix -c /etc/postfix-in reload",
        ),
    ],
)
def test_a_remedy_is_for_the_instance_that_was_looked_at(directory: str, command: str) -> None:
    instance = Postfix(directory=directory, parameters={}, services=())
    assert instance.command("milter_protocol", "6") == command
