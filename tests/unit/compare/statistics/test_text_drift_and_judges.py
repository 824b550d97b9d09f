import random
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from insideLLMs.compare.statistics.judges import JudgeQuality, Verdicts, judge_quality, kappa_interval
from insideLLMs.compare.statistics.text_drift import DriftSums

WORDS = ["the", "model", "answers", "in", "plain", "words", "then", "stops", "or", "goes", "on", "with", "more"]


def answers(source, count, words=WORDS):
    return [" ".join(source.choices(words, k=8)) for _ in range(count)]


def text_drift(items, kernel="3-gram"):
    sums = DriftSums(kernel)
    for number, (baseline, candidate) in enumerate(items):
        sums.add(str(number), baseline, candidate)
    return sums.result()


def test_answers_of_another_vocabulary_are_drift():
    source = random.Random(1)
    found = text_drift([(answers(source, 3), answers(source, 3, ["entirely", "different"])) for _ in range(10)])
    assert found.n == 10
    assert found.discrepancy > 0.1
    assert found.p == 0.001


def test_answers_of_one_distribution_alarm_at_the_nominal_rate():
    source = random.Random(2)
    alarms = sum(text_drift([(answers(source, 3), answers(source, 2)) for _ in range(6)]).p <= 0.05 for _ in range(150))
    assert alarms / 150 < 0.1


def test_identical_answers_are_no_drift():
    assert text_drift([(["yes", "yes"], ["yes", "yes"])] * 5).p == 1.0


@pytest.mark.parametrize("kernel", ["3-gram", "hamming"])
def test_p_is_that_of_random_relabellings_within_items(kernel):
    """Recomputed from the definition, with numpy, for one item of 2 + 3 answers: every labelling is known."""
    before, after = ["the cat sat", "a cat sat"], ["dogs run", "the dogs run", "dogs ran"]
    answers = [*before, *after]
    grams = [Counter(f"\x02{text}\x03"[at : at + 3] for at in range(len(text))) for text in answers]
    names = sorted(set().union(*grams))
    vectors = np.array([[gram[name] for name in names] for gram in grams], dtype=float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    padded = [text.ljust(12, "\0") for text in answers]
    places = [[np.mean([a == b for a, b in zip(one, two, strict=True)]) for two in padded] for one in padded]
    closeness = {"3-gram": vectors @ vectors.T, "hamming": np.array(places)}[kernel]

    def squared(chosen):
        rest = [at for at in range(5) if at not in chosen]
        inner = [np.mean([closeness[i, j] for i in part for j in part if i != j]) for part in (chosen, rest)]
        return sum(inner) - 2 * closeness[np.ix_(chosen, rest)].mean()

    truth = [squared(list(chosen)) for chosen in combinations(range(5), 3)]
    share = np.mean([value >= squared([2, 3, 4]) - 1e-9 for value in truth])
    found = text_drift([(before, after)], kernel=kernel)
    assert found.discrepancy == pytest.approx(squared([2, 3, 4]), abs=1e-8)
    assert found.p == pytest.approx(share, abs=0.05)


def test_neither_the_order_of_items_nor_the_side_moves_p():
    source = random.Random(3)
    items = [(str(n), answers(source, 3), answers(source, 2)) for n in range(8)]
    results = []
    for order, swapped in ((1, False), (-1, False), (1, True)):
        sums = DriftSums(seed="s")
        for name, before, after in items[::order]:
            sums.add(name, *((after, before) if swapped else (before, after)))
        results.append(sums.result())
    assert results[0] == results[1] == results[2]


def test_sums_of_parts_are_those_of_the_whole():
    source = random.Random(4)
    items = [(str(n), answers(source, 2), answers(source, 2)) for n in range(9)]
    whole, one, two = DriftSums(), DriftSums(), DriftSums()
    for number, item in enumerate(items):
        whole.add(*item)
        (one if number % 2 else two).add(*item)
    one.include(two)
    assert one.result() == whole.result()


def test_no_item_with_two_answers_a_side_is_no_evidence():
    found = text_drift([(["yes"], ["no", "no"])])
    assert (found.n, found.p) == (0, 1.0)


def test_empty_answers_can_be_compared():
    assert text_drift([(["", ""], ["words", "words"])] * 8).p < 0.01


def labelled(both, person, judge, neither):
    """Examples of one trial each."""
    return dict(zip((Verdicts(both=1), Verdicts(person=1), Verdicts(judge=1), Verdicts(neither=1)),
                    (both, person, judge, neither), strict=True))  # fmt: skip


def test_a_judge_is_measured_against_human_labels():
    found = judge_quality(labelled(40, 10, 5, 45))
    assert (found.n, found.sensitivity, found.specificity) == (100, 0.8, 0.9)
    assert found.kappa == pytest.approx(cohens_kappa([[40, 10], [5, 45]], return_results=False))
    assert found.attenuation == pytest.approx(0.7)
    assert found.correct(0.45) == pytest.approx(0.5)


def test_a_judge_no_better_than_chance_corrects_nothing():
    found = judge_quality(labelled(20, 20, 20, 20))
    assert found.kappa == 0
    assert found.attenuation is None
    assert found.correct(0.5) is None


def test_one_sided_labels_measure_one_side():
    assert judge_quality({}) == JudgeQuality(n=0, sensitivity=None, specificity=None, kappa=None)
    assert judge_quality(labelled(60, 0, 0, 0)) == JudgeQuality(n=60, sensitivity=1.0, specificity=None, kappa=None)
    assert kappa_interval(labelled(60, 0, 0, 0)) is None
    assert kappa_interval(labelled(30, 0, 0, 30)) is None


@pytest.mark.parametrize("table", [(40, 10, 5, 45), (80, 4, 6, 30), (30, 22, 18, 30)])
def test_the_interval_of_kappa_is_near_the_asymptotic_one(table):
    low, high = kappa_interval(labelled(*table))
    oracle = cohens_kappa([[table[0], table[1]], [table[2], table[3]]])
    assert (low, high) == pytest.approx((oracle.kappa_low, oracle.kappa_upp), abs=0.02)


def test_repeats_of_an_example_do_not_narrow_the_interval():
    once = labelled(40, 10, 5, 45)
    five = {Verdicts(*(5 * part for part in one)): count for one, count in once.items()}
    assert kappa_interval(five) == pytest.approx(kappa_interval(once))


def test_the_interval_of_kappa_covers_the_truth_as_often_as_it_says():
    source = random.Random(3)
    kinds = [Verdicts(both=1), Verdicts(person=1), Verdicts(judge=1), Verdicts(neither=1)]
    shares = (0.45, 0.1, 0.1, 0.35)
    truth = Verdicts(45, 10, 10, 35).kappa
    hits = 0
    for _ in range(400):
        drawn = source.choices(kinds, shares, k=60)
        low, high = kappa_interval({kind: drawn.count(kind) for kind in kinds})
        hits += low <= truth <= high
    assert 0.92 <= hits / 400 <= 0.98
