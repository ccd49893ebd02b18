"""Reading a directory of policy files: which file holds for whom, how files are merged, what is refused."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from assay.domain import Domain
from assay.errors import ConfigurationError
from assay.policy.domain_policy import (
    ArcTrust,
    DmarcActions,
    DomainPolicy,
    IndirectSigns,
    Quarantine,
    QuarantineHow,
    ReplyTexts,
    SpfActions,
    Trusted,
)
from assay.policy.load import load_policies
from assay.policy.model import Disposition, Mode
from assay.policy.policies import Policies
from assay.policy.schema import PolicyFile
from assay.tomlfile import Table

Write = Callable[[Mapping[str, str | bytes]], Path]
EVERYTHING = """
mode = "enforce"
[dmarc]
on_none = "quarantine"
on_quarantine = "reject"
on_reject = "tempfail"
on_reject_indirect = "none"
on_temperror = "quarantine"
on_temperror_unknown = "tempfail"
on_permerror = "reject"
on_from_count = "tempfail"
on_from_unusable = "none"
[spf]
on_fail = "reject"
on_temperror = "tempfail"
[arc]
trusted_sealers = ["A.example", "bücher.example"]
[trusted]
networks = ["192.0.2.0/24", "2001:db8::1"]
lists = ["lists.example"]
forwarders = ["f.example."]
[indirect]
require_sign = false
require_identifier = false
[quarantine]
how = "header"
field = "X-Held"
[reply]
dmarc = "a {author_domain}"
from_field = "b {reason}"
spf = "c {spf_domain}"
temporary = "d {{}} {policy_domain}"
"""


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Write:
    def write(files: Mapping[str, str | bytes]) -> Path:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


def _load(directory: Path) -> Policies:
    return load_policies(directory, Mode.MONITOR)


def _problems(directory: Path) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        _load(directory)
    return {problem.place.removeprefix(f"{directory}/"): problem.text for problem in caught.value.problems}


def _source(policies: Policies, author: str | None) -> str:
    return policies.for_author(None if author is None else Domain.parse(author)).source


def test_every_key_of_a_file_reaches_the_policy(write: Write) -> None:
    policy = _load(write({"default.toml": EVERYTHING})).default
    assert policy == DomainPolicy(
        mode=Mode.ENFORCE,
        dmarc=DmarcActions(
            on_none=Disposition.QUARANTINE,
            on_quarantine=Disposition.REJECT,
            on_reject=Disposition.TEMPFAIL,
            on_reject_indirect=Disposition.NONE,
            on_temperror=Disposition.QUARANTINE,
            on_temperror_unknown=Disposition.TEMPFAIL,
            on_permerror=Disposition.REJECT,
            on_from_count=Disposition.TEMPFAIL,
            on_from_unusable=Disposition.NONE,
        ),
        spf=SpfActions(on_fail=Disposition.REJECT, on_temperror=Disposition.TEMPFAIL),
        arc=ArcTrust(trusted_sealers=frozenset({Domain("a.example"), Domain("xn--bcher-kva.example")})),
        trusted=Trusted(
            networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::1/128")),
            lists=frozenset({Domain("lists.example")}),
            forwarders=frozenset({Domain("f.example")}),
        ),
        indirect=IndirectSigns(require_sign=False, require_identifier=False),
        quarantine=Quarantine(how=QuarantineHow.HEADER, field="X-Held"),
        reply=ReplyTexts(
            dmarc="a {author_domain}", from_field="b {reason}", spf="c {spf_domain}", temporary="d {{}} {policy_domain}"
        ),
        source="default.toml",
    )


def test_the_partial_type_has_the_keys_of_the_total_type() -> None:
    total = DomainPolicy(mode=Mode.MONITOR)
    tables = {field.name for field in fields(total)} - {"source"}
    assert set(PolicyFile.model_fields) - {"expect"} == tables
    for name in tables:
        value = getattr(total, name)
        if is_dataclass(value):
            partial = PolicyFile.model_fields[name].annotation
            assert isinstance(partial, type)
            assert issubclass(partial, Table)
            assert set(partial.model_fields) == {field.name for field in fields(value)}


def test_an_empty_default_is_the_built_in_one(write: Write) -> None:
    policies = _load(write({"default.toml": ""}))
    assert replace(policies.default, source="built-in") == Policies.built_in(Mode.MONITOR).default


def test_without_default_toml_the_built_in_one_holds(write: Write) -> None:
    policies = _load(write({"example.com.toml": ""}))
    assert policies.default == Policies.built_in(Mode.MONITOR).default


@pytest.mark.parametrize(
    ("author", "source"),
    [
        (None, "default.toml"),
        ("other.example", "default.toml"),
        ("example.com", "example.com.toml"),
        ("a.b.example.com", "example.com.toml"),
        ("sales.example.com", "sales.example.com.toml"),
        ("eu.sales.example.com", "sales.example.com.toml"),
        ("notexample.com", "default.toml"),
        ("com", "default.toml"),
        ("x.test", "test.toml"),
    ],
)
def test_the_file_of_the_author_domain_or_of_its_nearest_parent_holds(
    write: Write, author: str | None, source: str
) -> None:
    files = dict.fromkeys(["default.toml", "example.com.toml", "sales.example.com.toml", "test.toml"], "")
    assert _source(_load(write(files)), author) == source


def test_the_nearest_file_is_merged_over_default_and_not_over_its_parent(write: Write) -> None:
    policies = _load(
        write(
            {
                "default.toml": '[trusted]\nlists = ["l.test"]\n[dmarc]\n'
                'on_none = "quarantine"\non_reject = "quarantine"',
                "example.com.toml": '[dmarc]\non_quarantine = "reject"\n[trusted]\nforwarders = ["f.test"]',
                "a.example.com.toml": '[dmarc]\non_none = "reject"\n[trusted]\nlists = []',
            }
        )
    )
    parent = policies.for_author(Domain("example.com"))
    assert parent.dmarc == DmarcActions(
        on_none=Disposition.QUARANTINE, on_reject=Disposition.QUARANTINE, on_quarantine=Disposition.REJECT
    )
    assert parent.trusted == Trusted(lists=frozenset({Domain("l.test")}), forwarders=frozenset({Domain("f.test")}))
    child = policies.for_author(Domain("a.example.com"))
    assert child.dmarc == DmarcActions(on_none=Disposition.REJECT, on_reject=Disposition.QUARANTINE)
    assert child.trusted == Trusted()


def test_the_mode_is_the_configuration_s_where_no_file_has_one(write: Write) -> None:
    directory = write({"default.toml": "", "a.example.toml": 'mode = "monitor"'})
    policies = load_policies(directory, Mode.ENFORCE)
    assert policies.default.mode is Mode.ENFORCE
    assert policies.for_author(Domain("a.example")).mode is Mode.MONITOR


def test_the_default_file_s_mode_holds_for_domains_too(write: Write) -> None:
    policies = _load(write({"default.toml": 'mode = "enforce"', "a.example.toml": ""}))
    assert policies.for_author(Domain("a.example")).mode is Mode.ENFORCE


def test_only_toml_files_count(write: Write) -> None:
    directory = write(
        {
            "default.toml": "",
            "example.com.toml.sample": "rubbish",
            "example.com.toml~": "rubbish",
            "README.md": "rubbish",
            ".#example.com.toml": "rubbish",
            "example.com.TOML": "rubbish",
        }
    )
    assert _load(directory).domains == {}


def test_a_file_may_have_a_name_in_u_labels(write: Write) -> None:
    policies = _load(write({"bücher.example.toml": "", "EXAMPLE.com.toml": ""}))
    assert _source(policies, "xn--bcher-kva.example") == "bücher.example.toml"
    assert _source(policies, "example.com") == "EXAMPLE.com.toml"


@pytest.mark.parametrize(
    "names",
    [
        ("bücher.example.toml", "xn--bcher-kva.example.toml"),
        ("example.com.toml", "Example.com.toml"),
        ("example.com.toml", "example.com..toml"),
        ("default.toml", "Default.toml"),
    ],
)
def test_two_files_of_one_domain_are_refused(write: Write, names: tuple[str, str]) -> None:
    first, second = sorted(names)
    assert _problems(write(dict.fromkeys(names, ""))) == {
        second: f"is for the same domain as {first}; keep one of them"
    }
    # what stands behind them in the order of names is read too
    assert set(_problems(write({**dict.fromkeys(names, ""), "z z.toml": ""}))) == {second, "z z.toml"}


def test_a_name_that_is_no_domain_says_what_to_do(write: Write) -> None:
    problems = _problems(write({"a b.toml": "", "-x.example.toml": "", "x..toml": ""}))
    assert set(problems) == {"a b.toml", "-x.example.toml"}
    assert "named default.toml or after a domain, as in example.com.toml; rename it" in problems["a b.toml"]
    assert ".off" in problems["a b.toml"]


def test_every_problem_of_every_file_is_listed(write: Write) -> None:
    directory = write(
        {
            "default.toml": 'mod = "enforce"\n[trusted]\nlists = ["a b"]\n[dmarc]\n'
            'on_fail = "reject"\non_none = "rejekt"',
            "a.example.toml": "[dmarc\n",
            "b.example.toml": b"# \xff",
            "c.example.toml": '[dmarc]\non_temperror = "reject"',
        }
    )
    assert _problems(directory) == {
        "default.toml: mod": 'unknown key; did you mean "mode"?',
        "default.toml: dmarc.on_fail": 'unknown key; "on_fail" stands in the table [spf]',
        "default.toml: dmarc.on_none": 'must be "none" or "quarantine" or "reject" or "tempfail"; '
        'did you mean "reject"?',
        "default.toml: trusted.lists #1": "'a b' is no domain name: a label holds something else than letters, digits, "
        "hyphens and underscores",
        "a.example.toml:1": "is no TOML: Expected ']' at the end of a table declaration, column 7",
        "b.example.toml:1": "is not UTF-8; save the file in that encoding",
        "c.example.toml: dmarc.on_temperror": 'a failure of the DNS passes: use "tempfail", "quarantine" or "none"',
    }


BAD_VALUES = [
    ("mode = true", "mode", 'must be "monitor" or "enforce"'),
    ("dmarc = 1", "dmarc", "must be a table"),
    ("[indirect]\nrequire_sign = 1", "indirect.require_sign", "must be true or false, without quotes"),
    (
        "[arc]\ntrusted_sealers = [1]",
        "arc.trusted_sealers #1",
        'must be a domain name in quotes, such as "example.com"',
    ),
    (
        '[arc]\ntrusted_sealers = "a.example"',
        "arc.trusted_sealers",
        'must be a list, such as [] or ["one", "two"]',
    ),
    (
        '[trusted]\nnetworks = ["192.0.2.1/24"]',
        "trusted.networks #1",
        "'192.0.2.1/24' has bits set behind the prefix; did you mean \"192.0.2.0/24\"?",
    ),
    (
        '[trusted]\nnetworks = ["192.0.2.0/24", "localnet"]',
        "trusted.networks #2",
        '\'localnet\' is no network; write "192.0.2.0/24", "2001:db8::/32" or a single address',
    ),
    (
        "[trusted]\nnetworks = [1]",
        "trusted.networks #1",
        'must be a network in quotes; write "192.0.2.0/24", "2001:db8::/32" or a single address',
    ),
    ('[quarantine]\nhow = "junk"', "quarantine.how", 'must be "hold" or "header"'),
    ("[reply]\ndmarc = 1", "reply.dmarc", "must be a text in quotes"),
]


@pytest.mark.parametrize(("text", "place", "complaint"), BAD_VALUES, ids=[row[0] for row in BAD_VALUES])
def test_a_bad_value_says_what_would_be_right(write: Write, text: str, place: str, complaint: str) -> None:
    assert _problems(write({"default.toml": text})) == {f"default.toml: {place}": complaint}


@pytest.mark.parametrize("name", ["Subject", "X-", "X-Ä", "X-a:b", "X-a\\nb", "X-" + "a" * 63, ""])
def test_a_quarantine_field_is_one_of_our_own(write: Write, name: str) -> None:
    problems = _problems(write({"default.toml": f'[quarantine]\nfield = "{name}"'}))
    assert problems["default.toml: quarantine.field"] == (
        'must be the name of a field of our own: "X-" and at most 62 letters, digits and hyphens, '
        'such as "X-Assay-Quarantine"'
    )


def test_the_longest_quarantine_field_and_the_longest_reply_text_are_taken(write: Write) -> None:
    field, text = "X-" + "a1" * 31, "b" * 200
    policy = _load(write({"default.toml": f'[quarantine]\nfield = "{field}"\n[reply]\ndmarc = "{text}"'})).default
    assert (policy.quarantine.field, policy.reply.dmarc) == (field, text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must be one line of printable ASCII"),
        ("  ", "must be one line of printable ASCII"),
        ("a\\nb", "must be one line of printable ASCII"),
        ("ä", "must be one line of printable ASCII"),
        ("a" * 201, "must be at most 200 characters"),
        ("{", "holds a single brace"),
        ("}", "holds a single brace"),
        ("{author}", "knows only {author_domain}, {policy_domain}, {spf_domain}, {reason}; write {{ or }} for a brace"),
        ("{}", "knows only {author_domain}"),
        ("{author_domain.__class__}", "knows only {author_domain}"),
        ("{author_domain!r}", "knows only {author_domain}"),
        ("{author_domain:99}", "knows only {author_domain}"),
    ],
)
def test_a_reply_text_is_a_template(write: Write, text: str, complaint: str) -> None:
    problems = _problems(write({"default.toml": f'[reply]\ndmarc = "{text}"'}))
    assert problems["default.toml: reply.dmarc"].startswith(complaint)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone: the directory of policies cannot be read: No such file"):
        _load(tmp_path / "gone")


def test_a_directory_without_policies_is_taken_for_a_mistake(tmp_path: Path) -> None:
    assert list(_problems(tmp_path)) == [str(tmp_path)]
    with pytest.raises(ConfigurationError, match="holds no policy file; copy the shipped"):
        _load(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "default.toml").mkdir()
    (tmp_path / "a.example.toml").symlink_to("gone")
    assert _problems(tmp_path) == {
        "default.toml": "cannot be read: Is a directory",
        "a.example.toml": "cannot be read: No such file or directory",
    }


def test_the_fields_to_remove_are_those_of_every_policy(write: Write) -> None:
    policies = _load(write({"default.toml": "", "a.example.toml": '[quarantine]\nfield = "X-Held"'}))
    assert policies.quarantine_fields == {"X-Assay-Quarantine", "X-Held"}


def test_a_description_names_the_files(write: Write) -> None:
    policies = _load(write({"b.example.toml": "", "a.example.toml": ""}))
    assert policies.describe() == (
        "mode monitor, default from built-in; domains with a file: a.example, b.example; expectations: 0"
    )
    assert "domains with a file: none" in Policies.built_in(Mode.ENFORCE).describe()
