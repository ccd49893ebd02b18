"""Reply texts stay within an SMTP reply line."""

from assay.policy.reply import MAX_TEXT, check_template, fill
from support.policy_cases import case, dmarc, spf


def test_a_name_that_the_message_does_not_have_is_a_hyphen() -> None:
    nameless = case(dmarc(author=None), spf_result=spf("none", None))
    assert fill("{author_domain} {policy_domain} {spf_domain} {reason}", nameless, "why") == "- - - why"


def test_a_finished_text_is_cut_to_fit_a_reply_line() -> None:
    template = check_template("{author_domain} " * 12)
    long = case(dmarc(author=".".join(["x" * 60] * 4)))
    assert len(fill(template, long, "")) == MAX_TEXT
