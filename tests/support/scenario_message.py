"""The octets of a scenario: placeholders filled, signatures made, ARC sets sealed.

Placeholders: ``${octet:HH}`` is one octet; ``${repeat:N:TEXT}`` is TEXT N times, each ``#`` in it the number of the
repetition; ``${time:SECONDS}`` is that long from now, since 1970; ``${record:KEY}`` and ``${record:KEY:TAGS}`` are the
key record of a key, in the character-strings of a zone file; ``${modulus:BITS}`` is that of an RSA key that nobody has.
"""

import re
from typing import Final

from assay.facts import HeaderField
from support.scenario import PLACEHOLDER, Scenario, Seal, Sign, Step
from support.signer import (
    CRLF,
    Ed25519Key,
    SigningKey,
    ed25519_key,
    fields,
    odd_rsa_record,
    rsa_key,
    seal,
    sign,
    text_of,
)

RSA_BITS: Final = 1024
"""The smallest that must verify (RFC 8301 3.2), and quick to make; the tests of DKIM know the others."""
_STRING: Final = 250
"""Octets of a key record in one character-string, which holds at most 255 (RFC 1035 3.3)."""


def key_named(name: str) -> SigningKey:
    """Make the key of this name, or find it: it is the same throughout a run."""
    kind, _, label = name.partition("-")
    seed = label.encode()
    return ed25519_key(seed.ljust(32, b"\1")) if kind == "ed25519" else rsa_key(RSA_BITS, int.from_bytes(seed))


def fill(text: str, now: float) -> str:
    """Fill the placeholders of a text that holds no octets, such as a zone.

    Raises:
        ValueError: a placeholder is malformed, or has no place in such a text.
    """

    def one(found: re.Match[str]) -> str:
        match found[1].split(":", 2):
            case ["record", key]:
                return _strings(_record(key, ""))
            case ["record", key, tags]:
                return _strings(_record(key, tags))
            case ["modulus", bits]:
                return _strings(odd_rsa_record(2 ** int(bits) - 1, 65537).decode())
            case ["repeat", count, unit]:
                return "".join(unit.replace("#", str(number)) for number in range(int(count)))
            case ["time", seconds]:
                return str(int(now) + int(seconds))
            case _:
                raise ValueError(f"{found[0]} has no place here")

    return PLACEHOLDER.sub(one, text)


def octets(text: str, now: float, *, line_ends: bool = False) -> bytes:
    """Fill the placeholders of a text that goes over the wire.

    Args:
        text: UTF-8 on the wire.
        now: seconds since 1970.
        line_ends: each line feed of the file becomes CRLF; those of ``${octet:0A}`` stay as they are.

    Raises:
        ValueError: as :func:`fill`.
    """
    parts = re.split(r"\$\{octet:([0-9A-F]{2})\}", text)
    result = b""
    for index, part in enumerate(parts):
        if index % 2:
            result += bytes.fromhex(part)
        else:
            filled = fill(part, now).encode()
            result += filled.replace(b"\n", CRLF) if line_ends else filled
    return result


def message_of(scenario: Scenario, now: float) -> bytes:
    """Make the message: its text, then each step.

    Raises:
        ValueError: a placeholder or a step does not fit the message.
    """
    message = octets(scenario.message, now, line_ends=True)
    for step in scenario.step:
        message = _apply(step, message, now)
    return message


def _apply(step: Step, message: bytes, now: float) -> bytes:
    match step:
        case Step(seal=Seal() as how):
            return _sealed(how, message, now)
        case Step(sign=Sign() as how):
            headers, body = _split(message)
            made = sign(headers, body, key_named(how.key), _tags(how, now))
            return text_of([made]) + message
        case Step(prepend=str() as text):
            return octets(text, now, line_ends=True) + message
        case Step(append=str() as text):
            return message + octets(text, now, line_ends=True)
        case Step(replace=change) if change is not None:
            old, new = (octets(text, now, line_ends=True) for text in (change.old, change.new))
            if message.count(old) != 1:
                raise ValueError(f"{change.old!r} is in the message {message.count(old)} times, not once")
            return message.replace(old, new)
        case _:
            raise AssertionError("the schema lets no other step through")


def _sealed(how: Seal, message: bytes, now: float) -> bytes:
    headers, body = _split(message)
    sealed = seal(
        headers,
        body,
        key_named(how.key),
        how.instance,
        message=_tags(how, now),
        sealing={b"d": how.domain.encode(), b"s": how.selector.encode()}
        | {tag.encode(): octets(value, now) for tag, value in how.seal_tags.items()},
        results=b" i=%d; " % how.instance + octets(how.results, now),
    )
    return text_of(sealed) + CRLF + body


def _tags(how: Sign, now: float) -> dict[bytes, bytes | None]:
    tags: dict[bytes, bytes | None] = {
        b"d": how.domain.encode(),
        b"s": how.selector.encode(),
        b"h": how.headers.encode(),
        b"c": how.canonicalization.encode(),
    }
    return tags | {tag.encode(): octets(value, now) for tag, value in how.tags.items()}


def _split(message: bytes) -> tuple[tuple[HeaderField, ...], bytes]:
    header, empty_line, body = message.partition(CRLF + CRLF)
    if not empty_line:
        raise ValueError("a message that is signed needs an empty line after its header")
    return fields(header + CRLF), body


def _record(name: str, tags: str) -> str:
    key = key_named(name)
    further = f"{tags}; " if tags else ""
    kind = "k=ed25519; " if isinstance(key, Ed25519Key) else ""
    return key.record(tags=f"v=DKIM1; {kind}{further}".encode()).decode()


def _strings(record: str) -> str:
    return " ".join(f'"{record[start : start + _STRING]}"' for start in range(0, len(record), _STRING))
