"""Sendmail by its sendmail.mc: each fault in it is found, and conf/sendmail.mc has none."""

import os
from collections.abc import Callable

import pytest

from assay.doctor.sendmail import Daemon, parse_sendmail
from support.doctor_changes import Case, both, check, tables
from support.doctor_world import ROOT, SOCKET, Machine, found, machine

GOOD = "FEATURE(`no_default_msa')dnl\n" + (ROOT / "conf/sendmail.mc").read_text("utf-8").replace(
    "inet:8894@127.0.0.1", f"unix:{SOCKET}"
)
MINE = f"S=unix:{SOCKET}, F=T, T=C:30s;S:30s;R:60s;E:5m"


def mc(text: str, *, compiled: bool = True) -> Callable[[Machine], object]:
    """Have Sendmail instead of Postfix, with a sendmail.cf made after its sendmail.mc."""

    def change(made: Machine) -> None:
        made.main.clear()
        made.write("/etc/mail/sendmail.mc", text)
        os.utime(made.path("/etc/mail/sendmail.mc"), (1, 1))
        if compiled:
            made.write("/etc/mail/sendmail.cf", "")

    return change


def filters(*lines: str) -> Callable[[Machine], object]:
    return mc("FEATURE(`no_default_msa')dnl\n" + "\n".join(lines) + "\n")


def queued(directory: str) -> Callable[[Machine], object]:
    """Put quarantined messages into a queue: two of ours, one of another milter, one that merely waits."""

    def change(made: Machine) -> None:
        field = "H??Authentication-Results: mx.dest.example;\n\tdmarc=fail\n\t header.from=careful.example;\n"
        made.write(f"{directory}/hf3AB", f"V8\nT1700000000\nqassay: dmarc-fail\nS<a@b.example>\n{field}.\n")
        made.write(f"{directory}/hf3AC", "V8\nqassay: dmarc-fail\nS<>\n.\n")
        made.write(f"{directory}/hf3AD", "V8\nT1700000000\nqspam\n.\n")
        made.write(f"{directory}/qf3AE", "V8\nT1700000000\n.\n")

    return change


CASES = (
    Case(id="", claim="the shipped line", change=mc(GOOD)),
    Case(id="sendmail-cf-stale", claim="there is no sendmail.cf", change=mc(GOOD, compiled=False)),
    Case(
        id="milter-not-listed",
        claim="no line for assay",
        change=filters("dnl INPUT_MAIL_FILTER(`assay', `" + MINE + "')dnl"),
        says=(f"has no milter at unix:{SOCKET}",),
        remedy=(f"add INPUT_MAIL_FILTER(`assay', `{MINE}')dnl and then: make -C /etc/mail",),
    ),
    Case(
        id="milter-not-listed",
        claim="declared, and not in the list",
        change=filters(
            f"MAIL_FILTER(`assay', `{MINE}')",
            "MAIL_FILTER(`other', `S=local:/run/other')",
            "define(`confINPUT_MAIL_FILTERS', `other, missing')",
        ),
    ),
    Case(
        id="",
        claim="the list is a definition",
        change=filters(f"MAIL_FILTER(`assay', `{MINE}')", "define(`confINPUT_MAIL_FILTERS', `assay')"),
    ),
    Case(
        id="mail-unjudged-while-away",
        claim="no F=",
        change=mc(GOOD.replace(" F=T,", "")),
        says=("the filter assay has no F=",),
        remedy=(f"S=unix:{SOCKET}, F=T,",),
    ),
    Case(
        id="mail-refused-while-away",
        claim="F=R",
        change=mc(GOOD.replace("F=T", "F=R")),
        says=("the filter assay has F=R",),
    ),
    Case(
        id="content-timeout-short",
        claim="Sendmail's own time for a reply",
        change=mc(GOOD.replace("R:60s;", "")),
        says=("T=R:10s, and assay may need 40s",),
        remedy=("R:60s",),
    ),
    Case(
        id="content-timeout-short",
        claim="little time for the end of message",
        change=mc(GOOD.replace("E:5m", "E:30s")),
        says=("T=E:30s",),
    ),
    Case(id="connect-timeout-short", claim="three seconds to connect", change=mc(GOOD.replace("C:30s", "C:3s"))),
    Case(id="command-timeout-short", claim="three seconds to send", change=mc(GOOD.replace("S:30s", "S:3s"))),
    Case(id="", claim="a time that is none", change=mc(GOOD.replace("C:30s", "C:soon"))),
    Case(
        id="milter-order",
        claim="a milter that rewrites comes first",
        change=filters(
            "INPUT_MAIL_FILTER(`defang', `S=unix:/run/mimedefang/sock, F=T')", f"INPUT_MAIL_FILTER(`assay', `{MINE}')"
        ),
        says=("has MIMEDefang (unix:/run/mimedefang/sock) before assay",),
        remedy=("define(`confINPUT_MAIL_FILTERS', `assay, defang')dnl",),
    ),
    Case(
        id="second-dmarc-milter",
        claim="opendmarc on a port",
        change=both(
            filters(f"INPUT_MAIL_FILTER(`assay', `{MINE}')", "INPUT_MAIL_FILTER(`dmarc', `S=inet:8893@localhost')"),
            lambda made: made.write("/etc/opendmarc.conf", "AuthservID other.example\n"),
        ),
        says=("opendmarc (inet:localhost:8893)",),
    ),
    Case(
        id="authserv-id-clash",
        claim="opendkim with the name of the host, whatever that is",
        change=filters(f"INPUT_MAIL_FILTER(`assay', `{MINE}')", "INPUT_MAIL_FILTER(`k', `S=/run/opendkim/sock')"),
        says=("as the name of the host",),
    ),
    Case(
        id="authserv-id-not-unique",
        claim="the host is told a name that many have",
        change=mc(GOOD + "define(`confDOMAIN_NAME', `localhost.localdomain')dnl\n"),
    ),
    Case(
        id="submission-judged",
        claim="the submission port that Sendmail opens by itself",
        change=mc(GOOD.replace("FEATURE(`no_default_msa')dnl\n", "")),
        says=("the daemon MSA", "M= holds no a"),
        remedy=(
            (
                "add FEATURE(`no_default_msa')dnl and DAEMON_OPTIONS(`Name=MTA')dnl and"
                " DAEMON_OPTIONS(`Port=submission, Name=MSA, M=Ea, InputMailFilters=')dnl"
            ),
        ),
    ),
    Case(
        id="submission-judged",
        claim="beside a port 25 that is named, and with a signer that stays",
        change=mc(
            "DAEMON_OPTIONS(`Port=smtp, Name=MTA')dnl\n"
            f"INPUT_MAIL_FILTER(`assay', `{MINE}')\nINPUT_MAIL_FILTER(`sign', `S=/run/signer, F=T')"
        ),
        remedy=(
            (
                "add FEATURE(`no_default_msa')dnl and"
                " DAEMON_OPTIONS(`Port=submission, Name=MSA, M=Ea, InputMailFilters=sign')dnl"
            ),
        ),
    ),
    Case(
        id="",
        claim="the line is in a file that is included, and comments of sendmail.mc name others",
        change=both(
            mc("dnl include(`/etc/mail/no.m4')\nsinclude(`/etc/mail/none.m4')\ninclude(`/etc/mail/milters.m4')dnl\n"),
            lambda made: made.write("/etc/mail/milters.m4", GOOD),
            lambda made: made.write("/etc/mail/no.m4", "INPUT_MAIL_FILTER(`x', `S=inet:8893@localhost')"),
        ),
    ),
    Case(
        id="milter-not-listed",
        claim="two files that include each other",
        change=both(
            mc("include(`/etc/mail/a.m4')\n"),
            lambda made: made.write("/etc/mail/a.m4", "include(`/etc/mail/a.m4')\n"),
        ),
    ),
    Case(
        id="",
        claim="a submission port that insists on a password",
        change=mc(GOOD + "DAEMON_OPTIONS(`Port=submission, Name=MSA, M=Ea')dnl\n"),
    ),
    Case(
        id="submission-judged",
        claim="users who authenticate themselves are not exempt",
        change=both(
            mc(GOOD + "DAEMON_OPTIONS(`Port=587, Name=MSP, M=Ea')dnl\n"), tables("[exempt]\nauthenticated = false\n")
        ),
        says=("the daemon MSP", "[exempt] authenticated is false"),
        remedy=(
            (
                "write DAEMON_OPTIONS(`Port=587, Name=MSP, M=Ea, InputMailFilters=')dnl instead of"
                " DAEMON_OPTIONS(`Port=587, Name=MSP, M=Ea')dnl, then: make"
            ),
        ),
    ),
    Case(
        id="",
        claim="a submission port without milters",
        change=mc(GOOD + "DAEMON_OPTIONS(`Port=submission, Name=MSA, M=E, InputMailFilters=')dnl\n"),
    ),
    Case(
        id="submission-judged",
        claim="a submission port that names assay",
        change=mc(GOOD + "DAEMON_OPTIONS(`P=smtps, Name=S, M=s, InputMailFilters=other;assay')dnl\n"),
        says=("the daemon S ",),
        remedy=("write DAEMON_OPTIONS(`P=smtps, Name=S, M=sa, InputMailFilters=other')dnl instead",),
    ),
    Case(
        id="submission-judged",
        claim="a submission port that says nothing of its clients",
        change=mc(GOOD + "DAEMON_OPTIONS(`Port=submission,\n Name=MSA')dnl\n"),
        remedy=("write DAEMON_OPTIONS(`Port=submission, Name=MSA, M=a, InputMailFilters=')dnl instead",),
    ),
    Case(
        id="mail-on-hold",
        claim="a message that was quarantined by us, and others that were not",
        change=both(mc(GOOD), queued("/var/spool/mqueue")),
        says=("2 kept in the queue", "3AB (from careful.example, dmarc-fail)", "3AC (from nobody, dmarc-fail)"),
        remedy=("sendmail -qQ -Q -qI3AC",),
    ),
    Case(
        id="mail-on-hold",
        claim="in the directories of queue groups",
        change=both(mc(GOOD + "define(`QUEUE_DIR', `/var/queues/q*')\n"), queued("/var/queues/q1/qf")),
    ),
    Case(
        id="",
        claim="everybody may write to the directory, but only to his own files",
        change=mc(GOOD),
        after=lambda made: made.path(SOCKET).parent.chmod(0o1777),
    ),
    Case(id="", claim="a queue that is not there", change=mc(GOOD + "define(`QUEUE_DIR', `/var/other')\n")),
    Case(id="", claim="a port for everybody", change=mc(GOOD + "DAEMON_OPTIONS(`Port=smtp, Name=MTA')dnl\n")),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.claim}: {case.id or 'nothing'}")
def test_sendmail(case: Case) -> None:
    check(case)


def test_quotes_and_parentheses_belong_to_an_argument() -> None:
    text = (
        "INPUT_MAIL_FILTER(`a', `S=unix:/x(1), T=`R:60s'')dnl # no\nFEATURE(x(1,2), y)\ndefine(`z')\nDAEMON_OPTIONS(`"
    )
    sendmail = parse_sendmail(text, "/mc", stale=False)

    [each] = sendmail.filters
    assert (each.listed.path, each.times["R"]) == ("/x(1)", "60s")
    assert sendmail.daemons[0] == Daemon(name="MTA", submission=False, authenticates=False, filters=None)


def test_a_queue_that_is_closed_to_us_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with machine(mc(GOOD), queued("/var/spool/mqueue")) as made:
        monkeypatch.setattr(os, "access", lambda *_: False)
        [finding] = found(made)
    assert (finding.id, finding.what) == ("not-looked-at", f"{made.root}/var/spool/mqueue: permission denied")
