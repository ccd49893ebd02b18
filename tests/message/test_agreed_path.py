"""The MTA's reading of MAIL FROM beside ours (standards G.5.10)."""

import pytest

from assay.domain import Domain
from assay.message.reverse_path import NullSender, ReversePath, UnusablePath, agreed_path

AGREED = {
    "the MTA sent no reading": (b"<a@b.example>", None),
    "the MTA sent an empty reading": (b"<a@b.example>", ""),
    "the same mailbox": (b"<a@b.example>", "a@b.example"),
    "the same domain in another case": (b"<a@B.Example>", "a@b.example."),
    "a reading in brackets": (b"<a@b.example>", "<a@b.example>"),
    "a route that the MTA kept": (b"<@r.example:a@b.example>", "@r.example:a@b.example"),
    "a user of a domain of the MTA's own, as Sendmail tells it": (b"<a@b.example>", "a"),
    "a quoted local part that holds an @": (b'<"x@y.example"@b.example>', '"x@y.example"@b.example'),
}


@pytest.mark.parametrize(("path", "mail_addr"), AGREED.values(), ids=AGREED.keys())
def test_a_reading_that_names_the_same_domain_is_believed(path: bytes, mail_addr: str | None) -> None:
    found = agreed_path(path, mail_addr)
    assert isinstance(found, ReversePath)
    assert found.domain == Domain("b.example")


@pytest.mark.parametrize("mail_addr", [None, "", "<>"])
def test_the_null_sender_agrees_with_the_null_sender(mail_addr: str | None) -> None:
    assert agreed_path(b"<>", mail_addr) == NullSender()


DIFFERENT = {
    "another domain": (b"<a@b.example>", "a@atk.example"),
    "a subdomain": (b"<a@b.example>", "a@sub.b.example"),
    "the null sender for the MTA only": (b"<a@b.example>", "<>"),
    "the null sender for us only": (b"<>", "a@b.example"),
    "something that is no domain": (b"<a@b.example>", "a@b.example(x"),
}


@pytest.mark.parametrize(("path", "mail_addr"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_a_reading_that_names_somebody_else_is_nobody(path: bytes, mail_addr: str) -> None:
    assert isinstance(agreed_path(path, mail_addr), UnusablePath)


def test_a_path_without_a_domain_needs_no_agreement() -> None:
    assert agreed_path(b"<postmaster>", "postmaster@mx.example") == ReversePath(b"postmaster", None)
