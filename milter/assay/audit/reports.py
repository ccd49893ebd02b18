"""Report addresses: can they be read, do they take mail, and have other domains agreed (RFC 9989 4.7, RFC 9990 4)?"""

import re
from dataclasses import dataclass, field

from assay.answers import Absent, Found, Mx, RRType, Unavailable
from assay.audit.asking import Asking
from assay.audit.findings import finding
from assay.audit.ids import Id
from assay.audit.report import Finding, Publish, ReportAddress
from assay.audit.tags import written_tags
from assay.domain import Domain
from assay.errors import DomainError
from assay.results import DmarcRecord
from assay.verify.dmarc_record import parse_record
from assay.verify.walk import Walker

_SIZE = re.compile(r"![0-9]+[kmgt]?$", re.IGNORECASE)


def inspect_addresses(
    record: DmarcRecord, place: Domain, asking: Asking, walker: Walker
) -> tuple[tuple[ReportAddress, ...], list[Finding]]:
    """Look at every address of rua= and ruf=.

    Args:
        record: the policy record.
        place: whose record it is; other domains agree to its reports, not to those of names below it.
        asking: asks.
        walker: tells the organizational domains.
    """
    inspector = _Inspector(place, asking, walker)
    tags = written_tags(record.text)
    for tag, uris in (("rua", record.rua), ("ruf", record.ruf)):
        written = [part.strip() for part in tags.get(tag, "").split(",")] if tag in tags else []
        for text in written:
            inspector.check_text(tag, text, uris)
        for uri in uris:
            inspector.inspect(tag, uri)
    return tuple(inspector.addresses), inspector.findings


@dataclass(slots=True)
class _Inspector:
    place: Domain
    asking: Asking
    walker: Walker
    addresses: list[ReportAddress] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def check_text(self, tag: str, text: str, uris: tuple[str, ...]) -> None:
        """Say what is wrong with one address as it is written; ``uris`` are those that could be read."""
        if _SIZE.sub("", text) not in uris:
            why = f'"{text}" in {tag} of the record of {self.place} is no URI, so no report goes there'
            self.findings.append(finding(Id.REPORT_MALFORMED, why, "write mailto:somebody@example.com"))
        elif _SIZE.search(text):
            why = f'the size limit in "{text}" of {tag}: RFC 9989 removed that, and receivers ignore it'
            self.findings.append(finding(Id.DMARC_HISTORIC, why, "take it out"))

    def inspect(self, tag: str, uri: str) -> None:
        """Look at one address that can be read."""
        scheme, _, rest = uri.partition(":")
        if scheme.lower() != "mailto":
            why = f"{uri} in {tag}: receivers must support mailto: alone, and ignore the others (RFC 9989 4.7)"
            self.findings.append(finding(Id.REPORT_SCHEME, why, "name a mailto: address too, or instead"))
            self.addresses.append(ReportAddress(tag=tag, uri=uri))
            return
        try:
            host = Domain.parse(rest.partition("?")[0].rpartition("@")[2])
        except DomainError as error:
            why = f"{uri} in {tag}: behind the @ stands no domain name: {error}"
            self.findings.append(finding(Id.REPORT_MALFORMED, why, "write mailto:somebody@example.com"))
            self.addresses.append(ReportAddress(tag=tag, uri=uri))
            return
        external = self._is_external(host)
        authorised = self._is_authorised(tag, uri, host) if external else None
        self._check_mail(tag, uri, host)
        self.addresses.append(ReportAddress(tag=tag, uri=uri, host=host.name, external=external, authorised=authorised))

    def _is_external(self, host: Domain) -> bool | None:
        """Whether the host belongs to another organization (RFC 9990 4); None where that is not known."""
        if host == self.place:
            return False
        possible = {own != other for own, other in self.walker.organizations(self.place, host)}
        return possible.pop() if len(possible) == 1 else None

    def _is_authorised(self, tag: str, uri: str, host: Domain) -> bool | None:
        """Ask the other domain (standards F.3); None without an answer."""
        name = f"{self.place}._report._dmarc.{host}"
        texts = self.asking.texts(name.encode())
        if texts is None:
            return None
        records = [record for text in texts if (record := parse_record(text)) is not None]
        elsewhere = [
            other
            for record in records
            for other in (record.rua if tag == "rua" else record.ruf)
            if other.partition("?")[0].rpartition("@")[2].lower() != host.name
        ]
        if records and not elsewhere:
            return True
        if elsewhere:
            why = f"{name} sends the reports for {uri} to {elsewhere[0]}, another host: none are sent (RFC 9990 4)"
            remedy = f"let the owner of {host} name an address at {host} there, or none"
        else:
            why = f"{uri} in {tag}: {host} is another organization, and has not agreed to get reports of {self.place}"
            remedy = f"let the owner of {host} publish this record, or use an address of your own"
        publish = Publish(name=name, type="TXT", value="v=DMARC1")
        self._add(finding(Id.REPORT_UNAUTHORISED, why, remedy, publish))
        return False

    def _check_mail(self, tag: str, uri: str, host: Domain) -> None:
        """Look whether the domain of an address takes mail (RFC 5321 5.1, RFC 7505)."""
        match self.asking.resolve(bytes(host), RRType.MX):
            case Found(records):
                dead = all(isinstance(record, Mx) and not record.exchange for record in records)
            case Absent():
                dead = self.asking.addresses(bytes(host)) == []
            case Unavailable():
                dead = False
        if dead:
            why = f"{uri} in {tag}: {host} takes no mail, neither by MX nor by an address"
            self._add(finding(Id.REPORT_UNREACHABLE, why, "name an address that takes mail"))

    def _add(self, made: Finding) -> None:
        if made not in self.findings:
            self.findings.append(made)
