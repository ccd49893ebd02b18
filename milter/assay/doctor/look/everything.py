"""All of it: what is read on the machine becomes one Inspection."""

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from assay.config.load import SYSTEM_FILE, find_configuration, load_all, load_config
from assay.config.model import Config
from assay.config.socket import SocketFamily
from assay.dns.nameservers import NameserverError, system_nameservers
from assay.doctor.check.chain import own_id
from assay.doctor.inspection import Account, Contact, Held, Inspection, Unread, Walk
from assay.doctor.look import listeners, machine, postfix, program, resolver, sendmail, signers, socket, unit
from assay.doctor.look.paths import account, group_ids, walk
from assay.doctor.look.places import AS_ROOT, Places, UnreadError
from assay.doctor.milters import Listed
from assay.doctor.postfix import Postfix, PostfixFault
from assay.doctor.unit import Unit, truth, words
from assay.errors import ConfigurationError, Problem

T = TypeVar("T")
_DENIED: Final = os.strerror(errno.EACCES)


class Looker:
    """Reads one thing after the other, and notes what could not be read instead of failing."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.unread: list[Unread] = []

    def inspect(self, config_path: Path | None) -> Inspection:
        """Read everything.

        Args:
            config_path: None: where it is installed.
        """
        config, problems = self._config(config_path)
        read = self._try(lambda: postfix.look(self.places), None)
        found = read if isinstance(read, Postfix) else None
        if found is not None and self.places.postfix is None:
            self._note_other_instances(found)
        service = self._try(lambda: unit.look(self.places), None)
        root = self.places.root.stat()
        inspection = Inspection(
            config=config,
            problems=problems,
            machine=machine.look(self.places),
            mta=(postfix.directory_of(self.places) / "main.cf").exists() or sendmail.path_of(self.places).exists(),
            postfix=found,
            postfix_fault=read if isinstance(read, PostfixFault) else None,
            sendmail=self._try(lambda: sendmail.look(self.places), None),
            unit=service,
            # whoever owns a copy is the root of that copy
            trusted_uids=frozenset({0, root.st_uid}),
            trusted_gids=frozenset({0, root.st_gid}),
            mail_user=None if found is None else self._account(found.value("mail_owner")),
            daemon_user=self._daemon_user(service),
            program=self._program(service),
            programs=listeners.look() if self.places.live else {},
            signers=self._try(lambda: signers.look(self.places), {}),
        )
        if config is not None:
            inspection = self._around(config, inspection)
        return replace(inspection, held=self._held(inspection), unread=tuple(dict.fromkeys(self.unread)))

    def _note_other_instances(self, found: Postfix) -> None:
        """Say which instances of Postfix are there besides (MULTI_INSTANCE_README): those may take the mail."""
        for directory in found.value("multi_instance_directories").replace(",", " ").split():
            self.unread.append(
                Unread(
                    what=f"the instance of Postfix in {directory}",
                    why="it has a configuration of its own",
                    remedy=f"assay doctor --postfix-config {directory}",
                )
            )

    def _held(self, inspection: Inspection) -> tuple[Held, ...]:
        """Read the queues: of Postfix through its programs, so on the machine itself alone; of Sendmail its files."""
        found, other = inspection.postfix, inspection.sendmail
        nothing: tuple[Held, ...] = ()
        if found is not None and self.places.live:
            name = own_id(inspection, found.value("myhostname"))
            return self._try(lambda: postfix.held(found, name), nothing)
        return nothing if other is None else self._try(lambda: sendmail.held(self.places, other), nothing)

    def _around(self, config: Config, inspection: Inspection) -> Inspection:
        """Add what the configuration leads to: its socket, its files, and the name servers."""
        view = socket.look(self.places, config.socket)
        if view.contact is Contact.DENIED:
            self._note(config.socket.libmilter, view.why)
        nameservers = config.dns.nameservers
        if not nameservers:
            try:
                nameservers = system_nameservers(self.places.under("/etc/resolv.conf"))
            except NameserverError as error:
                self._note("/etc/resolv.conf", str(error))
        return replace(
            inspection,
            socket=view,
            resolvers=tuple(
                replace(resolver.look(each, config.dns.timeout), forwards=resolver.forwards(self.places, each))
                for each in nameservers
            ),
            files=tuple(self._file(path) for path in _files(config)),
            walks={each: self._walk(self.places, *each) for each in _sockets(config, inspection)},
        )

    def _config(self, path: Path | None) -> tuple[Config | None, tuple[Problem, ...]]:
        """Read our own configuration; where only a policy is at fault it is of use all the same."""
        if path is None and not self.places.live:
            path = self.places.under(SYSTEM_FILE)
        try:
            path = find_configuration(path)
            return load_all(path)[0], ()
        except ConfigurationError as error:
            problems = tuple(each for each in error.problems if not each.text.endswith(_DENIED))
            for each in error.problems:
                if each not in problems:
                    self._note(each.place, "permission denied")
        try:
            return (None if path is None else load_config(path)), problems
        except ConfigurationError:
            return None, problems

    def _try(self, look: Callable[[], T], otherwise: T) -> T:
        try:
            return look()
        except UnreadError as error:
            self.unread.append(error.unread)
            return otherwise

    def _note(self, what: str, why: str) -> None:
        self.unread.append(Unread(what=what, why=why, remedy=AS_ROOT))

    def _account(self, name: str) -> Account | None:
        return self._try(lambda: account(self.places, name), None)

    def _daemon_user(self, service: Unit | None) -> Account | None:
        """Return who assay runs as, by its unit; a user that systemd makes for it has no entry in /etc/passwd."""
        if service is None or not (name := service.settings.get("User", "")):
            return None
        extra = frozenset((*words(service.settings, "SupplementaryGroups"), service.settings.get("Group", "")))
        nobody: frozenset[int] = frozenset()
        gids = self._try(lambda: group_ids(self.places, extra), nobody)
        known = self._account(name)
        if known is not None:
            return replace(known, gids=known.gids | gids)
        return Account(name=name, uid=None, gids=gids) if truth(service.settings.get("DynamicUser", "no")) else None

    def _program(self, service: Unit | None) -> tuple[Walk, ...]:
        nothing: tuple[str, ...] = ()
        if service is None:
            return ()
        wanted = self._try(lambda: tuple(program.paths(self.places, service)), nothing)
        return tuple(self._walk(self.places, path) for path in wanted)

    def _file(self, path: Path) -> Walk:
        """Walk to a file that was read; one of a copy is seen as the machine would see it."""
        if path.is_relative_to(self.places.root):
            return self._walk(self.places, f"/{path.relative_to(self.places.root)}")
        return self._walk(Places(), str(path))

    def _walk(self, places: Places, path: str, chroot: str = "") -> Walk:
        walked = walk(places, path, chroot)
        if walked.denied:
            self._note(walked.denied, "permission denied")
        return walked


def _sockets(config: Config, inspection: Inspection) -> Iterable[tuple[str, str]]:
    """Name every unix socket that an MTA looks for, or would without or with a chroot, and our own."""
    if config.socket.family is SocketFamily.UNIX:
        yield config.socket.path, ""
    for each in _listed(inspection):
        if each.path:
            yield from ((each.path, each.chroot), (each.path, ""), (each.otherwise or each.path, ""))


def _listed(inspection: Inspection) -> Iterable[Listed]:
    found = inspection.postfix
    if found is not None:
        for milters in (*map(found.milters, found.receivers), *map(found.non_smtpd_milters, found.cleanups)):
            yield from milters
    if inspection.sendmail is not None:
        yield from (each.listed for each in inspection.sendmail.filters)


def _files(config: Config) -> Iterable[Path]:
    yield config.source
    yield config.policies
    yield from sorted(config.policies.glob("*.toml"))
