import random

import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from insideLLMs.compare.statistics.judges import JudgeQuality, judge_quality
from insideLLMs.compare.statistics.text_drift import text_drift

WORDS = ["the", "model", "answers", "in", "plain", "words", "then", "stops", "or", "goes", "on", "with", "more"]


def answers(source, count, words=WORDS):
    return [" ".join(source.choices(words, k=8)) for _ in range(count)]


def test_answers_of_another_vocabulary_are_drift():
    source = random.Random(1)
    found = text_drift([(answers(source, 3), answers(source, 3, ["entirely", "different"])) for _ in range(10)])
    assert found.n == 10
    assert found.discrepancy > 0.1
    assert found.p < 0.001


def test_answers_of_one_distribution_alarm_at_the_nominal_rate():
    source = random.Random(2)
    alarms = sum(text_drift([(answers(source, 3), answers(source, 2)) for _ in range(6)]).p <= 0.05 for _ in range(150))
    assert alarms / 150 < 0.1


def test_identical_answers_are_no_drift():
    assert text_drift([(["yes", "yes"], ["yes", "yes"])] * 5).p == 1.0


def test_no_item_with_two_answers_a_side_is_no_evidence():
    found = text_drift([(["yes"], ["no", "no"])])
    assert (found.n, found.p) == (0, 1.0)


def test_empty_answers_can_be_compared():
    assert text_drift([(["", ""], ["words", "words"])] * 8).p < 0.01


def test_a_judge_is_measured_against_human_labels():
    pairs = [(True, True)] * 40 + [(True, False)] * 10 + [(False, False)] * 45 + [(False, True)] * 5
    found = judge_quality(pairs)
    assert (found.sensitivity, found.specificity) == (0.8, 0.9)
    assert found.kappa == pytest.approx(cohens_kappa([[40, 10], [5, 45]], return_results=False))
    assert found.is_reliable
    assert found.attenuation == pytest.approx(0.7)
    assert found.correct(0.45) == pytest.approx(0.5)


def test_a_judge_no_better_than_chance_corrects_nothing():
    found = judge_quality([(True, True), (True, False), (False, True), (False, False)] * 20)
    assert not found.is_reliable
    assert found.attenuation is None
    assert found.correct(0.5) is None


def test_too_few_or_one_sided_labels_are_not_reliable():
    assert judge_quality([]) == JudgeQuality(n=0, sensitivity=None, specificity=None, kappa=None)
    assert judge_quality([(True, True)] * 60).specificity is None
    assert not judge_quality([(True, True), (False, False)] * 20).is_reliable
