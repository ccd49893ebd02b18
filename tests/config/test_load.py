"""Finding and reading the configuration, with its policies."""

import errno
import os
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.config.load import SYSTEM_FILE, find_configuration, load_all, load_config, parse_config, places
from assay.config.model import ConfigFile
from assay.errors import ConfigurationError
from assay.policy.model import Mode

ROOT = Path(__file__).parents[2]


def _problems(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_all(path)
    return [str(problem).removeprefix(f"{path.parent}/") for problem in caught.value.problems]


def test_a_file_that_is_named_is_taken() -> None:
    assert find_configuration(Path("x/y.toml")) == Path("x/y.toml")


def test_the_first_file_that_exists_is_taken(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("1", "2", "3"))
    second.touch()
    third.touch()
    assert find_configuration(among=[first, second, third]) == second


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.symlink_to(path), id="a loop of links"),
        pytest.param(lambda path: path.symlink_to("gone"), id="a link that leads nowhere"),
        pytest.param(Path.mkdir, id="a directory"),
        pytest.param(lambda path: path.touch(0), id="a file that nobody may read"),
    ],
)
def test_a_first_choice_that_cannot_be_used_is_not_replaced_by_the_second(
    spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    first, second = (tmp_path / name for name in ("1", "2"))
    spoil(first)
    second.touch()
    assert find_configuration(among=[first, second]) == first


def test_a_directory_that_must_not_be_entered_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        if path.parent.name == "closed":  # root may enter any
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    (tmp_path / "2").touch()
    assert find_configuration(among=[tmp_path / "closed" / "1", tmp_path / "2"]) == tmp_path / "closed" / "1"


def test_without_any_file_the_error_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"name one with --config\. Looked at: .*/gone"):
        find_configuration(among=[tmp_path / "gone"])


def test_this_checkout_has_a_configuration() -> None:
    assert find_configuration() in {SYSTEM_FILE, ROOT / "conf/assay.toml"}


def test_a_checkout_comes_before_what_was_installed() -> None:
    found = places(Path("/src/milter/assay/config/load.py"))
    assert found[:2] == (SYSTEM_FILE, Path("/src/conf/assay.toml"))


def test_an_installed_package_looks_below_the_prefix() -> None:
    found = places(Path("/opt/lib/python3.11/site-packages/assay/config/load.py"))
    assert found[:2] == (SYSTEM_FILE, Path(sysconfig.get_path("data")) / "share/assay/conf/assay.toml")
    assert len(found) == len(set(found))


def test_the_source_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.toml").write_text('policies = "p"')
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("a.toml"))
    assert (config.source, config.policies) == (tmp_path / "a.toml", tmp_path / "p")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert _problems(tmp_path / "gone.toml") == ["gone.toml: cannot be read: No such file or directory"]


SYNTAX = [
    (b"a = \n", "assay.toml:1: is no TOML: Invalid value, column 5"),
    (
        b"\n\nworkers = 1 2\n",
        "assay.toml:3: is no TOML: Expected newline or end of document after a statement, column 13",
    ),
    (b"a = '", "assay.toml: is no TOML: "),
    (b"ok = 1\n\n# \xff\n", "assay.toml:3: is not UTF-8; save the file in that encoding"),
    (b"\n\xff", "assay.toml:2: is not UTF-8"),
    (b"a = " + b"[" * 100_000, "assay.toml: is nested too deeply"),
    (b"a = " + b"9" * 5000, "assay.toml: is no TOML: Exceeds the limit"),
    (b"workers = 1\rmode = 1", "assay.toml:1: is no TOML: "),
]


@pytest.mark.parametrize(("octets", "complaint"), SYNTAX, ids=[ascii(row[0][:20]) for row in SYNTAX])
def test_what_is_no_toml_is_named_with_line_and_column(tmp_path: Path, octets: bytes, complaint: str) -> None:
    path = tmp_path / "assay.toml"
    path.write_bytes(octets)
    (problem,) = _problems(path)
    assert problem.startswith(complaint)


def test_a_byte_order_mark_and_crlf_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "assay.toml"
    path.write_bytes("\ufeffworkers = 2\r\nmode = 'enforce'\r\n".encode())
    assert load_config(path).workers == 2


def test_a_name_of_odd_octets_is_shown_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\n\udcff.toml"
    with pytest.raises(ConfigurationError) as caught:
        load_config(path)
    assert str(caught.value).endswith("/a\\n\\xff.toml: cannot be read: No such file or directory")


def test_configuration_and_policies_together(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    path = tmp_path / "assay.toml"
    path.write_text('mode = "enforce"')
    config, policies = load_all(path)
    assert config.mode is policies.default.mode is Mode.ENFORCE


def test_problems_of_all_files_are_listed_at_once(tmp_path: Path) -> None:
    policies = tmp_path / "p"
    policies.mkdir()
    (policies / "default.toml").write_text("x = 1")
    path = tmp_path / "assay.toml"
    path.write_text('policies = "p"\nworkers = -1')
    assert _problems(path) == ["assay.toml: workers: must be at least 0", "p/default.toml: x: unknown key"]


def test_a_faulty_configuration_does_not_hide_an_expectation_that_is_missed(tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "default.toml").write_text('[[expect]]\ndisposition = "reject"\nrule = "no-policy"')
    path = tmp_path / "assay.toml"
    path.write_text("workers = -1")
    first, second = _problems(path)
    assert first == "assay.toml: workers: must be at least 0"
    assert second.startswith("policies/default.toml: expect #1: expected reject by the rule no-policy")


def test_policies_at_an_impossible_place_are_not_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "assay.toml"
    path.write_text("policies = 1")
    assert _problems(path) == ["assay.toml: policies: must be a text in quotes"]


KEYS = [
    *ConfigFile.model_fields,
    "timeout",
    "networks",
    "format",
    "x",
    "a.b",
    "dns.timeout",
    "[dns]",
    "[log]",
    "[[exempt]]",
]
VALUES = ["1", "-1", "1.5", "nan", "true", '""', '"x"', '"enforce"', "[]", "[1]", '["x"]', "{}", "{x=1}", "1979-05-27"]


@given(
    st.text(max_size=60)
    | st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), max_size=5).map(
        lambda pairs: "\n".join(key if key.startswith("[") else f"{key} = {value}" for key, value in pairs)
    )
)
def test_any_text_is_a_configuration_or_a_list_of_problems(text: str) -> None:
    try:
        config = parse_config(text, Path("/etc/assay/assay.toml"))
    except ConfigurationError as error:
        problems = error.problems
    else:
        problems = ()
        assert config.workers >= 1
    for problem in problems:
        assert problem.place.startswith("/etc/assay/assay.toml")
        assert problem.text
