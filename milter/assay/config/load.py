"""Finding and reading the configuration: all of it good, or every problem at once."""

import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from assay.config.model import Config, ConfigFile
from assay.errors import ConfigurationError, Problem
from assay.policy.expect import run_expectations
from assay.policy.load import load_policies
from assay.policy.model import Mode
from assay.policy.policies import Policies
from assay.tomlfile import parse, problems_of, read, shown

SYSTEM_FILE: Final = Path("/etc/assay/assay.toml")
"""The machine's own configuration."""

_SHIPPED: Final = Path("conf/assay.toml")


def places(module: Path = Path(__file__)) -> tuple[Path, ...]:
    """Return where the configuration may be, the first choice first.

    The machine's own file; in a checkout the checkout's; else where pip put the data files: below the prefix of the
    environment or of the user.

    Args:
        module: where this file is.
    """
    source_root = module.resolve().parents[2]
    checkout = (source_root.parent / _SHIPPED,) if source_root.name == "milter" else ()
    prefixes = sysconfig.get_path("data"), sysconfig.get_path("data", "posix_user"), sys.prefix
    installed = (Path(prefix) / "share/assay" / _SHIPPED for prefix in prefixes)
    return tuple(dict.fromkeys((SYSTEM_FILE, *checkout, *installed)))


def find_configuration(explicit: Path | None = None, among: Iterable[Path] | None = None) -> Path:
    """Return the configuration file to use.

    Args:
        explicit: given by the user; it is taken, whether it exists or not.
        among: :func:`places` by default. One that cannot be looked at, or is no file, is taken as well, and reading it
            says what is wrong: to go on to the next would be to run on another configuration, and not to say so.

    Raises:
        ConfigurationError: there is none.
    """
    if explicit is not None:
        return explicit
    tried = tuple(places() if among is None else among)
    for path in tried:
        if not _absent(path):
            return path
    text = "there is no configuration; name one with --config. Looked at: " + ", ".join(map(shown, tried))
    raise ConfigurationError([Problem(place=shown(SYSTEM_FILE), text=text)])


def _absent(path: Path) -> bool:
    """Whether nothing has that name; a link that leads nowhere has it."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def load_config(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigurationError: with every problem of the file.
    """
    path = path.absolute()
    document = read(path)
    if isinstance(document, Problem):
        raise ConfigurationError([document])
    return _validated(document, path)


def parse_config(text: str, source: Path) -> Config:
    """Read the text of a configuration file.

    Args:
        text: TOML.
        source: absolute; names the file in problems, and relative paths start in its directory.

    Raises:
        ConfigurationError: with every problem of the text.
    """
    document = parse(text, source)
    if isinstance(document, Problem):
        raise ConfigurationError([document])
    return _validated(document, source)


def load_all(path: Path) -> tuple[Config, Policies]:
    """Read a configuration and the policies that it names, and run their expectations.

    Raises:
        ConfigurationError: with every problem of every file. Where the configuration is at fault the policies are
            looked at all the same, as far as it says where they are.
    """
    problems: list[Problem] = []
    config: Config | None = None
    policies: Policies | None = None
    try:
        config = load_config(path)
    except ConfigurationError as error:
        problems += error.problems
    directory = config.policies if config else _directory_of_policies(path.absolute())
    try:
        if directory is not None:
            policies = load_policies(directory, config.mode if config else Mode.MONITOR)
            problems += run_expectations(policies)
    except ConfigurationError as error:
        problems += error.problems
    if problems or config is None or policies is None:
        raise ConfigurationError(problems)
    return config, policies


def _directory_of_policies(path: Path) -> Path | None:
    """Return the directory that a faulty configuration names, the default one if it names none, None if unreadable."""
    document = read(path)
    if isinstance(document, Problem):
        return None
    named = {"policies": document["policies"]} if "policies" in document else {}
    try:
        return ConfigFile.model_validate(named, context={"source": path}).policies
    except ValidationError:
        return None


def _validated(document: dict[str, Any], source: Path) -> Config:
    try:
        content = ConfigFile.model_validate(document, context={"source": source})
    except ValidationError as error:
        raise ConfigurationError(problems_of(error, ConfigFile, source)) from error
    # Everything is validated, and must not be read from text a second time.
    return Config.model_construct(source=source, **dict(content))
