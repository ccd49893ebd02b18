"""Print which libraries a package carries: ``python3 bundled.py SITE_PACKAGES WHEELS``.

For each: its version, its licence as it says itself, the SHA-256 of the wheel, and where the licence's text is.
"""

import hashlib
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

_HEAD = """\
The libraries that this package carries, and their licences: installed from these wheels, without the lists of files in
them, and the one that was compiled (pymilter) without its symbols.
The texts of the licences are below {site}.
"""


def _licence(distribution: Distribution) -> str:
    said = distribution.metadata
    one_line = (said[key] for key in ("License-Expression", "License") if said[key] and "\n" not in said[key])
    classified = (
        value.rpartition(" :: ")[2] for value in said.get_all("Classifier", []) if value.startswith("License :: ")
    )
    return next(one_line, None) or " or ".join(classified) or "see its text"


def _key(name: str, version: str) -> tuple[str, str]:
    """Spell a name in the one way in which the files of a wheel and its metadata agree."""
    return name.lower().replace("-", "_").replace(".", "_"), version


def _texts(site: Path) -> dict[tuple[str, str], list[str]]:
    """Return the files that hold licences, relative to the directory, by the key of what they are for."""
    found: dict[tuple[str, str], list[str]] = {}
    for folder in site.glob("*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        found[_key(name, version)] = [
            str(path.relative_to(site))
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name.upper().startswith(("LICEN", "COPYING", "NOTICE", "AUTHORS"))
        ]
    return found


def _hashes(wheels: Path) -> dict[tuple[str, str], str]:
    """Return the SHA-256 of each wheel by its key."""
    return {
        _key(*path.name.split("-")[:2]): hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels.glob("*.whl")
    }


def main(site: Path, wheels: Path) -> None:
    """Print the list."""
    hashes, texts = _hashes(wheels), _texts(site)
    print(_HEAD.format(site="/" + str(site).partition("/debian/assay/")[2]))
    for distribution in sorted(distributions(path=[str(site)]), key=lambda each: each.metadata["Name"].lower()):
        name = distribution.metadata["Name"]
        if name == "assay":
            continue
        key = _key(name, distribution.version)
        print(f"{name} {distribution.version}: {_licence(distribution)}")
        print(f"    sha256:{hashes[key]}")
        for text in texts[key]:
            print(f"    {text}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
