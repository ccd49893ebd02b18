"""The spellings of Postfix, Sendmail and systemd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.config.socket import SocketAddress, SocketFamily
from assay.dns.nameservers import parse_nameserver
from assay.doctor import postfix, unit
from assay.doctor.check.files import WRITABLE
from assay.doctor.check.machine import suits
from assay.doctor.check.resolver import operator_of
from assay.doctor.check.socket import permits
from assay.doctor.inspection import Account, Library, Step
from assay.doctor.milters import Listed, endpoint, mended, right_spelling
from assay.doctor.model import Severity
from assay.doctor.postfix_milters import entries, render
from assay.doctor.sendmail import parse_sendmail


def listed(spelled: str, path: str = "") -> Listed:
    return Listed(spelled=spelled, path=path, settings={})


@pytest.mark.parametrize(
    ("spelled", "right"),
    [
        ("inet:127.0.0.1:8894", ""),
        ("inet:[::1]:8894", ""),
        ("unix:assay/assay.sock", ""),
        ("local:/run/assay/assay.sock", ""),
        ("inet:8894@127.0.0.1", "inet:127.0.0.1:8894"),
        ("inet6:8894@[::1]", "inet:[::1]:8894"),
        ("8894@localhost", "inet:localhost:8894"),
        ("inet6:[::1]:8894", "inet:[::1]:8894"),
        ("/run/assay/assay.sock", "unix:/run/assay/assay.sock"),
        ("127.0.0.1:8894", "inet:127.0.0.1:8894"),
    ],
)
def test_what_postfix_does_not_take_has_a_right_spelling(spelled: str, right: str) -> None:
    # tried with Postfix 3.7: see what it says of each in its log
    assert right_spelling(spelled) == right


@pytest.mark.parametrize(
    ("milter", "place"),
    [
        (listed("inet:localhost:8891"), ":8891"),
        (listed("inet:[::1]:8891"), ":8891"),
        (listed("inet:8891"), ":8891"),
        (listed("inet:0.0.0.0:8891"), ":8891"),
        (listed("inet:192.0.2.1:8891"), ""),
        (listed("unix:x", "/var/spool/postfix/x"), "/var/spool/postfix/x"),
    ],
)
def test_only_what_listens_on_this_machine_can_be_looked_up(milter: Listed, place: str) -> None:
    assert endpoint(milter) == place


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1w", 604800), ("soon", None)],
)
def test_times_of_postfix(text: str, seconds: float | None) -> None:
    assert postfix.seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1min 30s", 90),
        ("1h", 3600),
        ("500ms", 0.5),
        ("2 min", 120),
        ("infinity", None),
        ("", None),
        ("1 fortnight", None),
        ("about 5s", None),
    ],
)
def test_times_of_systemd(text: str, seconds: float | None) -> None:
    assert unit.seconds(text) == seconds


INET = SocketAddress(family=SocketFamily.INET, host="127.0.0.1", port=8894)
UNIX = SocketAddress(family=SocketFamily.UNIX, path="/run/assay/assay.sock")


@pytest.mark.parametrize(
    ("stream", "socket", "elsewhere"),
    [
        ("", INET, "same"),
        ("127.0.0.1:8894", INET, "same"),
        ("[::1]:8894", SocketAddress(family=SocketFamily.INET6, host="::1", port=8894), "same"),
        ("8894", SocketAddress(family=SocketFamily.INET6, host="::", port=8894), "same"),
        ("8894", INET, "elsewhere"),
        ("127.0.0.1:8895", INET, "elsewhere"),
        ("192.0.2.1:8894", INET, "elsewhere"),
        ("/run/assay/assay.sock", INET, "elsewhere"),
        ("/run/assay/assay.sock", UNIX, "same"),
        ("127.0.0.1:8894 /run/assay/assay.sock", UNIX, "same"),
        ("127.0.0.1:8894", UNIX, "elsewhere"),
    ],
)
def test_where_systemd_listens(stream: str, socket: SocketAddress, elsewhere: str) -> None:
    made = unit.Unit(path="/u", settings={}, enabled=True, listens=stream, shipped={})
    assert unit.listens_elsewhere(made, socket) is (elsewhere == "elsewhere")


def test_lists_of_a_unit_add_up_until_an_empty_line() -> None:
    files = [
        unit.UnitFile(path="a", text="# x=y\n[Service]\nSystemCallFilter=a\nSystemCallFilter=\\\n b\nKillMode=none\n"),
        unit.UnitFile(path="b", text="; no\nKillMode = mixed\nSupplementaryGroups=c\nSupplementaryGroups=\n"),
    ]
    settings = unit.parse_settings(files)
    assert settings == {"SystemCallFilter": "a b", "KillMode": "mixed", "SupplementaryGroups": ""}
    assert unit.words(settings, "SystemCallFilter") == ["a", "b"]


@pytest.mark.parametrize(
    ("required", "installed", "good"),
    [
        (">=1.2.0", "1.2", "suits"),
        (">=1.2.0", "1.1.9", "not"),
        ("<2,>=1.1.8", "1.10", "suits"),
        ("<2,>=1.1.8", "2.0", "not"),
        ("<=3", "3.0.0", "suits"),
        (">3", "3.0", "not"),
        ("==3.*", "3", "suits"),
        ("!=3.1", "3.1.0", "not"),
        ("", "0", "suits"),
        (">=1", "unknown", "not"),
    ],
)
def test_versions_are_compared_as_numbers(required: str, installed: str, good: str) -> None:
    assert suits(Library(name="x", required=required, installed=installed)) is (good == "suits")


@pytest.mark.parametrize(
    ("uid", "gids", "acl", "may"),
    [
        (0, set(), False, "may"),
        (1, set(), False, "may"),
        (2, {5}, False, "may"),
        (2, {6}, False, "may not"),
        (None, set(), False, "may not"),
        (2, {6}, True, "may"),
    ],
)
def test_permissions_are_those_of_the_owner_the_group_or_the_rest(
    uid: int | None, gids: set[int], acl: object, may: str
) -> None:
    step = Step(path="/x", mode=0o660, uid=1, gid=5, directory=False, acl=bool(acl))
    user = Account(name="x", uid=uid, gids=frozenset(gids))
    assert permits(step, user, 2) is (may == "may")


def test_the_owner_does_not_get_what_only_the_rest_has() -> None:
    step = Step(path="/x", mode=0o006, uid=1, gid=5, directory=False)
    assert not permits(step, Account(name="x", uid=1, gids=frozenset({5})), 2)
    assert not permits(step, Account(name="x", uid=2, gids=frozenset({5})), 2)


@pytest.mark.parametrize(
    ("address", "operator"),
    [("1.1.1.1", "Cloudflare"), ("2620:fe::fe", "Quad9"), ("9.9.9.9", "Quad9"), ("127.0.0.1", ""), ("192.0.2.53", "")],
)
def test_public_forwarders_are_known_by_their_addresses(address: str, operator: str) -> None:
    assert operator_of(parse_nameserver(address).address) == operator


def test_a_finding_has_the_severity_of_its_kind() -> None:
    assert WRITABLE.found("x", "y").severity is Severity.ERROR


M4 = st.text(alphabet="`',()=;:@. \n", max_size=30)
CALLS = st.sampled_from(
    [
        "INPUT_MAIL_FILTER(",
        "MAIL_FILTER(",
        "define(`confINPUT_MAIL_FILTERS',",
        "DAEMON_OPTIONS(",
        "FEATURE(",
        "S=",
        "T=R:",
        "dnl",
    ]
)


@given(st.lists(CALLS | M4 | st.text(max_size=10), max_size=20).map("".join))
def test_whatever_stands_in_a_sendmail_mc_is_read_without_an_error(text: str) -> None:
    sendmail = parse_sendmail(text, "/mc", stale=False)
    assert sendmail.daemons or "no_default_msa" in text


@given(st.lists(st.tuples(st.sampled_from(["User", "ExecStart", "# x", "[Service]", "\\"]), st.text(max_size=10))))
def test_whatever_stands_in_a_unit_is_read_without_an_error(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(f"{key}={value}" for key, value in lines)
    settings = unit.parse_settings([unit.UnitFile(path="u", text=text)])
    assert not any(key.startswith("#") for key in settings)


@given(st.text("{}=, \ta", max_size=40))
def test_a_list_of_milters_is_read_whatever_is_in_it_and_can_be_mended(text: str) -> None:
    milters = [
        Listed(spelled=each.spelled, written=each.written, fault=each.fault, settings={}, own=each.settings)
        for each in entries(text)
    ]
    right = ", ".join(written for each in milters if (written := mended(each)))

    assert [each.fault for each in entries(right)] == [""] * len([each for each in milters if mended(each)])
    assert {each.spelled for each in milters if not each.fault and not right_spelling(each.spelled)} <= {
        each.spelled for each in entries(right)
    }


@pytest.mark.parametrize(
    ("text", "spelled", "settings"),
    [
        ("{ unix:x protocol=2 }", "unix:x", {"protocol": "2"}),
        ("{unix:x,default_action=accept,}", "unix:x", {"default_action": "accept"}),
        ("{ unix:x, { default_action = accept } }", "unix:x", {"default_action": "accept"}),
        ("{ unix:x, default_action = accept }", "unix:x", {"default_action": "accept"}),
        ("{ unix:x, default_action=accept", "unix:x", {"default_action": "accept"}),
        ("{ unix:x, default_acton=accept }", "unix:x", {}),
        ("{ }", "", {}),
    ],
)
def test_a_milter_in_braces(text: str, spelled: str, settings: dict[str, str]) -> None:
    [entry] = entries(text)
    assert (entry.spelled, entry.settings) == (spelled, settings)


def test_a_setting_with_a_blank_is_written_in_braces_of_its_own() -> None:
    text = render("unix:x", {"default_action": "a b", "protocol": "6"})
    assert text == "{ unix:x, { default_action = a b }, protocol=6 }"
    assert next(entries(text)).settings == {"default_action": "a b", "protocol": "6"}
