"""What tests change on the good machine of :mod:`support.doctor_world`, and what must be found then."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from assay.doctor.inspection import Inspection
from support.dnsserver import DnsServer, Exchange, Reply
from support.doctor_world import ZONE, Machine, found, machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that is wrong.

    Attributes:
        id: of the one finding; empty for none.
        claim: what was changed, in words.
        change: makes it.
        after: makes it when all files are written.
        says: parts of what is said.
        remedy: parts of the remedy.
    """

    id: str
    claim: str
    change: Callable[[Machine], object] = lambda _: None
    after: Callable[[Machine], object] = lambda _: None
    says: tuple[str, ...] = ()
    remedy: tuple[str, ...] = ()


def main(**settings: str) -> Callable[[Machine], object]:
    return lambda made: made.main.update(settings)


def service(line: str, *options: str) -> Callable[[Machine], object]:
    """Add a service to master.cf."""

    def change(made: Machine) -> None:
        made.master += line + "\n" + "".join(f"  -o {option}\n" for option in options)

    return change


def tables(text: str) -> Callable[[Machine], object]:
    def change(made: Machine) -> None:
        made.tables += text

    return change


def setting(key: str, value: str) -> Callable[[Machine], object]:
    return lambda made: made.settings.update({key: value})


def both(*changes: Callable[[Machine], object]) -> Callable[[Machine], object]:
    def change(made: Machine) -> None:
        for each in changes:
            each(made)

    return change


def drop_in(*lines: str) -> Callable[[Machine], object]:
    text = "[Service]\n" + "".join(f"{line}\n" for line in lines)
    return lambda made: made.write("/etc/systemd/system/assay.service.d/override.conf", text)


def server(answer: Callable[[Exchange], list[Reply]], *, tcp: bool = True) -> Callable[[Machine], object]:
    def change(made: Machine) -> None:
        made.server = DnsServer(ZONE, everything=answer, tcp=tcp)

    return change


def seen(change: Callable[[Inspection], Inspection]) -> Callable[[Machine], object]:
    """Change what was read."""

    def set_it(made: Machine) -> None:
        made.adjust = change

    return set_it


def with_machine(change: Callable[[Inspection], dict[str, object]]) -> Callable[[Machine], object]:
    return seen(lambda looked: replace(looked, machine=replace(looked.machine, **change(looked))))  # type: ignore[arg-type]


def smtp(option: str) -> Callable[[Machine], object]:
    """Give the service that takes mail from everybody an option."""
    return lambda made: setattr(made, "master", made.master.replace("smtpd\n", f"smtpd -o {option}\n", 1))


def check(case: Case) -> None:
    """Make the change, look, and compare.

    Raises:
        AssertionError: something else was found.
    """
    with machine(case.change) as made:
        case.after(made)
        findings = found(made)

    assert [each.id for each in findings] == [case.id] * bool(case.id), findings
    for finding in findings:
        for part in case.says:
            assert part in finding.what
        for part in case.remedy:
            assert part in finding.remedy
