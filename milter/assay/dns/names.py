"""Names as octets: what may be asked at all, and the two forms of a name (RFC 1035 2.3.4, 3.1; RFC 2181 11).

Any octet may stand in a label. What cannot be asked is a name that no server could hold, and a name with a NUL: a
library of C would ask for the part before it, which may be another owner's name (standards H.3 K1).
"""

from assay.limits import MAX_LABEL_OCTETS, MAX_NAME_OCTETS

ROOT = b"\0"
"""The name without labels, on the wire."""

MAX_WIRE_OCTETS = MAX_NAME_OCTETS + 2
"""A name on the wire: a length octet before each label, and the root label (RFC 1035 2.3.4)."""


def to_wire(name: bytes) -> bytes | None:
    """Turn labels joined by "." into the wire form, letters as given; never compressed.

    Returns:
        None for a name that cannot be asked: an empty label (so also a final dot, and the empty name), a label over
        63 or a name over 253 octets, or a NUL.
    """
    if len(name) > MAX_NAME_OCTETS or 0 in name:
        return None
    wire = bytearray()
    for label in name.split(b"."):
        length = len(label)
        if not 0 < length <= MAX_LABEL_OCTETS:
            return None
        wire.append(length)
        wire += label
    wire.append(0)
    return bytes(wire)


def from_wire(wire: bytes) -> bytes | None:
    """Turn an uncompressed, well-formed wire name into labels joined by "."; the root is ``b""``.

    Returns:
        None if a label holds a "." itself: written with dots it would read as another name.
    """
    labels = []
    offset = 0
    while length := wire[offset]:
        label = wire[offset + 1 : offset + 1 + length]
        if b"." in label:
            return None
        labels.append(label)
        offset += 1 + length
    return b".".join(labels)


def fold(wire: bytes) -> bytes:
    """Fold the case of ASCII letters, the form in which wire names are compared (RFC 4343 3).

    Length octets are at most 63, so they never look like a letter.
    """
    return wire.lower()


def parents(wire: bytes) -> list[bytes]:
    """Return the ancestors of a wire name, the nearest first, the root included, the name itself not."""
    found = []
    offset = 0
    while length := wire[offset]:
        offset += 1 + length
        found.append(wire[offset:])
    return found
