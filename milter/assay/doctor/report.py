"""What was looked at, in words: the lines above the findings."""

from collections.abc import Iterator

from assay.doctor.inspection import Contact, Inspection, Outcome


def facts(inspection: Inspection) -> tuple[tuple[str, str], ...]:
    """Return what is known of the machine: subject and text."""
    return tuple(_facts(inspection))


def _facts(inspection: Inspection) -> Iterator[tuple[str, str]]:
    machine = inspection.machine
    if inspection.config is not None:
        yield "configuration", str(inspection.config.source)
    if inspection.config is not None and inspection.socket is not None:
        state = "answers" if inspection.socket.contact is Contact.SPEAKS else inspection.socket.contact
        yield "socket", f"{inspection.config.socket.libmilter}: {state}"
    if inspection.postfix is not None:
        yield "postfix", f"{inspection.postfix.value('mail_version')}, {inspection.postfix.directory}"
    if inspection.sendmail is not None:
        yield "sendmail", inspection.sendmail.path
    for view in inspection.resolvers:
        if view.outcome is Outcome.ANSWERED:
            validates = "validates" if view.validates else "does not validate"
            yield "resolver", f"{view.server}: {view.milliseconds:.1f} ms from its cache, {validates}"
        else:
            yield "resolver", f"{view.server}: {view.outcome}"
    if inspection.unit is not None:
        yield "unit", ", ".join((inspection.unit.path, *inspection.unit.drop_ins))
    kept = {True: "synchronised", False: "not synchronised", None: "unknown"}[machine.synchronised]
    yield "clock", kept
    yield "public suffixes", str(machine.suffixes or "undated")
    yield "python", machine.python
    yield "libmilter", machine.libmilter or "not found"
    yield "libraries", ", ".join(f"{each.name} {each.installed}" for each in machine.libraries)
