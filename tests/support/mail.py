"""Messages for the end-to-end tests, and what became of them."""

import email
import re
from collections.abc import Sequence
from typing import Final, Protocol

from support.daemon import ID
from support.process import wait_until

OURS: Final = re.compile(r"\s*mx\.dest\.example\s*;", re.ASCII)

DELIVERY: Final = {"Return-Path", "X-Original-To", "Delivered-To"}
"""What virtual(8) puts on top when it delivers, after every milter."""


def message(token: str, author: str = "a@genuine.example", *, fields: Sequence[str] = (), body: str = "hello") -> bytes:
    """A message that can be found again by its token."""
    lines = [
        *fields,
        f"From: {author}",
        "To: user@dest.example",
        f"Subject: {token}",
        f"Message-Id: <{token}@client.example>",
        "Date: Thu, 01 Jan 2026 00:00:00 +0000",
        "",
        body,
        "",
    ]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def forged_among_others(token: str, count: int) -> list[str]:
    """Fields with our authserv-id, ``count`` of them in all spellings, and between them those of others."""
    spellings = (f" {ID};", f"\t{ID.upper()} 1;", f' "{ID}";', f" (x) {ID}. ;", f"\r\n\t{ID}\r\n\t;")
    fields = [f"Authentication-Results: other0.example; dkim=fail ({token})"]
    for number in range(count):
        own = spellings[number % len(spellings)]
        fields.append(f"Authentication-Results:{own} dkim=pass header.d=forged.example")
        fields.append(f"Authentication-Results: other{number + 1}.example; dkim=fail ({token})")
    return fields


class Mta(Protocol):
    """A Postfix or a Sendmail of ours."""

    def delivered(self) -> list[bytes]:
        """Every message that reached a mailbox, the oldest first."""


class Delivered:
    """A message from the Maildir.

    Attributes:
        fields: name and unfolded value, from the top, without those of the delivery itself.
        body: its octets.
    """

    def __init__(self, raw: bytes) -> None:
        parsed = email.message_from_bytes(raw)
        fields = [(name, re.sub(r"\n[ \t]+", " ", str(value))) for name, value in parsed.items()]
        self.raw = raw
        self.fields = [field for field in fields if field[0] not in DELIVERY]
        self.body = raw.partition(b"\n\n")[2]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.fields]

    @property
    def results(self) -> list[str]:
        """Every Authentication-Results value, ours and others'."""
        return [value for name, value in self.fields if name.lower() == "authentication-results"]

    @property
    def stamp(self) -> str:
        """The one value that is ours."""
        [own] = [value for value in self.results if OURS.match(value)]
        return own

    def methods(self) -> dict[str, str]:
        """Each method of our field with its result; of several DKIM results the first."""
        found: dict[str, str] = {}
        for method, result in re.findall(r"; ([a-z]+)=([a-z]+)", self.stamp):
            found.setdefault(method, result)
        return found


def arrived(mta: Mta, token: str) -> list[Delivered]:
    """Every delivered message with this token, now."""
    mark = f"Message-Id: <{token}@client.example>".encode()
    return [Delivered(raw) for raw in mta.delivered() if mark in raw]


def wait_for(mta: Mta, token: str) -> Delivered:
    """Wait until the message is delivered, once."""
    [only] = wait_until(lambda: arrived(mta, token), f"the delivery of {token}")
    return only
