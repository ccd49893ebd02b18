"""Many senders at once, that come back where they are asked to, and a record of every answer that they got."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import Enum, auto
from smtplib import SMTP
from types import TracebackType
from typing import Final, Self

from support.mail import Delivered, message
from support.postfix import RECIPIENT, Postfix, Reply
from support.process import PATIENCE, wait_until
from support.world import OWN, STRANGER, sign

SENDERS: Final = 50


class Sender(Enum):
    """What a sender is like. All but the last two come back with a message until it is accepted or refused for good."""

    GENUINE = auto()
    """Writes in its own domain's name, from its domain's address."""
    FORGER = auto()
    """Writes in the same name from an address that may not, and claims that we found it genuine."""
    SIGNER = auto()
    """Has but the domain's signature to show, on a long message that comes in pieces."""
    IMPATIENT = auto()
    """As GENUINE, but gives a message up when it is asked to come back."""
    BREAKING_OFF = auto()
    """As GENUINE, but hangs up in the middle of each message."""


EVERY_KIND: Final = (
    Sender.FORGER,
    Sender.GENUINE,
    Sender.SIGNER,
    Sender.GENUINE,
    Sender.IMPATIENT,
    Sender.FORGER,
    Sender.SIGNER,
    Sender.GENUINE,
    Sender.BREAKING_OFF,
    Sender.GENUINE,
)
"""Every kind."""

A_FIFTH_FORGES: Final = (Sender.FORGER, *4 * [Sender.GENUINE])

A_CONNECTION: Final = 4
"""Messages, before a sender says QUIT and connects again."""

AUTHOR: Final = "a@genuine.example"

_RETRY: Final = 0.1
"""Seconds before a sender that was deferred comes back."""

_ROUND_TRIP: Final = 0.05
"""Seconds before each command, as of a distant sender: so most of them are in the middle of a message at any time."""

_PIECES: Final = 5
"""Of a long message, with a pause after each."""

_CLAIM: Final = "Authentication-Results: mx.dest.example; dmarc=pass header.from=genuine.example"
"""As if written by the daemon of :mod:`support.daemon`, which removes it."""

_loads = itertools.count()


@dataclass(slots=True)
class Offer:
    """A message, and the answer to each time that it was offered.

    Attributes:
        token: its subject; two messages never have the same.
        begun: monotonic seconds.
        replies: the refusals, if any, and then that to the end of data.
        abandoned: its sender hung up in the middle, or gave it up when it was asked to come back.
    """

    token: str
    sender: Sender
    begun: float
    replies: list[Reply] = field(default_factory=list)
    abandoned: bool = False

    @property
    def forged(self) -> bool:
        return self.sender is Sender.FORGER

    @property
    def codes(self) -> list[int]:
        return [reply.code for reply in self.replies]


class Load:
    """:data:`SENDERS` at once, each with one message after another, from entering to leaving the context.

    On leaving, every message that was begun is offered until its sender need not come back with it.

    Args:
        postfix: runs.
        senders: their kinds, again and again.
    """

    def __init__(self, postfix: Postfix, senders: Sequence[Sender] = A_FIFTH_FORGES) -> None:
        self._postfix = postfix
        self._kinds = [senders[number % len(senders)] for number in range(SENDERS)]
        self._name = f"load{next(_loads)}"
        self._numbers = itertools.count()
        self._enough = threading.Event()
        self._given_up = threading.Event()
        self._offers: list[Offer] = []
        self._pool = ThreadPoolExecutor(SENDERS)
        self._senders: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._senders = [self._pool.submit(self._send, kind) for kind in self._kinds]
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._enough.set()
        unfinished = wait(self._senders, 0 if value else PATIENCE).not_done
        self._given_up.set()
        self._pool.shutdown()
        if value is None:
            self._check()
            assert not unfinished, f"{len(unfinished)} senders were asked to come back again and again"

    def offers(self) -> list[Offer]:
        """Every message so far, in the order in which they were first offered."""
        return list(self._offers)

    def delivered(self) -> list[Delivered]:
        """Every message of this load that reached the Maildir so far."""
        mark = f"\nSubject: {self._name}-".encode()
        return [Delivered(raw) for raw in self._postfix.delivered() if mark in raw]

    def replies(self) -> list[Reply]:
        """Every answer so far."""
        return [reply for offer in self.offers() for reply in list(offer.replies)]

    def deferred(self) -> list[Reply]:
        """Every answer so far that asked a sender to come back."""
        return [reply for reply in self.replies() if 400 <= reply.code < 500]

    def right_at_once(self, *, since: float) -> bool:
        """Whether senders of every kind that end their messages got the right answer to a new one at the first go."""
        first = {(offer.sender, offer.codes[0]) for offer in self.offers() if offer.begun >= since and offer.codes}
        ended = set(self._kinds) - {Sender.BREAKING_OFF}
        return first >= {(kind, 550 if kind is Sender.FORGER else 250) for kind in ended}

    def wait_for_more(self, count: int) -> None:
        """Wait for so many answers more."""
        enough = len(self.replies()) + count
        self._wait(lambda: len(self.replies()) >= enough, f"{count} answers more")

    def wait_for_deferred(self, count: int) -> None:
        """Wait until so many answers in all asked a sender to come back."""
        self._wait(lambda: len(self.deferred()) >= count, f"{count} answers that defer")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        def check() -> bool:
            self._check()
            return condition()

        wait_until(check, what)

    def _check(self) -> None:
        """Raise what a sender raised."""
        for sender in self._senders:
            if sender.done():
                sender.result()

    def _send(self, kind: Sender) -> None:
        pending: Offer | None = None
        while (pending or not self._enough.is_set()) and not self._given_up.is_set():
            address = STRANGER if kind in {Sender.FORGER, Sender.SIGNER} else OWN
            with self._postfix.connect(address=address) as client:
                for _ in range(A_CONNECTION):
                    offer = pending or self._new(kind)
                    reply = _Conversation(client, offer).run()
                    if reply is not None:
                        offer.replies.append(reply)
                    deferred = reply is not None and 400 <= reply.code < 500
                    offer.abandoned = offer.abandoned or (deferred and kind is Sender.IMPATIENT)
                    pending = offer if deferred and not offer.abandoned else None
                    if pending or offer.abandoned:
                        break
            if pending:
                self._given_up.wait(_RETRY)

    def _new(self, kind: Sender) -> Offer:
        token = f"{self._name}-{kind.name.lower()}{next(self._numbers)}"
        offer = Offer(token=token, sender=kind, begun=time.monotonic())
        self._offers.append(offer)
        return offer


class _Conversation:
    """A message is offered once."""

    def __init__(self, client: SMTP, offer: Offer) -> None:
        self._client = client
        self._offer = offer

    def run(self) -> Reply | None:
        """Give the first refusal, or the answer to the end of data; None if the sender hung up before that."""
        for command, expected in ((f"MAIL FROM:<{AUTHOR}>", 250), (f"RCPT TO:<{RECIPIENT}>", 250), ("DATA", 354)):
            reply = self._ask(command)
            if reply.code != expected:
                return reply
        data = self._message()
        pieces = _PIECES if self._offer.sender in {Sender.SIGNER, Sender.BREAKING_OFF} else 1
        size = len(data) // pieces + 1
        for start in range(0, len(data), size):
            self._client.send(data[start : start + size])
            if pieces > 1:
                time.sleep(_ROUND_TRIP)
                if self._offer.sender is Sender.BREAKING_OFF:
                    self._offer.abandoned = True
                    self._client.close()
                    return None
        return self._ask(".")

    def _ask(self, command: str) -> Reply:
        time.sleep(_ROUND_TRIP)
        code, text = self._client.docmd(command)
        return Reply(command=command.partition(":")[0], code=code, text=text.decode("ascii", "backslashreplace"))

    def _message(self) -> bytes:
        offer = self._offer
        signer = offer.sender is Sender.SIGNER
        body = "\r\n".join(
            [f"{offer.token} and some more text, so that there is something to read"] * (1000 if signer else 40)
        )
        claims = [] if signer else [_CLAIM]
        octets = message(offer.token, AUTHOR, fields=claims, body=body)
        return sign(octets, b"genuine.example") if signer else octets
