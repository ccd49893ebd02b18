"""Nothing is said of a machine on which all is well, however it is set up; and nothing on it is changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support.doctor_changes import both, main, service, smtp, tables
from support.doctor_world import ROOT, Machine, found, machine
from support.fake_milter import LEADING_SPACE, NO_REPLIES, FakeMilter

pytestmark = pytest.mark.real

DEBIAN = Path("/usr/share/postfix")


def as_shipped(made: Machine) -> None:
    """Debian's own files, and the lines of conf/postfix-main.cf; only the port is one that is free here."""
    fake = FakeMilter(LEADING_SPACE | NO_REPLIES)
    made.filters.append(fake)
    port = fake.place.removeprefix("inet:").partition("@")[0]
    made.settings["socket"] = f'"inet:{port}@127.0.0.1"'
    lines = (DEBIAN / "main.cf.debian").read_text("utf-8") + (ROOT / "conf/postfix-main.cf").read_text("utf-8")
    made.main.clear()
    made.main["queue_directory"] = "/var/spool/postfix"
    made.main_text = lines.replace("8894", port) + "myhostname = mx.dest.example\n"
    made.master = (DEBIAN / "master.cf.dist").read_text("utf-8")


def behind_postscreen(made: Machine) -> None:
    made.master = made.master.replace("smtp inet n - y - - smtpd", "smtp inet n - y - 1 postscreen")
    made.master += "smtpd pass - - y - - smtpd\ndnsblog unix - - y - 0 dnsblog\n"


def named_otherwise(made: Machine) -> None:
    made.write(
        "/etc/opendkim.conf", "Socket local:/run/opendkim/opendkim.sock\nMode sv\nAuthservID dkim.dest.example\n"
    )


GOOD = {
    "the advice of docs/guides": lambda _: None,
    "Debian's own files and the shipped lines": as_shipped,
    "smtpd behind postscreen": behind_postscreen,
    "amavis after the queue, which hands back past assay": main(content_filter="smtp-amavis:[127.0.0.1]:10024"),
    "a filter that hands back to assay, which keeps its fields": both(
        main(content_filter="scan:[127.0.0.1]:10024"),
        service("127.0.0.1:10026 inet n - y - - smtpd", "content_filter="),
        tables("[exempt]\nkeep_results = true\n"),
    ),
    "opendkim after assay, under a name of its own": both(
        named_otherwise, main(smtpd_milters="unix:assay/assay.sock, unix:opendkim/opendkim.sock")
    ),
    "assay for the service of port 25 alone": both(main(smtpd_milters=""), smtp("smtpd_milters=unix:assay/assay.sock")),
    "settings beside the socket": main(
        milter_default_action="accept",
        smtpd_milters="{ unix:assay/assay.sock, default_action=tempfail, connect_timeout=20s }",
    ),
    "a name for the list": main(assay_milter="unix:assay/assay.sock", smtpd_milters="$assay_milter"),
}


@pytest.mark.parametrize("change", GOOD.values(), ids=GOOD.keys())
def test_nothing_is_found(change: Callable[[Machine], object]) -> None:
    with machine(change) as made:
        assert found(made) == []


def _state(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a directory: kind and mode, owner, time, and content."""
    return {
        str(path): (
            *(path.lstat().st_mode, path.lstat().st_uid, path.lstat().st_gid, path.lstat().st_mtime_ns),
            path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
        )
        for path in sorted(root.rglob("*"))
    }


def test_it_changes_nothing() -> None:
    with machine(main(smtpd_milters="", milter_default_action="accept")) as made:
        before = _state(made.root)
        assert found(made)
        assert _state(made.root) == before
