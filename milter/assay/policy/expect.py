"""Runs the ``[[expect]]`` tables of the policy files through the same engine as mail."""

from collections.abc import Iterator

from assay.errors import Problem
from assay.policy.engine import decide_by
from assay.policy.expectation import DEFAULT_AUTHOR
from assay.policy.model import Decision
from assay.policy.policies import PlacedExpectation, Policies
from assay.tomlfile import shown
from assay.trace import Trace


def run_expectations(policies: Policies) -> tuple[Problem, ...]:
    """Return a problem for each expectation that does not come true; empty if all do."""
    return tuple(_misses(policies))


def _misses(policies: Policies) -> Iterator[Problem]:
    for placed in policies.expectations:
        wanted = placed.expectation
        decision = _decide(placed, policies)
        if decision.would is not wanted.disposition or decision.rule != wanted.rule:
            yield Problem(
                place=f"{shown(placed.file)}: expect #{placed.index + 1}",
                text=(
                    f"expected {wanted.disposition} by the rule {wanted.rule}, "
                    f"but it is {decision.would} by the rule {decision.rule}: {decision.reason}"
                ),
            )


def _decide(placed: PlacedExpectation, policies: Policies) -> Decision:
    """Judge by the policy that the file governs; what is compared is ``would``, the same in either mode."""
    wanted = placed.expectation
    author = wanted.author or placed.domain or DEFAULT_AUTHOR
    # An expectation of default.toml tests the default, even where another file governs its author domain.
    policy = policies.default if placed.domain is None else policies.for_author(author)
    return decide_by(wanted.case(author), policy, Trace())
