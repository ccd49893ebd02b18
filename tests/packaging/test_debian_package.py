"""The Debian package as a file: what is in it, what Debian's own checker says, and that it comes out the same again."""

import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from assay import __version__
from support.packages import ROOT, dependencies, script
from support.process import program

pytestmark = pytest.mark.real


def field(deb: Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "--field", deb, name], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def members(deb: Path) -> dict[str, tarfile.TarInfo]:
    """Everything in the package by its path."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name.removeprefix("."): member for member in archive.getmembers()}


def test_it_is_named_by_its_version_and_the_machine_that_it_is_for(deb: Path) -> None:
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()

    assert field(deb, "Version") == f"{__version__}-1"
    assert deb.name == f"assay_{__version__}-1_{machine}.deb"


def test_it_wants_the_python_and_the_libmilter_that_it_was_built_for(
    deb: Path, members: dict[str, tarfile.TarInfo]
) -> None:
    wanted = field(deb, "Depends")
    python = members["/usr/lib/assay/bin/python"].linkname.rpartition("/")[2]

    assert re.fullmatch(r"python3\.\d+", python)
    assert re.search(rf"(^|, ){re.escape(python)}(,|$)", wanted)
    assert re.search(r"(^|, )libmilter1\.0\.1 \(>=", wanted)


def test_debian_finds_no_fault_in_it(deb: Path) -> None:
    done = subprocess.run(
        [program("lintian"), "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", deb],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


@pytest.mark.parametrize(
    "path",
    [
        "/usr/bin/assay",
        "/etc/assay/assay.toml",
        "/etc/assay/policies/default.toml",
        "/usr/lib/sysusers.d/assay.conf",
        "/usr/lib/assay/bundled.txt",
        "/usr/share/man/man8/assay.8.gz",
        "/usr/share/man/man5/assay.toml.5.gz",
        "/usr/share/man/man5/assay-policy.5.gz",
        "/usr/share/man/man1/assay-check.1.gz",
        "/usr/share/man/man1/assay-domain.1.gz",
        "/usr/share/bash-completion/completions/assay",
        "/usr/share/zsh/vendor-completions/_assay",
        "/usr/share/fish/vendor_completions.d/assay.fish",
        "/usr/share/doc/assay/html/index.html",
        "/usr/share/doc/assay/changelog.gz",
        "/usr/share/doc/assay/copyright",
    ],
)
def test_it_holds(path: str, members: dict[str, tarfile.TarInfo]) -> None:
    assert path in members


def test_it_holds_every_file_of_conf(members: dict[str, tarfile.TarInfo]) -> None:
    shipped = {f"/usr/share/assay/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*") if path.is_file()}

    assert shipped <= set(members)


def test_its_files_are_roots_and_nobody_else_may_write_them(members: dict[str, tarfile.TarInfo]) -> None:
    for path, member in members.items():
        assert (member.uid, member.gid) == (0, 0), path
        assert member.issym() or not member.mode & 0o7022, path


def test_only_programs_are_executable(members: dict[str, tarfile.TarInfo]) -> None:
    executable = {path for path, member in members.items() if member.isfile() and member.mode & 0o111}

    assert {path for path in executable if ".so" not in path} == {"/usr/lib/assay/bin/assay"}


def test_it_holds_no_installer_and_nothing_of_where_it_was_built(
    deb: Path, members: dict[str, tarfile.TarInfo], tmp_path: Path
) -> None:
    subprocess.run(["dpkg-deb", "--extract", deb, tmp_path], check=True)
    found = subprocess.run(
        ["grep", "--recursive", "--files-with-matches", "--fixed-strings", "debian/assay/usr", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    ).stdout

    assert found == ""
    assert not any(re.search(r"site-packages/(pip|setuptools|wheel)/", path) for path in members)
    assert not any(path.endswith("/RECORD") for path in members)


def test_each_module_is_compiled_and_each_byte_code_is_current(deb: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", deb, tmp_path], check=True)
    for source in (tmp_path / "usr/lib/assay/lib").rglob("assay/**/*.py"):
        [compiled] = (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")
        header = compiled.read_bytes()[:16]
        # PEP 552: flags, then the time and the size of the source
        assert int.from_bytes(header[4:8], "little") == 0, source
        assert int.from_bytes(header[8:12], "little") == int(source.stat().st_mtime), source
        assert int.from_bytes(header[12:16], "little") == source.stat().st_size, source


def test_the_libraries_that_it_carries_are_listed_with_a_licence_whose_text_is_there(deb: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", deb, tmp_path], check=True)
    listed = (tmp_path / "usr/lib/assay/bundled.txt").read_text("utf-8")
    [site] = (tmp_path / "usr/lib/assay/lib").glob("python*/site-packages")
    carried = {path.name.rpartition(".dist-info")[0].partition("-")[0].lower() for path in site.glob("*.dist-info")}
    named = {name.lower().replace("-", "_").replace(".", "_") for name in re.findall(r"(?m)^(\S+) \S+: \S", listed)}

    assert named == {name.replace("-", "_").replace(".", "_") for name in carried} - {"assay"}
    for text in re.findall(r"(?m)^    (?!sha256:)(\S+)$", listed):
        assert (site / text).is_file()


def test_the_same_wheels_give_the_same_package(deb: Path, tmp_path: Path) -> None:
    again = script("deb", "--no-prepare", "--quick", "--wheels", dependencies(), "--outdir", tmp_path)

    assert Path(again).read_bytes() == deb.read_bytes()


def test_a_build_of_ones_own_is_newer_than_the_one_it_replaces(deb: Path, newer: Path) -> None:
    versions = field(newer, "Version"), "gt", field(deb, "Version")

    assert field(newer, "Version") == f"{__version__}-1+newer"
    assert subprocess.run(["dpkg", "--compare-versions", *versions], check=False).returncode == 0
