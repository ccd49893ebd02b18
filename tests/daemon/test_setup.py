"""What the configuration says reaches the judge."""

from pathlib import Path

import pytest

from assay.config.suffixes import SuffixList
from assay.daemon.setup import load_setup
from assay.domain import Domain
from assay.results import Discovery
from assay.verify.options import DmarcOptions
from assay.verify.suffixes import NoSuffixes


def dmarc_options(directory: Path, text: str) -> DmarcOptions:
    (directory / "policies").mkdir()
    (directory / "policies" / "default.toml").write_text("")
    path = directory / "assay.toml"
    path.write_text('[dns]\nnameservers = ["192.0.2.53"]\n[dmarc]\n' + text)
    return load_setup(path).settings.dmarc


@pytest.mark.parametrize(
    ("text", "way", "shadow", "guard"),
    [
        ("", Discovery.TREEWALK, False, True),
        ('organizational_domain = "psl"\npublic_suffix_guard = false', Discovery.PSL, False, False),
        ("shadow = true\npublic_suffix_guard = false", Discovery.TREEWALK, True, False),
    ],
)
def test_dmarc_has_its_options_and_the_list_that_they_need(
    tmp_path: Path, text: str, way: Discovery, *, shadow: bool, guard: bool
) -> None:
    options = dmarc_options(tmp_path, text)
    assert (options.organizational_domain, options.shadow, options.public_suffix_guard) == (way, shadow, guard)
    assert isinstance(options.suffixes, SuffixList)
    assert options.suffixes.is_public_suffix(Domain.parse("co.uk"))


def test_where_nothing_asks_the_list_it_is_not_read(tmp_path: Path) -> None:
    assert isinstance(dmarc_options(tmp_path, "public_suffix_guard = false").suffixes, NoSuffixes)
