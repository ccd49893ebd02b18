"""Whole messages through the session and the judge, and the CPU that they cost: to be compared, never to be read."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from assay.answers import Answer, Resolver
from assay.daemon.judge import Judgement, Settings
from assay.daemon.session import Context, Session
from assay.facts import HeaderField
from assay.message import author
from assay.policy.model import Mode
from assay.policy.policies import Policies
from assay.stamp import removal
from assay.verify import dmarc_record, keys, signature, spf_record
from support.dict_resolver import DictResolver, Key
from support.signer import NOW

CHUNK = 65535
"""Octets that a milter is handed at once."""


class _Nobody(Executor):
    """Never gets to the SPF evaluations that it is given: the judge makes them."""

    def submit(self, _work: Any, /, *_: Any, **__: Any) -> "Future[Any]":
        return Future()


def session_with(resolvers: Iterable[Resolver]) -> Session:
    """Make a session that takes a resolver for each message, and one more for its policy, from ``resolvers``."""
    left = iter(resolvers)
    return Session(
        Context(
            settings=Settings(policies=Policies.built_in(Mode.ENFORCE)),
            new_resolver=lambda: next(left),
            background=_Nobody(),
            clock=lambda: NOW,
            authserv_id=None,
            host_name="mx.receiver.example",
        )
    )


def hand_over(
    session: Session, headers: Sequence[HeaderField], chunks: Sequence[bytes], mail_from: bytes, client: str
) -> Judgement:
    session.connect("client", client, None)
    session.helo(b"mail.atk.example")
    session.mail(mail_from, (), None, None)
    session.recipient()
    for field in headers:
        session.header(field.name, field.value)
    session.end_of_headers()
    for chunk in chunks:
        session.body(chunk)
    return session.end_of_message("Q1")


def cpu_of(
    headers: Sequence[HeaderField],
    body: bytes,
    answers: Mapping[Key, Answer],
    *,
    mail_from: bytes = b"<a@atk.example>",
    client: str = "192.0.2.66",
) -> tuple[float, Judgement]:
    """Give the seconds of CPU of one message whose like was never seen before: no cache knows it."""
    for cache in (
        author._read,
        dmarc_record._parse_kept,
        keys._parse,
        removal._normal,
        signature._parse_dkim,
        spf_record.parse_record,
    ):
        cache.cache_clear()
    chunks = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
    resolver = DictResolver(answers)
    session = session_with([resolver, resolver])
    # A coverage tracer costs by the line and not by the work: it would be what is compared.
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        started = time.process_time()
        judgement = hand_over(session, headers, chunks, mail_from, client)
        return time.process_time() - started, judgement
    finally:
        sys.settrace(tracer)
