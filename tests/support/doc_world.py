"""The domains that the guides speak of, and the mail that has come in before somebody follows one."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from support.knot import knot, txt, zone_text

_HOSTS: Final = {
    "bank": ("192.0.2.25", "reject"),
    "shop": ("192.0.2.26", "quarantine"),
    "news": ("192.0.2.27", "none"),
    "lists": ("192.0.2.99", "none"),
    "alumni": ("192.0.2.98", "none"),
}
"""Label below ``example`` to the address that it sends from and the policy that it asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message that comes in.

    Attributes:
        client: the address that it comes from.
        author: the domain of the From field.
        envelope: the domain of the envelope sender; the author's where there is none.
        signers: who signs it, under ``example``.
        broken: it is changed after it was signed.
        fields: further header fields.
    """

    client: str
    author: str
    envelope: str = ""
    signers: tuple[str, ...] = ()
    broken: bool = False
    fields: tuple[str, ...] = ()

    @property
    def mail_from(self) -> str:
        return f"bounce@{self.envelope or self.author}"

    def octets(self) -> bytes:
        """The message with its signatures, those of the first signers broken where they should be."""
        lines = [*self.fields, f"From: somebody@{self.author}", "To: you@your.domain", "Subject: hello", "", "text", ""]
        message = "\r\n".join(lines).encode()
        for number, signer in enumerate(self.signers):
            message = _signed(message, signer)
            if self.broken and number == 0:
                message += b"-- \r\na footer\r\n"
        return message


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _signed(message: bytes, signer: str) -> bytes:
    pem = _key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    signature: bytes = dkim.sign(message, b"s2026", signer.encode(), pem, canonicalize=(b"relaxed", b"simple"))
    return signature + message


def signer(directory: Path) -> str:
    """Lines of opendkim.conf for who signs; the key is written into a directory."""
    path = directory / "signer.pem"
    path.write_bytes(_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    path.chmod(0o600)
    return f"Domain your.domain\nSelector s2026\nKeyFile {path}\nRequireSafeKeys no\n"


@contextmanager
def real_dns(directory: Path, port: int | None = None) -> Iterator[str]:
    """Serve the domains with a real knot; give its address as ``[dns] nameservers`` spells it.

    ``port`` None is a free one.
    """
    public = base64.b64encode(_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    records = []
    for label, (address, policy) in _HOSTS.items():
        records += [
            f"{label} A {address}",
            f"{label} TXT {txt(f'v=spf1 ip4:{address} -all'.encode())}",
            f"_dmarc.{label} TXT {txt(f'v=DMARC1; p={policy}'.encode())}",
            f"s2026._domainkey.{label} TXT {txt(b'v=DKIM1; k=rsa; p=' + public)}",
        ]
    # the root as well: what is nowhere else does not exist, instead of not being answered
    with knot(directory, {".": zone_text(".", []), "example.": zone_text("example", records)}, port) as server:
        yield server.nameserver


GENUINE: Final = Letter(client="192.0.2.25", author="bank.example", signers=("bank.example",))
FORGED: Final = Letter(client="192.0.2.66", author="bank.example", envelope="nobody.example")
LISTED: Final = Letter(
    client="192.0.2.99",
    author="bank.example",
    envelope="lists.example",
    signers=("bank.example", "lists.example"),
    broken=True,
    fields=("List-Id: <savers.lists.example>",),
)
FORWARDED: Final = Letter(client="192.0.2.98", author="bank.example", envelope="alumni.example", fields=())
SOFT: Final = Letter(client="192.0.2.66", author="shop.example", envelope="nobody.example")
PLAIN: Final = Letter(client="192.0.2.66", author="news.example", envelope="nobody.example")

_MONTH: Final = (GENUINE, FORGED, FORGED, LISTED, LISTED, FORWARDED, SOFT, PLAIN)
_BEFORE: Final = {
    "docs/guides/enforce.md": _MONTH,
    "docs/guides/lists.md": _MONTH,
    "docs/guides/log.md": _MONTH,
    "docs/guides/moving.md": (GENUINE, FORGED, FORGED),
    "docs/guides/troubleshooting.md": (GENUINE, FORGED),
}
_POLICY_SERVICE: Final = "check_policy_service unix:private/policyd-spf"
_SET_UP: Final = {
    "docs/guides/enforce.md": (
        "postconf -e 'smtpd_milters = inet:127.0.0.1:8894' milter_protocol=6 milter_default_action=tempfail",
    ),
    "docs/guides/moving.md": (
        "postconf -M 'policyd-spf/unix=policyd-spf unix - n n - 0 spawn user=policyd-spf argv=/usr/bin/policyd-spf'",
        "postconf -e 'smtpd_milters = inet:127.0.0.1:8891, inet:127.0.0.1:8893' policyd-spf_time_limit=3600",
        "postconf -e 'non_smtpd_milters = inet:127.0.0.1:8891'",
        f"postconf -e 'smtpd_recipient_restrictions = reject_unauth_destination, {_POLICY_SERVICE}'",
    ),
}


def letters(page: str) -> Sequence[Letter]:
    """What has come in before somebody follows a page."""
    return _BEFORE.get(page, ())


def set_up(page: str) -> Sequence[str]:
    """Commands that make a machine the one that a page begins with."""
    return _SET_UP.get(page, ())
