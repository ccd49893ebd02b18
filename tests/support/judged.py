"""Results and decisions to stamp and to log: plain ones with a default for everything, and hostile ones."""

from ipaddress import ip_address

from hypothesis import strategies as st

from assay.domain import Domain
from assay.facts import Client
from assay.policy.model import Decision, Disposition
from assay.results import (
    ArcResult,
    ArcSet,
    ArcValue,
    AuthResults,
    DkimResult,
    DkimValue,
    DmarcRecord,
    DmarcResult,
    DmarcValue,
    Requested,
    SpfIdentity,
    SpfResult,
    SpfValue,
)

SENDER = Domain.parse("sender.example")
BRAND = Domain.parse("brand.example")
CLIENT = Client(address=ip_address("192.0.2.25"))
DELIVERED = Decision(disposition=Disposition.NONE, would=Disposition.NONE, rule="no-policy", reason="nothing asked")

SPF_PASS = SpfResult(
    value=SpfValue.PASS,
    identity=SpfIdentity.MAILFROM,
    domain=Domain.parse("bounce.sender.example"),
    reason="ip4 matches",
)
ARC_NONE = ArcResult(value=ArcValue.NONE, reason="no ARC set")
DMARC_PASS = DmarcResult(
    value=DmarcValue.PASS,
    reason="aligned",
    author_domain=SENDER,
    record=DmarcRecord(text="v=DMARC1; p=reject; sp=quarantine", p=Requested.REJECT, sp=Requested.QUARANTINE),
    requested=Requested.REJECT,
)
DMARC_FAIL = DmarcResult(
    value=DmarcValue.FAIL,
    reason="no aligned identifier",
    author_domain=BRAND,
    record=DmarcRecord(text="v=DMARC1; p=reject", p=Requested.REJECT, sp=Requested.REJECT, np=Requested.NONE),
    requested=Requested.REJECT,
)


def signature(
    value: DkimValue = DkimValue.PASS,
    b: str = "Zm9vYmFyYmF6",
    reason: str = "good signature",
    auid: str | None = "@sender.example",
) -> DkimResult:
    return DkimResult(
        value=value,
        reason=reason,
        sdid=SENDER,
        auid=auid,
        selector="s2026",
        algorithm="rsa-sha256",
        key_bits=2048,
        signature=b,
    )


def judged(
    spf: SpfResult = SPF_PASS,
    dkim: tuple[DkimResult, ...] = (),
    arc: ArcResult = ARC_NONE,
    dmarc: DmarcResult = DMARC_PASS,
) -> AuthResults:
    return AuthResults(spf=spf, dkim=dkim, arc=arc, dmarc=dmarc)


def arc_set(instance: int, sealer: str) -> ArcSet:
    return ArcSet(instance=instance, sealer=Domain.parse(sealer), selector="s", signs_from=True, claims=b"")


# Pieces that a sender would use to break out of a quoted-string or a comment, or to be taken for a result.
_INJECTION = st.sampled_from(
    [
        "; dkim=pass header.d=bank.example",
        "dkim=pass",
        "DMARC= pass",
        '"',
        '\\"',
        "\\",
        "(",
        ")",
        "\r\n",
        "\n\tdkim=pass",
        "\x00",
        "\x7f",
        "\u2028",
        "\ud800",
        "\x1b[31m",
        "=?utf-8?q?=3B?=",
        "@",
        "a@b.example",
        "%s",
        "é",
        " ",
        "\t",
    ]
)
HOSTILE = st.lists(st.one_of(_INJECTION, st.text(max_size=20)), max_size=8).map("".join) | st.text(max_size=700)
_LABEL = st.from_regex(r"[a-z0-9_](?:[a-z0-9_-]{0,20}[a-z0-9])?", fullmatch=True)
DOMAINS = st.lists(_LABEL, min_size=1, max_size=9).map(lambda labels: Domain.parse(".".join(labels)))
_MAYBE_DOMAIN = st.none() | DOMAINS
_AUIDS = st.builds(lambda local, domain: f"{local}@{domain}", HOSTILE | st.just("user"), DOMAINS) | HOSTILE
_BASE64 = st.text("ABab01+/", min_size=1, max_size=400)

SPF_RESULTS = st.builds(
    SpfResult,
    value=st.sampled_from(SpfValue),
    identity=st.sampled_from(SpfIdentity),
    domain=_MAYBE_DOMAIN,
    reason=HOSTILE,
)
DKIM_RESULTS = st.builds(
    DkimResult,
    value=st.sampled_from(DkimValue),
    reason=HOSTILE,
    sdid=_MAYBE_DOMAIN,
    auid=st.none() | _AUIDS,
    selector=st.none() | DOMAINS.map(str) | HOSTILE,
    algorithm=st.none() | st.sampled_from(["rsa-sha256", "ed25519-sha256"]) | HOSTILE,
    key_bits=st.none() | st.integers(0, 99999),
    signature=_BASE64 | HOSTILE,
)
ARC_RESULTS = st.builds(
    ArcResult,
    value=st.sampled_from(ArcValue),
    reason=HOSTILE,
    sets=st.lists(
        st.builds(
            ArcSet,
            instance=st.integers(1, 50),
            sealer=DOMAINS,
            selector=HOSTILE,
            signs_from=st.booleans(),
            claims=st.binary(max_size=20),
        ),
        max_size=50,
    ).map(tuple),
    oldest_pass=st.none() | st.integers(0, 50),
)
_REQUESTED = st.sampled_from(Requested)
DMARC_RESULTS = st.builds(
    DmarcResult,
    value=st.sampled_from(DmarcValue),
    reason=HOSTILE,
    author_domain=_MAYBE_DOMAIN,
    record=st.none()
    | st.builds(
        DmarcRecord,
        text=HOSTILE,
        p=st.none() | _REQUESTED,
        sp=st.none() | _REQUESTED,
        np=st.none() | _REQUESTED,
        testing=st.booleans(),
    ),
    requested=st.none() | _REQUESTED,
)
AUTH_RESULTS = st.builds(
    AuthResults,
    spf=SPF_RESULTS,
    dkim=st.lists(DKIM_RESULTS, max_size=24).map(tuple),
    arc=ARC_RESULTS,
    dmarc=DMARC_RESULTS,
)
CLIENTS = st.builds(Client, address=st.none() | st.ip_addresses(), name=HOSTILE)
DECISIONS = st.builds(
    Decision,
    disposition=st.sampled_from(Disposition),
    would=st.sampled_from(Disposition),
    rule=st.just("dmarc-fail"),
    reason=HOSTILE,
)
