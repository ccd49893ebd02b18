"""What a reload says that it changed."""

import re
from pathlib import Path

import pytest

from assay.daemon import changes as module
from assay.daemon.changes import Change, changes, log_changes
from assay.daemon.setup import Setup, load_setup

EXPECT = """
[[expect]]
dmarc = "fail"
requested = "reject"
disposition = "{disposition}"
rule = "dmarc-fail"
"""


def loaded(directory: Path, config: str = "", **policies: str) -> Setup:
    """Write and read; ``example_com`` stands for example.com."""
    files = directory / "policies"
    files.mkdir(exist_ok=True)
    for old in files.iterdir():
        old.unlink()
    for name, text in {"default": "", **policies}.items():
        (files / f"{name.replace('_', '.')}.toml").write_text(text)
    path = directory / "assay.toml"
    tables = config.partition("[")
    nameservers = "" if "nameservers" in config else '[dns]\nnameservers = ["127.0.0.1:5"]\n'
    path.write_text(f"workers = 2\n{tables[0]}\n{nameservers}{tables[1]}{tables[2]}")
    return load_setup(path)


CONFIGURATION = [
    ("", 'socket = "unix:/run/x"', "socket", "inet:8894@127.0.0.1", "unix:/run/x"),
    ("", 'socket_mode = "0600"', "socket_mode", "0660", "0600"),
    ('socket_group = "mail"', "", "socket_group", "mail", ""),
    ("", "pin_workers = false", "pin_workers", "true", "false"),
    ("stop_timeout = 1.5", "", "stop_timeout", "1.5", "20.0"),
    ("", '[exempt]\nnetworks = ["192.0.2.0/24"]', "exempt.networks", "127.0.0.0/8, ::1/128", "192.0.2.0/24"),
    ("", '[dmarc]\norganizational_domain = "psl"', "dmarc.organizational_domain", "treewalk", "psl"),
    ("", '[metrics]\naddress = "127.0.0.1:9100"', "metrics.address", "", "inet:9100@127.0.0.1"),
    ("", '[dns]\nnameservers = ["192.0.2.53"]', "dns.nameservers", "127.0.0.1:5", "192.0.2.53:53"),
    ("", 'authserv_id = "mx.example"', "authserv_id", "", "mx.example"),
]


@pytest.mark.parametrize(
    ("before", "after", "key", "old", "new"), CONFIGURATION, ids=[each[2] for each in CONFIGURATION]
)
def test_a_key_of_the_configuration_is_told_as_it_would_be_written(
    tmp_path: Path, before: str, after: str, key: str, old: str, new: str
) -> None:
    pair = loaded(tmp_path, before), loaded(tmp_path, after)
    assert list(changes(*pair)) == [Change("assay.toml", key, old, new)]
    assert list(changes(*reversed(pair))) == [Change("assay.toml", key, new, old)]


def test_the_same_files_change_nothing(tmp_path: Path) -> None:
    files = {"example_com": 'mode = "enforce"' + EXPECT.format(disposition="reject")}
    assert list(changes(loaded(tmp_path, **files), loaded(tmp_path, **files))) == []


def test_other_name_servers_of_the_machine_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = iter([("192.0.2.1",), ("192.0.2.2",)])
    monkeypatch.setattr("assay.daemon.setup.system_nameservers", lambda: next(servers))
    empty = "[dns]\nnameservers = []"
    assert list(changes(loaded(tmp_path, empty), loaded(tmp_path, empty))) == [
        Change("assay.toml", "dns.nameservers", "192.0.2.1", "192.0.2.2")
    ]


def test_a_key_of_default_toml_is_told_once_and_not_for_every_domain_that_inherits_it(tmp_path: Path) -> None:
    same = {"one_example": "", "two_example": "[dmarc]\non_none = 'quarantine'"}
    old = loaded(tmp_path, default="[dmarc]\non_temperror = 'none'", **same)
    assert list(changes(old, loaded(tmp_path, **same))) == [
        Change("default.toml", "dmarc.on_temperror", "none", "tempfail")
    ]


def test_the_mode_of_the_configuration_is_told_with_what_it_changes_for_policies(tmp_path: Path) -> None:
    assert list(changes(loaded(tmp_path), loaded(tmp_path, 'mode = "enforce"'))) == [
        Change("assay.toml", "mode", "monitor", "enforce"),
        Change("default.toml", "mode", "monitor", "enforce"),
    ]


def test_a_key_of_a_domain_is_told(tmp_path: Path) -> None:
    old = loaded(tmp_path, example_com="[arc]\ntrusted_sealers = ['b.example']")
    new = loaded(tmp_path, example_com="[arc]\ntrusted_sealers = ['b.example', 'a.example']")
    assert list(changes(old, new)) == [
        Change("example.com.toml", "arc.trusted_sealers", "b.example", "a.example, b.example")
    ]


def test_of_a_file_that_comes_or_goes_is_told_what_held_for_the_domain_without_it(tmp_path: Path) -> None:
    without = loaded(tmp_path, example_com="mode = 'enforce'")
    both = loaded(tmp_path, example_com="mode = 'enforce'", sub_example_com="[spf]\non_fail = 'reject'")
    came = [
        Change("sub.example.com.toml", "(file)", "no", "yes"),
        # a file is laid over default.toml, not over the file of the domain above
        Change("sub.example.com.toml", "mode", "enforce", "monitor"),
        Change("sub.example.com.toml", "spf.on_fail", "none", "reject"),
    ]
    assert list(changes(without, both)) == came
    went = [Change(each.file, each.key, each.new, each.old) for each in came]
    assert list(changes(both, without)) == went


def test_expectations_are_told_by_file(tmp_path: Path) -> None:
    reject = "mode = 'enforce'" + EXPECT.format(disposition="reject")
    old = loaded(tmp_path, one_example=reject, two_example=reject)
    new = loaded(tmp_path, one_example=reject, two_example=reject + EXPECT.format(disposition="reject"))
    assert list(changes(old, new)) == [Change("two.example.toml", "expect", "1 tables", "2 tables")]


def test_each_change_is_one_line_and_an_endless_list_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "MAX_LINES", 2)
    many = "pin_workers = false\nstop_timeout = 3\nauthserv_id = 'a.example'\nmode = 'enforce'"
    log_changes(loaded(tmp_path), loaded(tmp_path, many))
    lines = "".join(capfd.readouterr()).splitlines()
    assert [re.findall(r"(?:key|keys)=(\S+)", line) for line in lines] == [["authserv_id"], ["pin_workers"], ["3"]]


def test_every_key_of_the_configuration_is_looked_at(tmp_path: Path) -> None:
    shipped = Path(__file__).parent.parent.parent / "conf" / "assay.toml"
    named = set(re.findall(r"(?m)^#?([a-z_]+) = ", shipped.read_text("utf-8")))
    values = module._of_table(loaded(tmp_path).config)
    assert {key.rpartition(".")[2] for key in values} == named
