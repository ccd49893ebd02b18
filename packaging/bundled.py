"""Print which libraries a package carries: ``python3 bundled.py SITE_PACKAGES WHEELS``.

For each: its version, its licence as it says itself, the SHA-256 of the wheel, and where the licence's text is.
"""

import hashlib
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

_HEAD = """\
The libraries that this package carries, and their licences. Each wheel was installed as it was.
The texts of the licences are below {site}.
"""


def _licence(distribution: Distribution) -> str:
    said = distribution.metadata
    one_line = (said[key] for key in ("License-Expression", "License") if said[key] and "\n" not in said[key])
    classified = (
        value.rpartition(" :: ")[2] for value in said.get_all("Classifier", []) if value.startswith("License :: ")
    )
    return next(one_line, None) or " or ".join(classified) or "see its text"


def _texts(site: Path, distribution: Distribution) -> Iterator[str]:
    folder = f"{distribution.metadata['Name'].replace('-', '_')}-{distribution.version}.dist-info".lower()
    for found in site.iterdir():
        if found.name.lower().replace("-", "_").replace(".", "_") == folder.replace("-", "_").replace(".", "_"):
            for path in sorted(found.rglob("*")):
                if path.is_file() and path.name.upper().startswith(("LICEN", "COPYING", "NOTICE", "AUTHORS")):
                    yield str(path.relative_to(site))


def _wheels(directory: Path) -> dict[tuple[str, str], str]:
    """Return the SHA-256 of each wheel by its normalised name and version."""
    found = {}
    for path in directory.glob("*.whl"):
        name, version, *_ = path.name.split("-")
        found[name.lower().replace(".", "_"), version] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def main(site: Path, wheels: Path) -> None:
    """Print the list."""
    hashes = _wheels(wheels)
    print(_HEAD.format(site="/" + str(site).partition("/debian/assay/")[2]))
    known = sorted(distributions(path=[str(site)]), key=lambda each: each.metadata["Name"].lower())
    for distribution in known:
        name = distribution.metadata["Name"]
        if name == "assay":
            continue
        key = name.lower().replace("-", "_").replace(".", "_"), distribution.version
        print(f"{name} {distribution.version}: {_licence(distribution)}")
        print(f"    sha256:{hashes[key]}")
        for text in _texts(site, distribution):
            print(f"    {text}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
