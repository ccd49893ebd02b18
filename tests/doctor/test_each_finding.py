"""Each finding once: a machine on which one thing is wrong, and what is said of it.

Every broken machine is the good one with one change, and nothing else may be found on it. Each is looked at with the
real postconf, and with an imitation of it, so that the checks can be tested without Postfix.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import dns.flags
import dns.rrset
import pytest

from assay.dns.nameservers import parse_nameserver
from assay.doctor.catalogue import KINDS
from assay.doctor.inspection import Held, Inspection, Library, Unread
from support.dnsserver import DnsServer, Exchange, Reply, dead, plain, rcode
from support.doctor_world import ROOT, SOCKET, ZONE, Machine, authentic, found, machine
from support.fake_milter import LEADING_SPACE, NO_REPLIES, FakeMilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that is wrong.

    Attributes:
        id: of the finding.
        claim: the fault in words.
        change: makes it.
        after: makes it when all files are written.
        says: parts of what is said.
        remedy: parts of the remedy.
    """

    id: str
    claim: str
    change: Callable[[Machine], object] = lambda _: None
    after: Callable[[Machine], object] = lambda _: None
    says: tuple[str, ...] = ()
    remedy: tuple[str, ...] = ()


def main(**settings: str) -> Callable[[Machine], object]:
    return lambda made: made.main.update(settings)


def service(line: str, *options: str) -> Callable[[Machine], object]:
    """Add a service to master.cf."""

    def change(made: Machine) -> None:
        made.master += line + "\n" + "".join(f"  -o {option}\n" for option in options)

    return change


def tables(text: str) -> Callable[[Machine], object]:
    def change(made: Machine) -> None:
        made.tables += text

    return change


def setting(key: str, value: str) -> Callable[[Machine], object]:
    return lambda made: made.settings.update({key: value})


def both(*changes: Callable[[Machine], object]) -> Callable[[Machine], object]:
    def change(made: Machine) -> None:
        for each in changes:
            each(made)

    return change


def drop_in(*lines: str) -> Callable[[Machine], object]:
    text = "[Service]\n" + "".join(f"{line}\n" for line in lines)
    return lambda made: made.write("/etc/systemd/system/assay.service.d/override.conf", text)


def server(answer: Callable[[Exchange], list[Reply]], *, tcp: bool = True) -> Callable[[Machine], object]:
    def change(made: Machine) -> None:
        made.server = DnsServer(ZONE, everything=answer, tcp=tcp)

    return change


def seen(change: Callable[[Inspection], Inspection]) -> Callable[[Machine], object]:
    """Change what was read."""

    def set_it(made: Machine) -> None:
        made.adjust = change

    return set_it


def with_machine(change: Callable[[Inspection], dict[str, object]]) -> Callable[[Machine], object]:
    return seen(lambda looked: replace(looked, machine=replace(looked.machine, **change(looked))))  # type: ignore[arg-type]


def _on_every_address(made: Machine) -> None:
    fake = FakeMilter(LEADING_SPACE | NO_REPLIES)
    port = fake.place.removeprefix("inet:").partition("@")[0]
    made.filters.append(fake)
    made.settings["socket"] = f'"inet:{port}@0.0.0.0"'
    made.main["smtpd_milters"] = f"inet:127.0.0.1:{port}"


def _sendmail(made: Machine) -> None:
    """Have Sendmail instead of Postfix, attached as conf/sendmail.mc advises, and its sendmail.cf made before that."""
    made.main.clear()
    text = (ROOT / "conf/sendmail.mc").read_text("utf-8").replace("inet:8894@127.0.0.1", f"unix:{SOCKET}")
    made.write("/etc/mail/sendmail.cf", "")
    made.write("/etc/mail/sendmail.mc", "FEATURE(`no_default_msa')dnl\n" + text)
    os.utime(made.path("/etc/mail/sendmail.cf"), (0, 0))


def _invent(exchange: Exchange) -> list[Reply]:
    """Answer the impossible name as a name server of some providers does."""
    if exchange.seen.name == b"assay-doctor.invalid":
        made_up = exchange.message()
        made_up.answer.append(dns.rrset.from_text("assay-doctor.invalid.", 60, "IN", "A", "192.0.2.1"))
        return [(0, made_up.to_wire())]
    return authentic(exchange)


def _without_recursion(exchange: Exchange) -> list[Reply]:
    exchange.answer.flags &= ~dns.flags.RA
    return plain(exchange)


CASES = [
    # the configuration
    Case(
        id="configuration-invalid",
        claim="a policy file has an unknown key",
        change=lambda made: made.write("/etc/assay/policies/bank.example.toml", 'mod = "enforce"\n'),
        says=("bank.example.toml", 'did you mean "mode"?'),
        remedy=("assay config",),
    ),
    Case(
        id="file-writable",
        claim="everybody may change a policy",
        after=lambda made: made.path("/etc/assay/policies/default.toml").chmod(0o666),
        says=("/etc/assay/policies/default.toml (mode 0666) may be changed by everybody",),
        remedy=("chmod go-w /etc/assay/policies/default.toml",),
    ),
    Case(
        id="file-unreadable",
        claim="the configuration is for root alone",
        after=lambda made: made.config.chmod(0o600),
        says=("/etc/assay/assay.toml", "user assay"),
        remedy=("chmod a+r /etc/assay/assay.toml",),
    ),
    # the socket
    Case(
        id="socket-silent",
        claim="the daemon does not run",
        change=lambda made: setattr(made, "milter", None),
        says=("unix:/var/spool/postfix/assay/assay.sock: No such file or directory",),
        remedy=("systemctl start assay",),
    ),
    Case(
        id="socket-not-a-milter",
        claim="a milter of another kind answers",
        change=lambda made: setattr(made, "milter", NO_REPLIES),
        says=("does not ask for the leading space",),
        remedy=("ss -lxp",),
    ),
    Case(
        id="socket-denied",
        claim="the socket is for its owner alone",
        change=lambda made: setattr(made, "mode", 0o600),
        says=("/var/spool/postfix/assay/assay.sock (mode 0600", "does not let postfix in", "smtp/inet"),
        remedy=("systemctl edit assay.socket: [Socket] SocketUser=assay SocketGroup=postfix SocketMode=0660",),
    ),
    Case(
        id="socket-open-to-all",
        claim="every local user may write to the socket",
        change=lambda made: setattr(made, "mode", 0o666),
        says=("has mode 0666",),
        remedy=("SocketMode=0660",),
    ),
    Case(
        id="socket-on-network",
        claim="the socket is open to the network",
        change=_on_every_address,
        says=("@0.0.0.0",),
        remedy=("@127.0.0.1",),
    ),
    Case(
        id="unit-socket-differs",
        claim="systemd listens where the configuration does not say",
        change=both(
            lambda made: made.write("/etc/systemd/system/assay.socket.d/postfix.conf", ""),
            lambda made: setattr(made, "milter", None),
        ),
        says=("ListenStream=127.0.0.1:8894",),
        remedy=("write the same in both",),
    ),
    # the lists of milters
    Case(
        id="milter-not-listed",
        claim="smtpd_milters is empty",
        change=main(smtpd_milters=""),
        says=("main.cf: smtpd_milters does not list assay", "smtp/inet"),
        remedy=("smtpd_milters = unix:assay/assay.sock",),
    ),
    Case(
        id="milter-listed-twice",
        claim="assay stands in the list twice",
        change=main(smtpd_milters="unix:assay/assay.sock, unix:/assay/assay.sock"),
        says=("lists assay 2 times",),
        remedy=("smtpd_milters = unix:assay/assay.sock'",),
    ),
    Case(
        id="milter-order",
        claim="a milter that rewrites the body stands before assay",
        change=main(smtpd_milters="unix:spamass/spamass.sock, unix:assay/assay.sock"),
        says=("has spamass-milter (unix:spamass/spamass.sock) before assay",),
        remedy=("smtpd_milters = unix:assay/assay.sock, unix:spamass/spamass.sock",),
    ),
    Case(
        id="second-dmarc-milter",
        claim="opendmarc judges too, under a name of its own",
        change=both(
            main(smtpd_milters="unix:assay/assay.sock, inet:localhost:8893"),
            lambda made: made.write("/etc/opendmarc.conf", "AuthservID other.dest.example\n"),
        ),
        says=("lists opendmarc (inet:localhost:8893) too",),
        remedy=("smtpd_milters = unix:assay/assay.sock'",),
    ),
    Case(
        id="authserv-id-clash",
        claim="opendkim verifies under the name of the host, as assay does",
        change=main(smtpd_milters="unix:assay/assay.sock, unix:opendkim/opendkim.sock"),
        says=("opendkim (unix:opendkim/opendkim.sock) and assay both", "as mx.dest.example"),
        remedy=("AuthservID opendkim.mx.dest.example",),
    ),
    Case(
        id="authserv-id-not-unique",
        claim="the host has the name of every fresh installation",
        change=main(myhostname="localhost.localdomain"),
        says=("as localhost.localdomain",),
        remedy=("authserv_id =",),
    ),
    Case(
        id="mail-unjudged-while-away",
        claim="milter_default_action is accept",
        change=main(milter_default_action="accept"),
        says=("main.cf: milter_default_action is accept",),
        remedy=("postconf", "-e 'milter_default_action = tempfail'", "postfix reload"),
    ),
    Case(
        id="mail-refused-while-away",
        claim="the action beside the socket is reject",
        change=main(smtpd_milters="{ unix:assay/assay.sock, default_action = reject }"),
        says=("{ unix:assay/assay.sock, default_action } is reject",),
        remedy=("write default_action=tempfail there",),
    ),
    Case(
        id="mail-held-while-away",
        claim="the action of the service is quarantine",
        change=lambda made: setattr(
            made, "master", made.master.replace("smtpd\n", "smtpd -o milter_default_action=quarantine\n", 1)
        ),
        says=("master.cf: smtp/inet: -o milter_default_action is quarantine",),
        remedy=("-P 'smtp/inet/milter_default_action=tempfail'",),
    ),
    # Postfix
    Case(
        id="milter-spelling",
        claim="the socket is spelled as libmilter does",
        change=main(smtpd_milters="inet:8894@127.0.0.1"),
        says=("says inet:8894@127.0.0.1, which should be inet:127.0.0.1:8894",),
        remedy=("smtpd_milters = inet:127.0.0.1:8894'",),
    ),
    Case(
        id="milter-spelling",
        claim="the path of another milter lacks its kind",
        change=main(smtpd_milters="unix:assay/assay.sock, /run/milter-regex/sock"),
        says=("says /run/milter-regex/sock, which should be unix:/run/milter-regex/sock",),
        remedy=("smtpd_milters = unix:assay/assay.sock, unix:/run/milter-regex/sock'",),
    ),
    Case(
        id="socket-outside-chroot",
        claim="the path of the socket is that outside of the chroot",
        change=main(smtpd_milters="unix:/var/spool/postfix/assay/assay.sock"),
        says=("smtp/inet runs in a chroot", "looks for /var/spool/postfix/var/spool/postfix/assay/assay.sock"),
        remedy=("smtpd_milters = unix:assay/assay.sock",),
    ),
    Case(
        id="socket-path-for-chroot",
        claim="the path is that of a chroot and the service has none",
        change=both(
            main(smtpd_milters="unix:/assay/assay.sock"),
            lambda made: setattr(made, "master", made.master.replace("smtp inet n - y", "smtp inet n - n")),
        ),
        says=("smtp/inet runs without a chroot",),
        remedy=("smtpd_milters = unix:assay/assay.sock",),
    ),
    Case(
        id="proxy-filter-hides-message",
        claim="a filter before the queue gets the message instead of the milter",
        change=lambda made: setattr(
            made, "master", made.master.replace("smtpd\n", "smtpd -o smtpd_proxy_filter=127.0.0.1:10024\n", 1)
        ),
        says=("smtpd_proxy_filter is 127.0.0.1:10024",),
        remedy=("content_filter=smtp:127.0.0.1:10024",),
    ),
    Case(
        id="milter-in-non-smtpd",
        claim="mail born here goes through assay too",
        change=main(non_smtpd_milters="inet:127.0.0.1:8891, $smtpd_milters"),
        says=("non_smtpd_milters lists assay",),
        remedy=("non_smtpd_milters = inet:127.0.0.1:8891'",),
    ),
    Case(
        id="milter-protocol-old",
        claim="milter_protocol is 2",
        change=main(milter_protocol="2"),
        says=("milter_protocol is 2",),
        remedy=("milter_protocol = 6",),
    ),
    Case(
        id="content-timeout-short",
        claim="Postfix waits less than assay may wait for the DNS",
        change=main(milter_content_timeout="30s"),
        says=("milter_content_timeout is 30s", "40s"),
        remedy=("milter_content_timeout = 300s",),
    ),
    Case(
        id="command-timeout-short",
        claim="milter_command_timeout is two seconds",
        change=main(milter_command_timeout="2"),
        says=("milter_command_timeout is 2,",),
        remedy=("milter_command_timeout = 30s",),
    ),
    Case(
        id="connect-timeout-short",
        claim="the connection of this milter may take three seconds",
        change=main(smtpd_milters="{ unix:assay/assay.sock, connect_timeout=3s }"),
        says=("{ unix:assay/assay.sock, connect_timeout } is 3s",),
        remedy=("connect_timeout=30s",),
    ),
    Case(
        id="submission-judged",
        claim="users of a submission service go through assay, and are not exempt",
        change=both(
            service("submissions inet n - y - - smtpd", "smtpd_sasl_auth_enable=yes"),
            tables("[exempt]\nauthenticated = false\n"),
        ),
        says=("submissions/inet takes mail of own users", "[exempt] authenticated is false"),
        remedy=("-P 'submissions/inet/smtpd_milters='",),
    ),
    Case(
        id="reinjection-judged",
        claim="a content filter hands back to assay, and loopback is not exempt",
        change=both(
            main(content_filter="scan:[127.0.0.1]:10024"),
            service("127.0.0.1:10026 inet n - y - - smtpd", "content_filter="),
            tables('[exempt]\nnetworks = ["::1"]\n'),
        ),
        says=("127.0.0.1:10026/inet", "lacks 127.0.0.1"),
        remedy=("-P '127.0.0.1:10026/inet/smtpd_milters='",),
    ),
    Case(
        id="reinjection-strips-results",
        claim="a content filter hands back to assay, which removes its own results",
        change=both(
            main(content_filter="scan:[127.0.0.1]:10024"),
            service("10026 inet n - y - - smtpd", "content_filter="),
        ),
        says=("10026/inet takes mail back from the content filter",),
        remedy=("-P '10026/inet/smtpd_milters='",),
    ),
    Case(
        id="nul-not-stripped",
        claim="message_strip_characters is not set",
        change=main(message_strip_characters=""),
        says=("message_strip_characters holds no \\0",),
        remedy=("-e 'message_strip_characters = \\0'",),
    ),
    Case(
        id="daemon-name-originating",
        claim="the name of submission services is set for all",
        change=main(milter_macro_daemon_name="ORIGINATING"),
        says=("main.cf: milter_macro_daemon_name is ORIGINATING, also for smtp/inet",),
        remedy=("-P 'smtp/inet/milter_macro_daemon_name=$myhostname'",),
    ),
    Case(
        id="milter-maps",
        claim="a map of clients chooses the milters",
        change=main(smtpd_milter_maps="cidr:/etc/postfix/milter_maps"),
        says=("smtpd_milter_maps is cidr:/etc/postfix/milter_maps",),
    ),
    Case(
        id="spf-policy-service",
        claim="policyd-spf refuses mail before it is judged",
        change=main(
            smtpd_recipient_restrictions="reject_unauth_destination, check_policy_service unix:private/policyd-spf"
        ),
        says=("smtpd_recipient_restrictions asks unix:private/policyd-spf",),
        remedy=("take check_policy_service unix:private/policyd-spf out",),
    ),
    Case(
        id="postfix-old",
        claim="this Postfix says that it is 2.5",
        change=main(mail_version="2.5.17"),
        says=("this is Postfix 2.5.17",),
        remedy=("2.6 or newer",),
    ),
    # Sendmail
    Case(
        id="sendmail-cf-stale",
        claim="sendmail.mc was changed, and sendmail.cf not made anew",
        change=_sendmail,
        says=("/etc/mail/sendmail.mc is newer",),
        remedy=("make -C /etc/mail",),
    ),
    # the name servers
    Case(id="resolver-silent", claim="the name server is dead", change=server(dead), says=("no answer in time",)),
    Case(id="resolver-fails", claim="the name server refuses", change=server(rcode("REFUSED")), says=("REFUSED",)),
    Case(
        id="resolver-fails",
        claim="the name server knows only its own zones",
        change=server(_without_recursion),
        says=("does not offer recursion",),
    ),
    Case(
        id="resolver-slow",
        claim="the name server needs a tenth of a second for an answer of its cache",
        change=lambda made: setattr(
            made,
            "adjust",
            lambda looked: replace(looked, resolvers=(replace(looked.resolvers[0], milliseconds=101.4),)),
        ),
        says=("needs 101 ms",),
    ),
    Case(
        id="resolver-no-tcp",
        claim="the name server answers over UDP alone",
        change=server(authentic, tcp=False),
        says=("does not answer over TCP",),
        remedy=("open TCP port",),
    ),
    Case(
        id="resolver-invents-names", claim="the name server answers for a name that cannot be", change=server(_invent)
    ),
    Case(
        id="resolver-public",
        claim="the name server is that of Google",
        change=seen(
            lambda looked: replace(
                looked, resolvers=(replace(looked.resolvers[0], server=parse_nameserver("8.8.8.8")),)
            )
        ),
        says=("8.8.8.8:53", "Google"),
        remedy=("unbound",),
    ),
    Case(id="resolver-no-dnssec", claim="the name server does not validate", change=server(plain)),
    # the service
    Case(
        id="unit-not-enabled",
        claim="nothing starts the service at boot",
        change=both(
            lambda made: made.path("/etc/systemd/system/multi-user.target.wants/assay.service").unlink(),
            lambda made: made.path("/etc/systemd/system/sockets.target.wants/assay.socket").unlink(),
        ),
        remedy=("systemctl enable --now assay",),
    ),
    Case(
        id="unit-needs-reload",
        claim="systemd runs with an older text of the unit",
        change=seen(lambda looked: replace(looked, unit=looked.unit and replace(looked.unit, outdated=True))),
        remedy=("systemctl daemon-reload",),
    ),
    Case(
        id="unit-missing",
        claim="systemd knows no unit",
        change=seen(
            lambda looked: replace(looked, unit=None, machine=replace(looked.machine, systemd=True)),
        ),
        says=("there is no assay.service",),
    ),
    Case(
        id="unit-as-root", claim="a drop-in makes it run as root", change=drop_in("User=root"), says=("User= is root",)
    ),
    Case(
        id="unit-sandbox-loosened",
        claim="a drop-in opens the sandbox",
        change=drop_in("ProtectSystem=no"),
        says=("override.conf", "ProtectSystem=no (shipped: strict)"),
        remedy=("systemctl revert assay",),
    ),
    Case(
        id="unit-kill-mode",
        claim="a drop-in sends SIGTERM to the workers",
        change=drop_in("KillMode=control-group"),
        says=("KillMode= is control-group",),
        remedy=("KillMode=mixed",),
    ),
    Case(
        id="unit-stop-timeout",
        claim="stop_timeout is longer than systemd waits",
        change=setting("stop_timeout", "120"),
        says=("TimeoutStopSec= is 90s", "120s"),
        remedy=("TimeoutStopSec=150",),
    ),
    Case(id="unit-no-restart", claim="a drop-in forbids the restart", change=drop_in("Restart=no"), says=("is no",)),
    Case(
        id="unit-descriptors",
        claim="a drop-in allows fewer descriptors than Postfix has processes",
        change=drop_in("LimitNOFILE=256"),
        says=("LimitNOFILE= is 256, and Postfix may open 210 sessions",),
        remedy=("LimitNOFILE=16384",),
    ),
    Case(
        id="unit-watchdog-short",
        claim="a drop-in gives the watchdog two seconds",
        change=drop_in("WatchdogSec=2"),
        says=("WatchdogSec= is 2s",),
        remedy=("WatchdogSec=60",),
    ),
    # the machine
    Case(
        id="clock-not-synchronised",
        claim="nothing keeps the clock",
        change=with_machine(lambda _: {"synchronised": False}),
        remedy=("chrony",),
    ),
    Case(
        id="clock-in-the-past",
        claim="the clock stands at 1970",
        change=with_machine(lambda _: {"now": 0.0}),
        says=("the clock says 1970-01-01",),
    ),
    Case(
        id="suffix-list-old",
        claim="the list of public suffixes is two years old",
        change=with_machine(
            lambda looked: {"suffixes": looked.machine.suffixes and looked.machine.suffixes - timedelta(days=800)}
        ),
        remedy=("pip install --upgrade publicsuffixlist",),
    ),
    Case(
        id="library-unsuitable",
        claim="dkimpy is older than setup.cfg asks for",
        change=with_machine(
            lambda _: {"libraries": (Library(name="dkimpy", required="<2,>=1.1.8", installed="1.1.7"),)}
        ),
        says=("dkimpy is 1.1.7, and <2,>=1.1.8 is needed",),
        remedy=("pip install 'dkimpy<2,>=1.1.8'",),
    ),
    Case(
        id="mail-on-hold",
        claim="messages wait on hold by our decision",
        change=seen(
            lambda looked: replace(
                looked,
                held=(
                    Held(queue_id="4B", since=int(looked.machine.now) - 86400, author_domain="b.example"),
                    Held(queue_id="4A", since=int(looked.machine.now) - 3 * 86400, author_domain="a.example"),
                ),
            )
        ),
        says=("2 in the hold queue", "the oldest for 3 days: 4A (from a.example), 4B (from b.example)"),
        remedy=("postsuper -H 4A",),
    ),
    Case(
        id="mta-not-found",
        claim="there is neither Postfix nor Sendmail",
        change=lambda made: made.main.clear(),
        remedy=("--postfix-config",),
    ),
    Case(
        id="not-looked-at",
        claim="something cannot be read",
        change=seen(lambda looked: replace(looked, unread=(Unread(what="X", why="closed", remedy="run it as root"),))),
        says=("X: closed",),
        remedy=("as root",),
    ),
]


def check(case: Case) -> None:
    with machine(case.change) as made:
        case.after(made)
        findings = found(made)

    assert [each.id for each in findings] == [case.id], findings
    [finding] = findings
    for part in case.says:
        assert part in finding.what
    for part in case.remedy:
        assert part in finding.remedy


each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id}: {case.claim}")


@each_case
@pytest.mark.real
def test_one_fault_of_a_real_configuration_is_one_finding(case: Case) -> None:
    check(case)


@each_case
@pytest.mark.usefixtures("without_postconf")
def test_one_fault_is_one_finding(case: Case) -> None:
    check(case)


def test_every_finding_of_the_catalogue_is_shown_here() -> None:
    assert {case.id for case in CASES} == {kind.id for kind in KINDS}
