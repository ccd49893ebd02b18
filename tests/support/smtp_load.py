"""Many senders at once, that come back where they are asked to, and a record of every answer that they got."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from smtplib import SMTP, SMTPDataError
from types import TracebackType
from typing import Final, Self

from support.mail import Delivered, message
from support.postfix import RECIPIENT, Postfix, Reply
from support.process import PATIENCE, wait_until
from support.world import OWN, STRANGER

SENDERS: Final = 50

FORGES: Final = 5
"""Each sender with a number that this divides writes in the name of the others' domain, which it may not."""

A_CONNECTION: Final = 4
"""Messages, before a sender says QUIT and connects again."""

AUTHOR: Final = "a@genuine.example"

OK: Final = 250

_RETRY: Final = 0.1
"""Seconds before a sender that was deferred comes back."""

_ROUND_TRIP: Final = 0.05
"""Seconds before each command, as of a distant sender: so most of them are in the middle of a message at any time."""

_loads = itertools.count()


@dataclass(slots=True)
class Offer:
    """A message, and the answer to each time that it was offered.

    Attributes:
        token: its subject; two messages never have the same.
        replies: the refusals, if any, and then that to the end of data.
    """

    token: str
    forged: bool
    replies: list[Reply] = field(default_factory=list)

    @property
    def codes(self) -> list[int]:
        return [reply.code for reply in self.replies]


class Load:
    """:data:`SENDERS` at once, each with one message after another, from entering to leaving the context.

    On leaving, every message that was begun is offered until its sender need not come back with it.

    Args:
        postfix: runs.
    """

    def __init__(self, postfix: Postfix) -> None:
        self._postfix = postfix
        self._name = f"load{next(_loads)}"
        self._numbers = itertools.count()
        self._enough = threading.Event()
        self._abandoned = threading.Event()
        self._offers: list[Offer] = []
        self._pool = ThreadPoolExecutor(SENDERS)
        self._senders: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._senders = [self._pool.submit(self._send, forges=number % FORGES == 0) for number in range(SENDERS)]
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._enough.set()
        unfinished = wait(self._senders, 0 if value else PATIENCE).not_done
        self._abandoned.set()
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

    def _send(self, *, forges: bool) -> None:
        pending: Offer | None = None
        while (pending or not self._enough.is_set()) and not self._abandoned.is_set():
            with self._postfix.connect(address=STRANGER if forges else OWN) as client:
                for _ in range(A_CONNECTION):
                    offer = pending or self._new(forges=forges)
                    reply = _offer(client, offer.token)
                    offer.replies.append(reply)
                    pending = offer if 400 <= reply.code < 500 else None
                    if pending:
                        break
            if pending:
                self._abandoned.wait(_RETRY)

    def _new(self, *, forges: bool) -> Offer:
        offer = Offer(token=f"{self._name}-{'forged' if forges else 'genuine'}{next(self._numbers)}", forged=forges)
        self._offers.append(offer)
        return offer


def _offer(client: SMTP, token: str) -> Reply:
    """Offer a message once; give the first refusal, or the answer to the end of data."""
    body = "\r\n".join([f"{token} and some more text, so that there is something to read"] * 40)
    time.sleep(_ROUND_TRIP)
    code, text = client.mail(AUTHOR)
    if code != OK:
        return _reply("MAIL FROM", code, text)
    time.sleep(_ROUND_TRIP)
    code, text = client.rcpt(RECIPIENT)
    if code != OK:
        return _reply("RCPT TO", code, text)
    time.sleep(_ROUND_TRIP)
    try:
        code, text = client.data(message(token, AUTHOR, body=body))
    except SMTPDataError as refused:
        error = refused.smtp_error
        return _reply("DATA", refused.smtp_code, error if isinstance(error, bytes) else error.encode())
    return _reply(".", code, text)


def _reply(command: str, code: int, text: bytes) -> Reply:
    return Reply(command=command, code=code, text=text.decode("ascii", "backslashreplace"))
