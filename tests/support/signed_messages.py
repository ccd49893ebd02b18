"""Signed messages as facts, and the message of RFC 8463 appendix A."""

from collections.abc import Iterable, Sequence

from assay.facts import Client, Envelope, HeaderField, MessageFacts
from assay.message.body import BodyHasher
from assay.verify.demands import demands
from assay.verify.options import VerifyOptions
from support.signer import fields

OPTIONS = VerifyOptions()
HEADERS = fields(
    b"From: Alice <alice@example.com>\r\n"
    b"To: Bob <bob@example.org>\r\n"
    b"Subject: dinner\r\n\ton  Friday\r\n"
    b"Date: Fri, 11 Jul 2025 21:00:37 -0700\r\n"
)
BODY = b"Hello Bob,\r\n\r\n  see you  then.\t\r\n\r\n"


def facts(
    headers: Sequence[HeaderField], body: bytes = BODY, options: VerifyOptions = OPTIONS, *, chunk: int = 0
) -> MessageFacts:
    """Give a message as the session hands it to ``judge``: with the body hashes that its signatures ask for."""
    hasher = BodyHasher(demands(headers, options).body_hashes)
    for piece in _pieces(body, chunk):
        hasher.feed(piece)
    return MessageFacts(
        client=Client(address=None),
        envelope=Envelope(helo=b"client.example", mail_from=b"<alice@example.com>"),
        headers=tuple(headers),
        body_hashes=hasher.finish(),
    )


def _pieces(body: bytes, chunk: int) -> Iterable[bytes]:
    if not chunk:
        return (body,)
    return (body[start : start + chunk] for start in range(0, len(body), chunk))


RFC8463_KEYS = {
    b"brisbane._domainkey.football.example.com": (
        b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ),
    b"test._domainkey.football.example.com": (
        b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
        b"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
        b"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
        b"Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ),
}
RFC8463_HEADERS = fields(
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
    b" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
    b" date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
    b" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
    b" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
)
RFC8463_BODY = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
