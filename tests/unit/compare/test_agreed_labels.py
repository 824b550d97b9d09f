"""What people agree on, and how far, held against published examples and another library."""

from collections import Counter

import pytest
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from insideLLMs.compare.agreed_labels import agreed_labels, people_agreement, random_verdicts
from insideLLMs.compare.statistics.krippendorff import alpha_interval, krippendorff_alpha
from support.people import label

ANSWER = "a" * 64


def agreed(**said):
    (found,) = agreed_labels(label(by=by, verdict=verdict) for by, verdict in said.items()).values()
    return found


@pytest.mark.parametrize(
    ("said", "passed", "is_disputed"),
    [
        ({"ann": "pass"}, True, False),
        ({"ann": "pass", "bob": "pass", "cy": "fail"}, True, True),
        ({"ann": "pass", "bob": "fail"}, None, True),
        ({"ann": "fail", "bob": "skip"}, False, False),
        ({"ann": "skip", "bob": "skip"}, None, False),
    ],
)
def test_most_people_decide_and_a_skip_is_no_vote(said, passed, is_disputed):
    found = agreed(**said)
    assert (found.passed, found.is_disputed) == (passed, is_disputed)


def test_who_decides_a_dispute_outweighs_a_majority_until_it_is_taken_back():
    votes = [label(by=by, verdict=verdict) for by, verdict in (("ann", "pass"), ("bob", "pass"), ("cy", "fail"))]
    decision = label(by="ann", verdict="fail", drawn="disputed", at="2026-02-01T00:00:00.000000Z")
    (found,) = agreed_labels([*votes, decision]).values()
    assert (found.passed, found.is_disputed, len(found.verdicts)) == (False, False, 3)
    taken_back = label(by="ann", verdict="open", drawn="disputed", at="2026-03-01T00:00:00.000000Z")
    (found,) = agreed_labels([*votes, decision, taken_back]).values()
    assert (found.passed, found.is_disputed) == (True, True)


def test_what_was_taken_back_is_no_label():
    assert agreed_labels([label(), label(verdict="open", at="2026-02-01T00:00:00.000000Z")]) == {}


def test_only_answers_drawn_at_random_stand_for_all():
    drawn = {kind: f"{number:064x}" for number, kind in enumerate(("random", "failed", "disagree"))}
    found = agreed_labels(label(answer, drawn=kind) for kind, answer in drawn.items())
    assert list(random_verdicts(found)) == [drawn["random"]]
    again = agreed_labels(
        [label(ANSWER), label(ANSWER, verdict="fail", drawn="failed", at="2026-02-01T00:00:00.000000Z")]
    )
    assert random_verdicts(again) == {ANSWER: False}


def people(table):
    """Make labels of a table: a row per answer, a column per person, None where one did not label it."""
    return [
        label(f"{number:064x}", f"p{person}", "pass" if passed else "fail")
        for number, row in enumerate(table)
        for person, passed in enumerate(row)
        if passed is not None
    ]


def test_two_people_agree_as_another_library_says():
    table = [(1, 1)] * 40 + [(1, 0)] * 10 + [(0, 1)] * 5 + [(0, 0)] * 45 + [(1, None)] * 7
    found = people_agreement(agreed_labels(people(table)))
    (pair,) = found.pairs
    oracle = cohens_kappa([[40, 10], [5, 45]])
    assert (pair.same.value, pair.same.n) == (0.85, 100)
    assert pair.kappa.value == pytest.approx(oracle.kappa)
    assert (pair.kappa.low, pair.kappa.high) == pytest.approx((oracle.kappa_low, oracle.kappa_upp), abs=0.02)
    assert (found.same.value, found.same.n, found.alpha.n) == (0.85, 100, 100)  # one label is no agreement
    assert found.people == {"p0": 107, "p1": 100}
    assert len(found.disputed) == 15


def test_alpha_is_that_of_the_published_examples():
    one, other = "0100000010", "1110010000"  # Krippendorff 2011, section A
    units = Counter(tuple((a + b).count(value) for value in "01") for a, b in zip(one, other, strict=True))
    assert krippendorff_alpha(units) == pytest.approx(0.095, abs=0.0005)
    observers = ("123321412***", "1233224125*3", "*3332342251*", "12332441251*")  # section C; the star is missing
    units = Counter(
        tuple(column.count(value) for value in "12345") for column in map("".join, zip(*observers, strict=True))
    )
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=0.0005)


def test_alpha_approaches_fleiss_kappa_for_many_answers_that_all_label():
    units = {(3, 0): 400, (2, 1): 100, (1, 2): 60, (0, 3): 440}
    table = [ratings for ratings, count in units.items() for _ in range(count)]
    assert krippendorff_alpha(units) == pytest.approx(fleiss_kappa(table), abs=0.001)
    low, high = alpha_interval(units)
    assert low < krippendorff_alpha(units) < high
    assert high - low < 0.1


@pytest.mark.parametrize("units", [{}, {(1, 0): 9}, {(2, 0): 9}, {(0, 3): 4}])
def test_alpha_is_undefined_where_only_one_verdict_was_given(units):
    assert krippendorff_alpha(units) is None
    assert alpha_interval(units) is None


def test_the_figures_depend_on_no_order():
    labels = people([(1, 1, 0), (0, None, 0), (1, 0, 1), (0, 0, 0)])
    figures = {str(people_agreement(agreed_labels(labels[::step]))) for step in (1, -1)}
    assert len(figures) == 1
