"""What a search came to, in one word, and what that says of each change."""

import pytest

from insideLLMs.compare.blame.answers import FellCount
from insideLLMs.compare.blame.factors import Factor
from insideLLMs.compare.blame.report import judged, state_of_outcome
from insideLLMs.compare.blame.search import Found, SearchOutcome

FACTORS = tuple(Factor(kind="parameter", name=name, change="") for name in "abc")


def cause(*changes):
    some = FellCount(3, 4)
    return Found(changes=changes, p=0.01, fell=some, without=some, calm=some)


@pytest.mark.parametrize(
    ("outcome", "state", "guilt"),
    [
        (SearchOutcome(causes=[cause(1)]), "found", ["did not", "did it", "did not"]),
        (SearchOutcome(causes=[cause(0), cause(0, 2)]), "found", ["did it", "did not", "took part"]),
        (SearchOutcome(causes=[cause(1)], unexplained=1), "found", ["not decided", "did it", "not decided"]),
        (SearchOutcome(causes=[cause(1)], ended=True), "found", ["not decided", "did it", "not decided"]),
        (SearchOutcome(provider=True), "provider", ["did not"] * 3),
        (SearchOutcome(ended=True), "undecided", ["not decided"] * 3),
        (SearchOutcome(), "not_reproduced", ["did not"] * 3),
        (SearchOutcome(unexplained=2, reproduced_p=0.4), "not_reproduced", ["no sign"] * 3),
        (SearchOutcome(unexplained=2, reproduced_p=0.02), "undecided", ["not decided"] * 3),
        (SearchOutcome(unexplained=1), "undecided", ["not decided"] * 3),
        (SearchOutcome(provider_p=0.03), "undecided", ["not decided"] * 3),
        (SearchOutcome(unexplained=3, ended=True, gave_up=True, reproduced_p=1.0), "not_reproduced", ["no sign"] * 3),
    ],
)
def test_nothing_is_cleared_or_decided_before_the_search_has_ended(outcome, state, guilt):
    assert state_of_outcome(outcome) == state
    assert [verdict.guilt for verdict in judged(FACTORS, outcome)] == guilt
