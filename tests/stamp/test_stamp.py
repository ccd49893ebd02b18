"""The changes to a header as a whole."""

from dataclasses import replace

from assay.facts import Envelope, HeaderField, MessageFacts
from assay.policy.model import Disposition
from assay.stamp.removal import Removal
from assay.stamp.stamp import Stamp, make_exempt_stamp, make_stamp
from support.judged import CLIENT, DELIVERED, DMARC_FAIL, judged

FORGED = HeaderField(b"Authentication-Results", b" mx.receiver.example; dkim=pass")
FORGED_TWIN = HeaderField(b"Authentication-Results", b" mx2.receiver.example; dkim=pass")
PRIVATE = HeaderField(b"X-Assay-Quarantine", b" no")
FACTS = MessageFacts(
    client=CLIENT,
    envelope=Envelope(helo=b"x", mail_from=b"<a@atk.example>"),
    headers=(FORGED, HeaderField(b"From", b" x"), PRIVATE, FORGED_TWIN),
    authserv_id="mx.receiver.example",
)
QUARANTINED = replace(
    DELIVERED,
    disposition=Disposition.QUARANTINE,
    would=Disposition.QUARANTINE,
    rule="dmarc-fail",
    reason="DMARC fails\r\nX-Injected: 1",
    quarantine_field="X-Assay-Quarantine",
)


def test_a_judged_message_loses_our_id_and_gets_our_field_on_top() -> None:
    stamp = make_stamp(FACTS, judged(), DELIVERED)
    assert stamp.removals == (Removal("Authentication-Results", 1),)
    (insertion,) = stamp.insertions
    assert (insertion.index, insertion.name) == (0, "Authentication-Results")
    assert insertion.value.startswith(" mx.receiver.example;\n\tspf=pass ")


def test_further_ids_and_private_fields_go_too() -> None:
    stamp = make_stamp(FACTS, judged(), DELIVERED, own_ids=["mx2.receiver.example"], own_fields=["x-assay-quarantine"])
    assert stamp.removals == (
        Removal("Authentication-Results", 2),
        Removal("X-Assay-Quarantine", 1),
        Removal("Authentication-Results", 1),
    )


def test_quarantine_by_a_field_writes_why_below_our_results() -> None:
    """The field inserted last at index 0 is the topmost (standards E.2.3)."""
    stamp = make_stamp(FACTS, judged(dmarc=DMARC_FAIL), QUARANTINED)
    assert [(each.index, each.name) for each in stamp.insertions] == [
        (0, "X-Assay-Quarantine"),
        (0, "Authentication-Results"),
    ]
    assert stamp.insertions[0].value == " dmarc-fail: DMARC fails X-Injected: 1"
    assert Removal("X-Assay-Quarantine", 1) in stamp.removals


def test_exempt_mail_gets_nothing_and_loses_what_claims_to_be_ours() -> None:
    stamp = make_exempt_stamp(FACTS.headers, ["mx.receiver.example"], own_fields=["X-Assay-Quarantine"])
    assert stamp == Stamp(removals=(Removal("X-Assay-Quarantine", 1), Removal("Authentication-Results", 1)))


def test_mail_that_a_content_filter_hands_back_keeps_our_results() -> None:
    stamp = make_exempt_stamp(
        FACTS.headers, ["mx.receiver.example"], own_fields=["X-Assay-Quarantine"], keep_results=True
    )
    assert stamp == Stamp()
