"""The corpus of the benchmark: what it says of its messages is true, by the judgement that the daemon uses."""

import csv
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from assay.daemon.facts_of import facts_of_file
from assay.daemon.judge import Settings, judge
from assay.dns.zone import Zone
from assay.policy.load import load_policies
from assay.policy.model import Mode

ROOT = Path(__file__).parent.parent.parent
HEADER_FIELDS = 25
COLD = 3


def write_corpus(out: Path, *sets: str) -> Path:
    command = [sys.executable, str(ROOT / "bench" / "corpus.py"), str(out), "--domains", str(COLD)]
    subprocess.run([*command, "--sets", ",".join(sets)], check=True)
    return out


def rows(corpus: Path) -> Iterator[dict[str, str]]:
    with (corpus / "corpus.tsv").open(encoding="ascii", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def parts(corpus: Path, row: dict[str, str]) -> tuple[list[bytes], bytes]:
    """The first lines of the header fields, and the body."""
    header, _, body = (corpus / row["file"]).read_bytes().partition(b"\r\n\r\n")
    return [line for line in header.split(b"\r\n") if line[:1] not in b" \t"], body


SETS_USED = ("2k", "1m-text", "1m-spaced", "fields-100", "sigs-8", "size-32k", "cold")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), *SETS_USED)


@pytest.fixture(scope="module")
def zone(corpus: Path) -> Zone:
    lines = (corpus / "zone").read_text(encoding="ascii").splitlines(keepends=True)
    # a zone in memory has no records of the root itself, and needs none
    return Zone.parse("".join(line for line in lines if not line.startswith(". ")))


def test_each_message_gets_the_results_that_the_corpus_states(corpus: Path, zone: Zone) -> None:
    settings = Settings(policies=load_policies(ROOT / "policies", Mode.MONITOR))
    stated, found = {}, {}
    for row in rows(corpus):
        facts = facts_of_file(
            (corpus / row["file"]).read_bytes(),
            address=ip_address(row["client"]),
            helo=row["helo"].encode(),
            mail_from=b"<" + row["mail_from"].encode() + b">",
            smtputf8=False,
            host_name="mx.receiver.example",
            options=settings.options,
        )
        results = judge(facts, zone, settings, lambda: 1_800_000_000.0).results
        assert results is not None
        signatures = {str(each.value) for each in results.dkim}
        assert len(signatures) <= 1, row  # "the best" leaves nothing open: all of a message's signatures agree
        stated[row["name"]] = (row["spf"], row["dkim"], row["dmarc"], row["arc"])
        dkim = signatures.pop() if signatures else "none"
        found[row["name"]] = (str(results.spf.value), dkim, str(results.dmarc.value), str(results.arc.value))
    assert found == stated


def test_the_mixed_set_holds_passes_and_failures_of_each_method(corpus: Path) -> None:
    mixed = [row for row in rows(corpus) if row["set"] == "2k"]

    seen = {method: {row[method] for row in mixed} for method in ("spf", "dkim", "dmarc", "arc")}
    assert seen == {
        "spf": {"pass", "fail"},
        "dkim": {"pass", "fail", "none"},
        "dmarc": {"pass", "fail"},
        "arc": {"pass", "none"},
    }
    assert len(mixed) == 40


@pytest.mark.parametrize(
    ("name", "size", "fields"),
    [
        ("1m-text", 1 << 20, HEADER_FIELDS),
        ("1m-spaced", 1 << 20, HEADER_FIELDS),
        ("fields-100", 2048, 100),
        ("sigs-8", 2048, HEADER_FIELDS),
        ("size-32k", 32 << 10, HEADER_FIELDS),
        ("cold", 30 << 10, HEADER_FIELDS),
    ],
)
def test_a_message_has_the_size_that_its_set_promises(corpus: Path, name: str, size: int, fields: int) -> None:
    found = [parts(corpus, row) for row in rows(corpus) if row["set"] == name]

    assert {(len(header), len(body)) for header, body in found} == {(fields, size)}


@pytest.mark.parametrize(("name", "doubled"), [("1m-text", False), ("1m-spaced", True)])
def test_spaces_are_doubled_where_the_set_says_so(corpus: Path, name: str, *, doubled: bool) -> None:
    bodies = [parts(corpus, row)[1] for row in rows(corpus) if row["set"] == name]

    assert {b"  " in body for body in bodies} == {doubled}


def test_a_set_of_eight_signatures_has_them_from_eight_domains(corpus: Path) -> None:
    for row in rows(corpus):
        if row["set"] == "sigs-8":
            header, _ = parts(corpus, row)
            signatures = [line for line in header if line.startswith(b"DKIM-Signature:")]
            assert len({line.partition(b"d=")[2] for line in signatures}) == 8


def test_each_cold_message_asks_for_names_that_no_other_one_asks_for(corpus: Path) -> None:
    senders = [row["mail_from"].partition("@")[2] for row in rows(corpus) if row["set"] == "cold"]

    assert len(set(senders)) == len(senders) == COLD


def test_two_runs_write_the_same_octets(corpus: Path, tmp_path: Path) -> None:
    again = write_corpus(tmp_path / "again", "sigs-8")

    names = [row["file"] for row in rows(again)]
    assert names
    assert all((again / name).read_bytes() == (corpus / name).read_bytes() for name in names)


def test_a_set_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "bench" / "corpus.py"), str(tmp_path), "--sets", "3k"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "no set 3k; there are 2k, 30k" in done.stderr
