"""What is no fault though it looks like one, and faults in another shape: each on the good machine with one change."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from assay.dns.nameservers import parse_nameserver
from assay.doctor.inspection import Contact, Held, Inspection, Library, SocketView, Step, Walk
from assay.doctor.unit import State
from support.doctor_changes import Case, both, check, drop_in, main, seen, service, setting, smtp, tables, with_machine
from support.doctor_world import SOCKET, Machine
from support.fake_milter import LEADING_SPACE, NO_REPLIES, FakeMilter


def on_port(host: str, listed: str, protocol: int = LEADING_SPACE | NO_REPLIES) -> Callable[[Machine], object]:
    """Serve a port of loopback, configured and listed under these names."""

    def change(made: Machine) -> None:
        fake = FakeMilter(protocol)
        port = fake.place.removeprefix("inet:").partition("@")[0]
        made.filters.append(fake)
        made.settings["socket"] = f'"inet:{port}@{host}"'
        made.main["smtpd_milters"] = f"inet:{listed}:{port}"

    return change


def master(old: str, new: str) -> Callable[[Machine], object]:
    return lambda made: setattr(made, "master", made.master.replace(old, new))


def stepped(change: Callable[[Step], Step]) -> Callable[[Machine], object]:
    """Change what was seen of the last step to each file."""

    def walked(walk: Walk) -> Walk:
        return replace(walk, steps=(*walk.steps[:-1], change(walk.steps[-1])))

    return seen(lambda looked: replace(looked, files=tuple(map(walked, looked.files[:1]))))


def without_unit(made: Machine) -> None:
    made.path("/etc/systemd/system/assay.service").unlink()


def socket_outside_the_queue(made: Machine) -> None:
    made.settings["socket"] = '"unix:/run/assay/assay.sock"'
    made.main["smtpd_milters"] = "inet:127.0.0.1:8891"
    made.adjust = lambda looked: replace(looked, socket=SocketView(contact=Contact.SPEAKS))


def many_held(looked: Inspection) -> Inspection:
    held = tuple(Held(queue_id=f"4{n}", since=int(looked.machine.now) - n, author_domain="") for n in range(7))
    return replace(looked, held=held)


CASES = (
    # lists of milters
    Case(id="", claim="localhost is loopback too", change=on_port("127.0.0.1", "localhost")),
    Case(id="", claim="and the other way round", change=on_port("localhost", "127.0.0.1")),
    Case(id="", claim="no host, and Postfix takes localhost", change=on_port("127.0.0.1", "")),
    Case(id="", claim="every address, and the connection ends here", change=on_port("127.0.0.1", "0.0.0.0")),
    Case(
        id="milter-not-listed",
        claim="every address of the other family",
        change=on_port("127.0.0.1", "[::]"),
    ),
    Case(
        id="milter-not-listed",
        claim="the port is that of another machine",
        change=on_port("127.0.0.1", "192.0.2.1"),
        says=("does not list assay (inet:127.0.0.1:",),
    ),
    Case(
        id="milter-not-listed",
        claim="a service that asks no milter",
        change=smtp("receive_override_options=no_address_mappings,no_milters"),
        says=("smtp/inet: -o receive_override_options says no_milters",),
        remedy=("take no_milters out",),
    ),
    Case(
        id="milter-not-listed",
        claim="another unix socket is listed",
        change=main(smtpd_milters="unix:milter-regex/sock"),
        remedy=("smtpd_milters = unix:assay/assay.sock, unix:milter-regex/sock'",),
    ),
    Case(
        id="milter-not-listed",
        claim="a socket outside the queue directory",
        change=socket_outside_the_queue,
        says=("does not list assay (unix:/run/assay/assay.sock)",),
        remedy=("smtpd_milters = unix:/run/assay/assay.sock, inet:127.0.0.1:8891'",),
    ),
    Case(id="", claim="behind postscreen", change=service("smtpd pass - - y - - smtpd")),
    Case(
        id="milter-not-listed",
        claim="the smtpd behind postscreen has no milter",
        change=service("smtpd pass - - y - - smtpd", "smtpd_milters="),
        says=("smtpd/pass: -o smtpd_milters",),
        remedy=("-P 'smtpd/pass/smtpd_milters=",),
    ),
    Case(
        id="milter-spelling",
        claim="IPv6 as libmilter has it",
        change=main(smtpd_milters="unix:assay/assay.sock, inet6:[::1]:8891"),
        says=("says inet6:[::1]:8891, which should be inet:[::1]:8891",),
    ),
    Case(
        id="",
        claim="opendkim signs and does not verify",
        change=both(
            main(smtpd_milters="unix:assay/assay.sock, unix:opendkim/opendkim.sock"),
            lambda made: made.write("/etc/opendkim.conf", "# signs only\nMode s\nSyslog\n"),
        ),
    ),
    Case(
        id="authserv-id-clash",
        claim="opendkim is told the name of the host",
        change=both(
            main(smtpd_milters="unix:assay/assay.sock, unix:opendkim/opendkim.sock"),
            lambda made: made.write("/etc/opendkim.conf", "AuthservID MX.dest.example\n"),
        ),
    ),
    Case(
        id="authserv-id-clash",
        claim="a milter is known by the program that listens",
        change=both(
            main(smtpd_milters="unix:assay/assay.sock, inet:127.0.0.1:9999"),
            seen(lambda looked: replace(looked, programs={":9999": "opendkim"})),
        ),
        says=("opendkim (inet:127.0.0.1:9999)",),
    ),
    Case(
        id="", claim="a milter that nobody knows", change=main(smtpd_milters="inet:10.0.0.1:9, unix:assay/assay.sock")
    ),
    Case(
        id="",
        claim="rspamd leaves DMARC alone",
        change=both(
            main(smtpd_milters="unix:assay/assay.sock, inet:localhost:11332"),
            lambda made: made.write("/etc/rspamd/local.d/dmarc.conf", "enabled = false;\n"),
        ),
    ),
    Case(
        id="authserv-id-clash",
        claim="rspamd leaves DMARC alone, and writes Authentication-Results with the name that the MTA says",
        change=both(
            main(smtpd_milters="unix:assay/assay.sock, inet:localhost:11332"),
            lambda made: made.write("/etc/rspamd/local.d/dmarc.conf", "enabled = false;\n"),
            lambda made: made.write(
                "/etc/rspamd/local.d/milter_headers.conf",
                'use = ["x-spamd-bar", # a comment\n  "authentication-results"];\n',
            ),
        ),
        says=("rspamd (inet:localhost:11332) and assay both",),
        remedy=("take authentication-results out of use in /etc/rspamd/local.d/milter_headers.conf",),
    ),
    Case(
        id="",
        claim="rspamd writes other fields only",
        change=both(
            main(smtpd_milters="unix:assay/assay.sock, inet:localhost:11332"),
            lambda made: made.write("/etc/rspamd/local.d/dmarc.conf", "enabled = false;\n"),
            lambda made: made.write(
                "/etc/rspamd/override.d/milter_headers.conf",
                'use = ["x-spam-status"]; # not "authentication-results"\nroutines { authentication-results { } }\n',
            ),
        ),
    ),
    Case(
        id="second-dmarc-milter",
        claim="rspamd judges DMARC",
        change=main(smtpd_milters="unix:assay/assay.sock, inet:localhost:11332"),
        says=("rspamd (inet:localhost:11332)",),
    ),
    Case(
        id="milter-listed-twice",
        claim="with another milter between the two",
        change=main(smtpd_milters="unix:assay/assay.sock unix:clamav/clamav-milter.ctl unix:assay/assay.sock"),
        remedy=("= unix:assay/assay.sock, unix:clamav/clamav-milter.ctl'",),
    ),
    Case(
        id="milter-order",
        claim="both milters have settings, which the remedy keeps",
        change=main(
            smtpd_milters="{ unix:spamass/spamass.sock default_action=accept },"
            " { unix:assay/assay.sock, { content_timeout = 100s } }"
        ),
        remedy=("= { unix:assay/assay.sock, { content_timeout = 100s } }, { unix:spamass/spamass.sock default_act",),
    ),
    Case(
        id="socket-path-for-chroot",
        claim="another milter is listed besides, and stays",
        change=both(
            main(smtpd_milters="unix:milter-regex/sock, unix:/assay/assay.sock"),
            master("smtp inet n - y", "smtp inet n - n"),
        ),
        remedy=("= unix:milter-regex/sock, unix:assay/assay.sock'",),
    ),
    Case(
        id="milter-order",
        claim="a list of one service, which postconf -P takes without blanks only",
        change=smtp("smtpd_milters=unix:spamass/spamass.sock,unix:assay/assay.sock"),
        remedy=("-P 'smtp/inet/smtpd_milters=unix:assay/assay.sock,unix:spamass/spamass.sock'",),
    ),
    Case(
        id="milter-spelling",
        claim="a word that is no socket",
        change=main(smtpd_milters="unix:assay/assay.sock, none"),
        says=("says none, which should be left out",),
        remedy=("= unix:assay/assay.sock'",),
    ),
    Case(
        id="content-timeout-short",
        claim="a time that is none",
        change=main(milter_content_timeout="5 m"),
        says=("milter_content_timeout is 5 m, which is no time: smtpd ends",),
        remedy=("milter_content_timeout = 300s",),
    ),
    Case(
        id="milter-not-listed",
        claim="a port of loopback for everybody, behind a proxy",
        change=service(
            "127.0.0.1:2525 inet n - y - - smtpd", "smtpd_upstream_proxy_protocol=haproxy", "smtpd_milters="
        ),
        says=("127.0.0.1:2525/inet: -o smtpd_milters",),
    ),
    Case(
        id="milter-spelling",
        claim="a brace that is not closed",
        change=main(smtpd_milters="{ unix:assay/assay.sock, default_action=tempfail"),
        says=("its brace is not closed",),
        remedy=("= { unix:assay/assay.sock, default_action=tempfail }'",),
    ),
    Case(
        id="milter-spelling",
        claim="a setting that there is not is left out",
        change=main(smtpd_milters="{ unix:assay/assay.sock, defualt_action=accept }"),
        says=("Postfix knows no setting defualt_action",),
        remedy=("= unix:assay/assay.sock'",),
    ),
    # Postfix
    Case(id="", claim="a service that is switched off", change=main(master_service_disable="inet", smtpd_milters="")),
    Case(
        id="milter-not-listed",
        claim="a service is excepted from what is switched off",
        change=main(master_service_disable="!smtp/inet, inet", smtpd_milters=""),
        says=("smtp/inet",),
    ),
    Case(
        id="not-looked-at",
        claim="there is another instance",
        change=main(multi_instance_directories="/etc/postfix-in"),
        says=("the instance of Postfix in /etc/postfix-in",),
        remedy=("assay doctor --postfix-config /etc/postfix-in",),
    ),
    Case(
        id="milter-in-non-smtpd",
        claim="a second cleanup service has a list of its own",
        change=service("pre-cleanup unix n - y - 0 cleanup", "non_smtpd_milters=unix:assay/assay.sock"),
        says=("pre-cleanup/unix: -o non_smtpd_milters",),
        remedy=("-P 'pre-cleanup/unix/non_smtpd_milters='",),
    ),
    Case(
        id="milter-protocol-old",
        claim="an old version with an extension",
        change=main(milter_protocol="2, no_header_reply"),
        says=("milter_protocol is 2, no_header_reply",),
    ),
    Case(
        id="spf-policy-service",
        claim="in a class of restrictions, with settings",
        change=main(
            smtpd_restriction_classes="spf",
            spf="check_policy_service { unix:private/policyd-spf, timeout=10s }",
            smtpd_recipient_restrictions="reject_unauth_destination, spf",
        ),
        says=("main.cf: spf asks unix:private/policyd-spf",),
        remedy=("take check_policy_service unix:private/policyd-spf out of spf, then: postfix -c",),
    ),
    Case(
        id="",
        claim="exactly as long as it takes",
        change=main(milter_command_timeout="10s", milter_connect_timeout="10", milter_content_timeout="40s"),
    ),
    Case(id="", claim="the oldest Postfix that will do", change=main(mail_version="2.6.0")),
    Case(
        id="milter-in-non-smtpd",
        claim="cleanup looks from its chroot",
        change=main(non_smtpd_milters="unix:/assay/assay.sock"),
    ),
    Case(
        id="socket-path-for-chroot",
        claim="a column that is left open means no chroot today",
        change=both(main(smtpd_milters="unix:/assay/assay.sock"), master("smtp inet n - y", "smtp inet n - -")),
    ),
    Case(id="", claim="an action that Postfix does not know defers", change=main(milter_default_action="wait")),
    Case(
        id="",
        claim="a NUL is refused instead",
        change=main(message_strip_characters="", message_reject_characters=r"\0"),
    ),
    Case(
        id="nul-not-stripped",
        claim="another control character is stripped",
        change=main(message_strip_characters=r"\001"),
    ),
    Case(
        id="",
        claim="a column that is left open means a chroot, as long ago",
        change=both(
            main(compatibility_level="0", smtpd_milters="unix:/assay/assay.sock"),
            master("smtp inet n - y", "smtp inet n - -"),
        ),
    ),
    Case(
        id="socket-denied",
        claim="the directory of the socket is closed",
        after=lambda made: made.path(SOCKET).parent.chmod(0o700),
        says=("/var/spool/postfix/assay (mode 0700",),
        remedy=("chmod o+x /var/spool/postfix/assay",),
    ),
    Case(
        id="",
        claim="what is outside of the chroot may be closed",
        after=lambda made: made.path("/var/spool").chmod(0o700),
    ),
    Case(
        id="socket-denied",
        claim="without a chroot it may not",
        change=master("smtp inet n - y", "smtp inet n - n"),
        after=lambda made: made.path("/var/spool/postfix").parent.chmod(0o700),
        says=("/var/spool (mode 0700",),
    ),
    Case(id="", claim="a mail owner that does not exist is no matter here", change=main(mail_owner="nobody-here")),
    Case(id="", claim="no cleanup service", change=master("cleanup unix n - y - 0 cleanup\n", "")),
    Case(
        id="",
        claim="a filter hands back to assay, which keeps its results",
        change=both(
            main(content_filter="scan:[127.0.0.1]:10024"),
            service("127.0.0.1:10026 inet n - y - - smtpd", "content_filter="),
            tables("[exempt]\nkeep_results = true\n"),
        ),
    ),
    Case(
        id="",
        claim="a service for own users on a port of its own",
        change=service(
            "2587 inet n - y - - smtpd",
            "smtpd_milters=",
            "smtpd_sasl_auth_enable=yes",
            "smtpd_client_restrictions=permit_sasl_authenticated,reject",
        ),
    ),
    Case(
        id="",
        claim="a filter on another machine of ours hands back",
        change=service(
            "10026 inet n - y - - smtpd", "smtpd_milters=", "smtpd_recipient_restrictions=permit_mynetworks,reject"
        ),
    ),
    Case(
        id="milter-not-listed",
        claim="a port for everybody whose milters are off",
        change=service(
            "2525 inet n - y - - smtpd",
            "smtpd_milters=",
            "smtpd_recipient_restrictions=permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination",
        ),
        says=("2525/inet: -o smtpd_milters does not list assay",),
    ),
    Case(
        id="", claim="port 25 of loopback alone", change=service("127.0.0.1:25 inet n - y - - smtpd", "smtpd_milters=")
    ),
    Case(id="", claim="mail of this machine alone", change=service("127.0.0.1:2525 inet n - y - - smtpd")),
    Case(
        id="",
        claim="authenticated users are exempt",
        change=service("submissions inet n - y - - smtpd", "smtpd_sasl_auth_enable=yes"),
    ),
    Case(
        id="submission-judged",
        claim="a submission service that asks for no password",
        change=service("2587 inet n - y - - smtpd", "milter_macro_daemon_name=ORIGINATING"),
        says=("2587/inet", "its users do not authenticate themselves"),
    ),
    Case(
        id="resolver-public",
        claim="behind the stub of systemd-resolved",
        change=seen(
            lambda looked: replace(
                looked,
                resolvers=tuple(
                    replace(each, forwards=tuple(map(parse_nameserver, ("192.0.2.1", "9.9.9.9", "1.1.1.1", "1.0.0.1"))))
                    for each in looked.resolvers
                ),
            )
        ),
        says=("is systemd-resolved, which asks the public forwarder of Quad9 and Cloudflare",),
        remedy=("apt-get install unbound",),
    ),
    # the socket
    Case(
        id="socket-not-a-milter",
        claim="a port that has another program",
        change=both(
            on_port("127.0.0.1", "127.0.0.1", NO_REPLIES),
            seen(
                lambda looked: replace(
                    looked, programs={f":{looked.config.socket.port if looked.config else 0}": "rspamd"}
                )
            ),
        ),
        says=("(rspamd): it is a milter that does not",),
        remedy=("ss -ltnp",),
    ),
    Case(
        id="",
        claim="we ourselves may not connect",
        change=seen(lambda looked: replace(looked, socket=SocketView(contact=Contact.DENIED, why="Permission denied"))),
    ),
    Case(
        id="socket-open-to-all",
        claim="without a socket unit the mode is one of the configuration",
        change=both(
            lambda made: setattr(made, "mode", 0o666),
            lambda made: made.path("/etc/systemd/system/sockets.target.wants/assay.socket").unlink(),
        ),
        remedy=('socket_group = "postfix" and socket_mode = "0660"',),
    ),
    Case(
        id="socket-open-to-all",
        claim="no drop-in says who may use the socket",
        change=both(
            lambda made: setattr(made, "mode", 0o666),
            lambda made: made.write(
                "/etc/systemd/system/assay.socket.d/postfix.conf", f"[Socket]\nListenStream=\nListenStream={SOCKET}\n"
            ),
        ),
        remedy=("systemctl edit assay.socket: below [Socket] write SocketUser=assay",),
    ),
    Case(
        id="",
        claim="an access control list may let Postfix in",
        change=both(
            lambda made: setattr(made, "mode", 0o600),
            seen(
                lambda looked: replace(
                    looked,
                    socket=looked.socket
                    and replace(
                        looked.socket,
                        walk=looked.socket.walk
                        and replace(
                            looked.socket.walk,
                            steps=tuple(replace(step, acl=True) for step in looked.socket.walk.steps),
                        ),
                    ),
                )
            ),
        ),
    ),
    # files
    Case(
        id="file-writable",
        claim="the file belongs to a user",
        change=stepped(lambda step: replace(step, uid=4711)),
        says=("belongs to the user 4711",),
        remedy=("chown root /etc/assay/assay.toml",),
    ),
    Case(
        id="file-writable",
        claim="a group may write",
        change=stepped(lambda step: replace(step, mode=0o664, gid=4711)),
        says=("may be changed by the group 4711",),
    ),
    Case(id="", claim="the group of root may write", change=stepped(lambda step: replace(step, mode=0o664, gid=0))),
    Case(id="", claim="a directory like /tmp", change=stepped(lambda step: replace(step, mode=0o1777, directory=True))),
    Case(
        id="file-unreadable",
        claim="the directory of policies cannot be listed",
        after=lambda made: made.path("/etc/assay/policies").chmod(0o711),
        says=("/etc/assay/policies (mode 0711",),
        remedy=("chmod a+rx /etc/assay/policies",),
    ),
    Case(
        id="",
        claim="a user that systemd makes reads through its group",
        change=drop_in("User=somebody", "DynamicUser=yes", "SupplementaryGroups=postfix"),
        after=lambda made: made.config.chmod(0o640),
    ),
    Case(
        id="",
        claim="nothing is known of who runs it",
        change=drop_in("User=somebody"),
        after=lambda made: made.config.chmod(0o640),
    ),
    Case(
        id="",
        claim="the group of the service may read",
        change=drop_in("User=somebody", "DynamicUser=yes", "Group=postfix"),
        after=lambda made: made.config.chmod(0o640),
    ),
    # the service
    Case(id="", claim="no unit where no systemd is", change=without_unit),
    Case(id="unit-as-root", claim="no user at all", change=drop_in("User="), says=("User= is not set",)),
    Case(id="", claim="systemd waits for ever", change=drop_in("Type=exec", "TimeoutStopSec=infinity")),
    Case(id="", claim="a watchdog of ten seconds", change=drop_in("WatchdogSec=10")),
    Case(id="", claim="no limit of descriptors", change=drop_in("LimitNOFILE=infinity")),
    Case(id="", claim="restarted after faults only", change=drop_in("Restart=on-failure")),
    Case(
        id="unit-stop-timeout",
        claim="minutes and seconds",
        change=both(drop_in("Type=exec", "TimeoutStopSec=1min 5s"), setting("stop_timeout", "65")),
        says=("is 65s",),
    ),
    Case(id="", claim="systemd is told of a longer stop_timeout", change=setting("stop_timeout", "120")),
    Case(
        id="",
        claim="started after the last change",
        change=seen(
            lambda looked: replace(
                looked,
                unit=looked.unit and replace(looked.unit, state=State(outdated=False, failed=False, since=2.0**33)),
            )
        ),
    ),
    # the machine
    Case(
        id="library-unsuitable",
        claim="a library is missing",
        change=with_machine(lambda _: {"libraries": (Library(name="authres", required=">=1.2.0", installed=None),)}),
        says=("authres is not installed",),
    ),
    Case(id="", claim="the clock cannot be asked", change=with_machine(lambda _: {"synchronised": None})),
    Case(id="", claim="the list of public suffixes has no date", change=with_machine(lambda _: {"suffixes": None})),
    Case(
        id="mail-on-hold",
        claim="many messages, whose authors are not known",
        change=seen(many_held),
        says=("7 kept in the queue", "46 (from nobody), 45 (from nobody)", ", ..."),
    ),
)

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.claim}: {case.id or 'nothing'}")


@each_case
@pytest.mark.usefixtures("without_postconf")
def test_variant(case: Case) -> None:
    check(case)


@each_case
@pytest.mark.real
def test_variant_of_a_real_configuration(case: Case) -> None:
    check(case)
