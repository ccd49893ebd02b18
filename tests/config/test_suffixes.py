"""The list of public suffixes as it ships: its rules, and names as we spell them."""

from pathlib import Path

import pytest

from assay.config.suffixes import SHIPPED, SuffixList, read_suffixes
from assay.domain import Domain
from assay.errors import ConfigurationError
from assay.limits import MAX_SUFFIX_LABELS
from assay.verify.suffixes import NoSuffixes, PublicSuffixes, organization_of


@pytest.fixture(scope="module")
def shipped() -> SuffixList:
    return read_suffixes()


@pytest.mark.parametrize(
    ("name", "organization"),
    [
        ("mail.example.com", "example.com"),
        ("example.com", "example.com"),
        ("com", "com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("mail.shop.nosuchtld", "shop.nosuchtld"),
        # a rule with a wildcard, the name that it implies, and its exception
        ("a.b.c.kobe.jp", "b.c.kobe.jp"),
        ("c.kobe.jp", "c.kobe.jp"),
        ("a.city.kobe.jp", "city.kobe.jp"),
        # the section of companies
        ("a.user.github.io", "user.github.io"),
        # U-labels, as A-labels
        ("a.b.公司.cn", "b.公司.cn"),
        ("_spf.mail.example.com", "example.com"),
    ],
)
def test_the_organizational_domain_by_the_list(shipped: SuffixList, name: str, organization: str) -> None:
    assert organization_of(Domain.parse(name), shipped) == Domain.parse(organization)


def test_every_rule_is_known_in_our_spelling_and_short_enough(shipped: SuffixList) -> None:
    rules = [line.strip() for line in SHIPPED.read_text("utf-8").splitlines() if line and not line.startswith("//")]
    assert len(rules) > 5000
    for rule in rules:
        exception = rule.startswith("!")
        domain = Domain.parse(rule.removeprefix("!").replace("*", "anything"))
        assert shipped.is_public_suffix(domain) is not exception, rule
        assert len(domain.labels) <= MAX_SUFFIX_LABELS, rule


def test_who_has_no_list_knows_top_level_domains_only() -> None:
    none: PublicSuffixes = NoSuffixes()
    assert organization_of(Domain.parse("a.b.co.uk"), none) == Domain.parse("co.uk")


@pytest.mark.parametrize("content", [None, b"com\n\xff\xfe.com\n"], ids=["missing", "broken"])
def test_a_list_that_cannot_be_read_is_a_problem_with_its_place(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "list.dat"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        read_suffixes(path)
    (problem,) = caught.value.problems
    assert problem.place == str(path)
    assert "the list of public suffixes cannot be read" in problem.text
