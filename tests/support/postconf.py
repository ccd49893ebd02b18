"""What postconf prints, without Postfix: enough of it for the fast tests of the doctor; the real ones ask postconf."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from assay.doctor.inspection import Unread
from assay.doctor.look.places import UnreadError

COLUMNS: Final = 8
"""Of a line of master.cf."""

DEFAULTS: Final = {
    "mail_version": "3.7.11",
    "compatibility_level": "0",
    "myhostname": "mx.dest.example",
    "mail_owner": "postfix",
    "queue_directory": "/var/spool/postfix",
    "default_process_limit": "100",
    "smtpd_milters": "",
    "non_smtpd_milters": "",
    "smtpd_milter_maps": "",
    "milter_default_action": "tempfail",
    "milter_protocol": "6",
    "milter_connect_timeout": "30s",
    "milter_command_timeout": "30s",
    "milter_content_timeout": "300s",
    "milter_macro_daemon_name": "$myhostname",
    "message_strip_characters": "",
    "message_reject_characters": "",
    "content_filter": "",
    "smtpd_proxy_filter": "",
    "receive_override_options": "",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_restriction_classes": "",
    "master_service_disable": "",
    "multi_instance_directories": "",
}


def answers(what: str, command: Sequence[str], remedy: str) -> tuple[str, str]:
    """Take the place of ``outputs_of``: as :func:`answer`, and the complaint about one parameter that is none."""
    complaint = f"postconf: warning: {command[2]}/main.cf: unused parameter: milter_default_acton=accept\n"
    text = answer(what, command, remedy)
    return text, complaint if "milter_default_acton" in text else ""


def answer(_what: str, command: Sequence[str], _remedy: str) -> str:
    """Take the place of ``output_of`` for ``postconf -c DIRECTORY ...``.

    Raises:
        UnreadError: a line of master.cf has too few columns.
    """
    program, _, directory, *options = command
    assert program == "postconf"
    main = DEFAULTS | dict(_settings(Path(directory, "main.cf").read_text("utf-8").splitlines()))
    services = re.sub(r"\n\s+", " ", Path(directory, "master.cf").read_text("utf-8")).splitlines()
    if any(len(line.split()) < COLUMNS for line in services):
        fault = f"/usr/sbin/postconf: fatal: file {directory}/master.cf: line 10: bad field count"
        raise UnreadError(Unread(what="", why=fault, remedy=""))
    if options == ["-x"]:
        return "".join(f"{name} = {_expanded(value, main)}\n" for name, value in main.items())
    if options == ["-M"]:
        return "".join(f"{line}\n" for line in services)
    return "".join(
        f"{line.split()[0]}/{line.split()[1]}/{name} = {_expanded(value, main)}\n"
        for line in services
        for name, value in _settings(re.findall(r"-o (\S+)", line))
    )


def _settings(lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(name.strip(), value.strip()) for name, _, value in (line.partition("=") for line in lines)]


def _expanded(value: str, main: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda match: main.get(match[1], ""), value)
