"""From a directory of policy files to :class:`~assay.policy.policies.Policies`: all of it, or every problem at once."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from assay.domain import Domain
from assay.errors import ConfigurationError, DomainError, Problem
from assay.policy.domain_policy import DomainPolicy
from assay.policy.model import Mode
from assay.policy.policies import PlacedExpectation, Policies
from assay.policy.schema import PolicyFile, author_outside
from assay.tomlfile import problems_of, read, shown

SUFFIX: Final = ".toml"
DEFAULT: Final = "default"


def load_policies(directory: Path, mode: Mode) -> Policies:
    """Read every ``*.toml`` file of a directory, without its subdirectories.

    Like the shell's ``*.toml`` this leaves out names that begin with a dot, where editors keep locks and backups.

    Args:
        directory: holds default.toml and a file per domain.
        mode: of the configuration; it holds where no policy file says otherwise.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    problems: list[Problem] = []
    try:
        paths = sorted(
            path for path in directory.iterdir() if path.name.endswith(SUFFIX) and not path.name.startswith(".")
        )
    except OSError as error:
        text = f"the directory of policies cannot be read: {error.strerror}"
        raise ConfigurationError([Problem(place=shown(directory), text=text)]) from error
    if not paths:
        text = "holds no policy file; copy the shipped default.toml here, or correct the key policies"
        raise ConfigurationError([Problem(place=shown(directory), text=text)])
    files: dict[Domain | None, tuple[Path, PolicyFile]] = {}
    names: dict[Domain | None, Path] = {}
    for path in paths:
        try:
            domain = file_domain(path)
        except DomainError as error:
            problems.append(Problem(place=shown(path), text=str(error)))
            continue
        if domain in names:
            text = f"is for the same domain as {shown(Path(names[domain].name))}; keep one of them"
            problems.append(Problem(place=shown(path), text=text))
            continue
        names[domain] = path
        content = _read_file(path, domain, problems)
        if content is not None:
            files[domain] = (path, content)
    if problems:
        raise ConfigurationError(problems)
    return _merge(files, mode)


def file_domain(path: Path) -> Domain | None:
    """Return whose policy a file holds; None for default.toml.

    Raises:
        DomainError: the name is no domain; the message says what to do.
    """
    stem = path.name.removesuffix(SUFFIX)
    try:
        domain = Domain.parse(stem)
    except DomainError as error:
        raise DomainError(
            f"a policy file is named default{SUFFIX} or after a domain, as in example.com{SUFFIX}; rename it, or "
            f"append .off to the name to leave it out ({error})"
        ) from error
    return None if domain.name == DEFAULT else domain


def _read_file(path: Path, domain: Domain | None, problems: list[Problem]) -> PolicyFile | None:
    document = read(path)
    if isinstance(document, Problem):
        problems.append(document)
        return None
    try:
        content = PolicyFile.model_validate(document)
    except ValidationError as error:
        problems.extend(problems_of(error, PolicyFile, path))
        return None
    problems.extend(_outside(path, domain, content))
    return content


def _outside(path: Path, domain: Domain | None, content: PolicyFile) -> Iterator[Problem]:
    for number, expectation in enumerate(content.expect, start=1):
        if author_outside(expectation, domain):
            yield Problem(
                place=f"{shown(path)}: expect #{number}.author",
                text=f"{expectation.author} is neither {domain} nor a subdomain, so this file does not govern it",
            )


def _merge(files: dict[Domain | None, tuple[Path, PolicyFile]], mode: Mode) -> Policies:
    default = DomainPolicy(mode=mode)
    if None in files:
        path, content = files[None]
        default = content.over(default, path.name)
    return Policies(
        default=default,
        domains={
            domain: content.over(default, path.name) for domain, (path, content) in files.items() if domain is not None
        },
        expectations=tuple(_placed(files.items())),
    )


def _placed(files: Iterable[tuple[Domain | None, tuple[Path, PolicyFile]]]) -> Iterator[PlacedExpectation]:
    for domain, (path, content) in files:
        for index, expectation in enumerate(content.expect):
            yield PlacedExpectation(file=path, index=index, domain=domain, expectation=expectation)
