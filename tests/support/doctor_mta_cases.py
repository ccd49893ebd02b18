"""Every finding about the configuration, the socket and the MTA, on a machine where it is the only one."""

import os
from typing import Final

from support.doctor_changes import Case, both, main, service, smtp, tables
from support.doctor_world import ROOT, SOCKET, Machine
from support.fake_milter import LEADING_SPACE, NO_REPLIES, FakeMilter


def _on_every_address(made: Machine) -> None:
    fake = FakeMilter(LEADING_SPACE | NO_REPLIES)
    port = fake.place.removeprefix("inet:").partition("@")[0]
    made.filters.append(fake)
    made.settings["socket"] = f'"inet:{port}@0.0.0.0"'
    made.main["smtpd_milters"] = f"inet:127.0.0.1:{port}"


def _sendmail(made: Machine) -> None:
    """Have Sendmail instead of Postfix, attached as conf/sendmail.mc advises."""
    made.main.clear()
    text = (ROOT / "conf/sendmail.mc").read_text("utf-8").replace("inet:8894@127.0.0.1", f"unix:{SOCKET}")
    made.write("/etc/mail/sendmail.mc", "FEATURE(`no_default_msa')dnl\n" + text)
    made.write("/etc/mail/sendmail.cf", "")


MTA_CASES: Final = (
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
        remedy=(
            "edit /etc/systemd/system/assay.socket.d/postfix.conf: below [Socket] write SocketUser=assay,",
            "SocketGroup=postfix and SocketMode=0660",
            "systemctl daemon-reload && systemctl restart assay.socket assay",
        ),
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
        change=main(smtpd_milters="{ unix:assay/assay.sock, default_action=reject }"),
        says=("{ unix:assay/assay.sock, default_action } is reject",),
        remedy=("-e 'smtpd_milters = { unix:assay/assay.sock, default_action=tempfail }'",),
    ),
    Case(
        id="mail-held-while-away",
        claim="the action of the service is quarantine",
        change=smtp("milter_default_action=quarantine"),
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
        change=smtp("smtpd_proxy_filter=127.0.0.1:10024"),
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
        remedy=("-e 'smtpd_milters = { unix:assay/assay.sock, connect_timeout=30s }'",),
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
        id="postfix-configuration-broken",
        claim="a line of master.cf has one column",
        change=lambda made: setattr(made, "master", made.master.replace("cleanup unix", "cleanup\ncleanup unix")),
        says=("/etc/postfix: ", "master.cf: line 10: bad field count"),
        remedy=("check",),
    ),
    Case(
        id="parameter-unknown",
        claim="the name of a parameter lacks a letter",
        change=main(milter_default_acton="accept"),
        says=("main.cf: milter_default_acton is no parameter of Postfix",),
        remedy=("write milter_default_action",),
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
        change=both(_sendmail, lambda made: os.utime(made.path("/etc/mail/sendmail.cf"), (0, 0))),
        says=("/etc/mail/sendmail.mc is newer",),
        remedy=("make -C /etc/mail",),
    ),
    Case(
        id="socket-directory-unsafe",
        claim="the group may write to the directory of the socket",
        change=_sendmail,
        after=lambda made: made.path(SOCKET).parent.chmod(0o775),
        says=("/var/spool/postfix/assay (mode 0775), above the socket that",),
        remedy=("chmod go-w /var/spool/postfix/assay",),
    ),
)
