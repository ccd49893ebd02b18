"""The milter that one writes first, on dkimpy, pyspf and authres: ``python naive.py SOCKET AUTHSERV_ID``.

It keeps the whole message, and does everything at its end, one thing after another, each library with its own DNS. It
is here to show what the structure of assay brings on the same libraries; nobody should run it.
"""

import io
import sys
from email.utils import parseaddr

import authres
import authres.arc
import authres.dmarc
import dkim
import dns.exception
import dns.resolver
import Milter
import publicsuffixlist
import spf

SUFFIXES = publicsuffixlist.PublicSuffixList()


class Naive(Milter.Base):  # type: ignore[misc]  # pymilter ships no types
    authserv_id = ""

    @Milter.noreply
    def connect(self, _name: str, _family: str, address: tuple[str, int]) -> int:
        self._ip = address[0]
        return int(Milter.CONTINUE)

    @Milter.noreply
    def hello(self, name: str) -> int:
        self._helo = name
        return int(Milter.CONTINUE)

    @Milter.noreply
    def envfrom(self, path: str, *_parameters: str) -> int:
        self._mail_from = path.strip("<>")
        self._message = io.BytesIO()
        self._names: list[str] = []
        self._author = ""
        return int(Milter.CONTINUE)

    @Milter.noreply
    @Milter.decode("bytes")
    def header(self, name: str, value: bytes) -> int:
        self._names.append(name.lower())
        if name.lower() == "from":
            self._author = parseaddr(value.decode("latin-1"))[1].rpartition("@")[2].lower()
        self._message.write(name.encode() + b":" + value.replace(b"\n", b"\r\n") + b"\r\n")
        return int(Milter.CONTINUE)

    @Milter.noreply
    def eoh(self) -> int:
        self._message.write(b"\r\n")
        return int(Milter.CONTINUE)

    @Milter.noreply
    def body(self, chunk: bytes) -> int:
        self._message.write(chunk)
        return int(Milter.CONTINUE)

    def eom(self) -> int:
        message = self._message.getvalue()
        spf_result, _ = spf.check2(self._ip, self._mail_from, self._helo)
        envelope = self._mail_from.rpartition("@")[2] or self._helo
        signatures = self._signatures(message)
        arc = dkim.ARC(message).verify()[0].decode()
        passed = [domain for domain, result in signatures if result == "pass"]
        if spf_result == "pass":
            passed.append(envelope)
        results = [
            authres.SPFAuthenticationResult(result=spf_result, smtp_mailfrom=envelope),
            *(authres.DKIMAuthenticationResult(result=result, header_d=domain) for domain, result in signatures),
            authres.dmarc.DMARCAuthenticationResult(result=dmarc(self._author, passed), header_from=self._author),
            authres.arc.ARCAuthenticationResult(result=arc),
        ]
        field = authres.AuthenticationResultsHeader(authserv_id=self.authserv_id, results=results)
        self.addheader("Authentication-Results", field.header_value(), 0)
        return int(Milter.CONTINUE)

    def _signatures(self, message: bytes) -> list[tuple[str, str]]:
        found = []
        for index in range(self._names.count("dkim-signature")):
            verifier = dkim.DKIM(message)
            try:
                result = "pass" if verifier.verify(index) else "fail"
            except dkim.DKIMException:
                result = "fail"
            found.append((verifier.domain.decode(), result))
        return found


def dmarc(author: str, passed: list[str]) -> str:
    organization = SUFFIXES.privatesuffix(author) or author
    record = policy(author) or policy(organization)
    if record is None:
        return "none"
    aligned = any((SUFFIXES.privatesuffix(domain) or domain) == organization for domain in passed)
    return "pass" if aligned else "fail"


def policy(domain: str) -> str | None:
    try:
        answer = dns.resolver.resolve(f"_dmarc.{domain}", "TXT", search=False)
    except dns.exception.DNSException:
        return None
    texts = (b"".join(record.strings).decode("latin-1") for record in answer)
    return next((text for text in texts if text.startswith("v=DMARC1")), None)


def main(socket: str, authserv_id: str) -> None:
    Naive.authserv_id = authserv_id
    Milter.factory = Milter.header_leading_space(Naive)
    Milter.runmilter("naive", socket, 240)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
