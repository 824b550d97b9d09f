import random

import numpy as np
import pytest
from scipy import stats

from insideLLMs.compare.statistics.labelled_drop import (
    MIN_LABELS,
    Label,
    LabelledItem,
    labelled_drop,
    suffice,
    true_change,
)


def world(source, n, labels, *, rates=(0.8, 0.8), judges=((0.9, 0.9), (0.9, 0.9))):
    """Draw items with the judge's verdict on both sides; of each side `labels` at random have a person's, too."""
    sides = []
    for rate, (sensitivity, specificity) in zip(rates, judges, strict=True):
        person = [source.random() < rate for _ in range(n)]
        judge = [source.random() < (sensitivity if said else 1 - specificity) for said in person]
        known = set(source.sample(range(n), labels))
        sides.append([(judge[at], Label(person[at], judge[at]) if at in known else None) for at in range(n)])
    return [LabelledItem(before, after, ours, theirs) for (before, ours), (after, theirs) in zip(*sides, strict=True)]


def by_numpy(items):
    """Return change and standard error straight from the formulas, side by side as arrays."""
    change, influence, unseen = 0.0, np.zeros(len(items)), 0.0
    for sign, verdicts, labels in (
        (-1, [item.before for item in items], [item.label_before for item in items]),
        (1, [item.after for item in items], [item.label_after for item in items]),
    ):
        judged, known = np.array(verdicts, float), np.array([label is not None for label in labels])
        y = np.array([float(label.person) for label in labels if label])
        j = np.array([float(label.judge) for label in labels if label])
        n = len(y)
        weight = np.clip(np.cov(y, j)[0, 1] / judged.var(), 0, 1) if judged.var() > 0 else 0.0
        change += sign * (y.mean() + weight * (judged.mean() - j.mean()))
        part = weight * (judged - judged.mean())
        part[known] += len(items) / np.sqrt(n * (n - 1)) * ((y - weight * j) - (y - weight * j).mean())
        influence += sign * part
        unseen += 2 * 0.5**2 / (n + 2) ** 2
    return change, np.sqrt((influence**2).sum() / len(items) ** 2 + unseen)


@pytest.mark.parametrize("case", range(20))
def test_change_and_error_are_those_of_the_formulas(case):
    source = random.Random(case)
    items = world(source, source.randint(20, 120), source.randint(3, 20))
    assert true_change(items) == pytest.approx(by_numpy(items), rel=1e-12)


def test_the_interval_is_students_at_the_alpha_given():
    items = world(random.Random(1), 200, 60)
    change, error = by_numpy(items)
    found = labelled_drop("tone", items, alpha=0.025)
    half = stats.t.ppf(0.975, 59) * error
    assert (found.delta, found.low, found.high) == pytest.approx((change, change - half, change + half), rel=1e-9)
    assert (found.level, found.n_baseline, found.n_candidate) == (0.95, 60, 60)


def test_a_judge_that_prefers_the_candidates_style_is_found_out():
    items = world(random.Random(2), 300, 120, rates=(0.9, 0.6), judges=((0.9, 0.9), (0.99, 0.3)))
    found = labelled_drop("tone", items, alpha=0.025)
    assert found.judged > -0.05
    assert found.finding == "dropped"
    assert found.low < -0.3 < found.high < 0.0


def test_a_drop_that_only_the_judge_sees_is_its_taste():
    items = world(random.Random(3), 300, 120, rates=(0.9, 0.9), judges=((0.95, 0.9), (0.6, 0.9)))
    found = labelled_drop("tone", items, alpha=0.025)
    assert found.judged < -0.2
    assert found.finding == "not the judge's drop"


def test_a_judge_that_people_agree_with_is_in_line():
    assert labelled_drop("tone", world(random.Random(4), 300, 60), alpha=0.025).finding == "in line"


def test_a_drop_smaller_than_is_allowed_is_in_line():
    items = world(random.Random(2), 300, 120, rates=(0.9, 0.6), judges=((0.9, 0.9), (0.99, 0.3)))
    assert labelled_drop("tone", items, alpha=0.025, min_effect=0.5).finding == "in line"


def test_a_judge_that_passes_everything_leaves_the_labels_alone_to_speak():
    items = world(random.Random(5), 200, 80, judges=((1.0, 0.0), (1.0, 0.0)))
    ours, theirs = (
        [label.person for label in side if label] for side in zip(*(item[2:] for item in items), strict=True)
    )
    assert true_change(items)[0] == pytest.approx(np.mean(theirs) - np.mean(ours))


def test_labels_that_always_agree_still_leave_an_interval_with_a_width():
    items = [LabelledItem(1.0, 1.0, Label(1, 1), Label(1, 1))] * MIN_LABELS
    found = labelled_drop("tone", items, alpha=0.025)
    assert found.low < 0.0 == found.delta < found.high


@pytest.mark.parametrize(("labels", "enough"), [(MIN_LABELS - 1, False), (MIN_LABELS, True)])
def test_labels_of_both_sides_must_be_enough(labels, enough):
    items = world(random.Random(6), 100, labels)
    assert suffice(items) is enough
    assert (labelled_drop("tone", items, alpha=0.025).delta is not None) is enough
    one_sided = [item._replace(label_after=None) for item in items]
    found = labelled_drop("tone", one_sided, alpha=0.025)
    assert (found.finding, found.low) == ("too few", None)
    assert f"{labels} baseline and 0 candidate answers" in found.message


def test_labels_of_the_same_items_count_as_pairs():
    """Where the same items pass before and after, their differences vary less than those of other items would."""
    source = random.Random(7)
    labels = [Label(source.random() < 0.5, 1) for _ in range(60)]
    paired = [LabelledItem(1.0, 1.0, label, label) for label in labels] + [LabelledItem(1.0, 1.0)] * 60
    apart = [item._replace(label_after=None) for item in paired[:60]]
    apart += [item._replace(label_after=label) for item, label in zip(paired[60:], labels, strict=True)]
    assert true_change(paired)[0] == true_change(apart)[0] == 0.0
    assert true_change(paired)[1] < true_change(apart)[1] / 3
