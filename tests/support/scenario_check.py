"""What became of the message of a scenario, held against what was expected."""

from assay.policy.model import Disposition
from support.scenario import Scenario
from support.scenario_drivers import OURS, Outcome


def check(scenario: Scenario, outcome: Outcome) -> None:
    """Hold what became of a message against what was expected."""
    expect = scenario.expect
    said = outcome.log
    wanted: dict[str, str | None] = {"exempt": expect.exempt}
    if expect.results is not None:
        results = expect.results
        wanted |= {
            "dmarc": results.dmarc,
            "spf": results.spf,
            "dkim": ",".join(results.dkim) or "none",
            "arc": results.arc,
            "rule": expect.rule,
            "disposition": expect.disposition,
            "would": expect.would,
        }
    assert {name: said.get(name) for name in wanted} == wanted, said
    assert expect.reason in said.get("reason", ""), said
    assert outcome.held is expect.held
    if expect.queries is not None:
        assert int(said["queries"]) <= expect.queries
    if expect.reply is not None:
        assert (outcome.reply or "").startswith(f"{expect.reply} "), outcome.reply
    else:
        _check_header(scenario, outcome)


def _check_header(scenario: Scenario, outcome: Outcome) -> None:
    expect = scenario.expect
    assert outcome.reply is None
    assert outcome.header is not None
    text = "\n".join(f"{name}:{value}" for name, value in outcome.header)
    assert [each for each in expect.absent if each in text] == [], text
    assert [each for each in expect.kept if each not in text] == [], text
    assert len(outcome.removed) == expect.removed, outcome.removed
    if expect.exempt is not None:
        assert outcome.stamps == []
        return
    [stamp] = outcome.stamps
    assert OURS.match(outcome.header[0][1]), "our field is the topmost"
    assert [each for each in expect.stamped if each not in stamp] == [], stamp
    if expect.disposition is Disposition.QUARANTINE and not expect.held:
        assert outcome.header[1][0].startswith("X-"), "the field of the quarantine is below ours"
