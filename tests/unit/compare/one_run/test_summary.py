"""summary.json from records: counts, denominators, intervals."""

import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from insideLLMs.compare.one_run.summary import summarise
from insideLLMs.core import canonical
from insideLLMs.core.types import Example, Record, Response, ResultStatus, Scores, Usage


def line(example, passed, *, repeat=0, status=ResultStatus.SUCCESS, score=None, agrees=None):
    answered = status is ResultStatus.SUCCESS
    values = {"correct": float(bool(passed))} if score is None else {"f1": score}
    values |= {} if agrees is None else {"agrees": float(agrees)}
    return canonical.line(
        Record(
            probe="p",
            dataset="d",
            example_id=example,
            model="m",
            repeat=repeat,
            key="0" * 64,
            example_digest="0" * 64,
            example=Example(id=example, input="?"),
            status=status,
            response=Response(text="x", usage=Usage(input_tokens=3, output_tokens=2)) if answered else None,
            scores=Scores(values=values, passed=passed) if answered else None,
        )
    )


def test_failures_stay_out_of_the_rate_and_are_counted_beside_it():
    lines = [line(f"{i:02}", i < 6) for i in range(8)] + [line("90", None, status=ResultStatus.TIMEOUT)]
    (result,) = summarise(lines, run_id="r").results
    assert (result.trials, result.scored, result.passed) == (9, 8, 6)
    assert result.statuses["timeout"] == 1
    assert (result.pass_rate.value, result.pass_rate.n) == (0.75, 8)
    low, high = proportion_confint(6, 8, method="wilson")
    assert (result.pass_rate.low, result.pass_rate.high) == pytest.approx((low, high), abs=1e-9)
    assert result.usage == Usage(input_tokens=24, output_tokens=16)


def test_the_sample_is_the_examples_not_the_repeats():
    lines = [line(f"{i:02}", i < 5, repeat=r) for i in range(10) for r in range(20)]
    (result,) = summarise(lines, run_id="r").results
    assert (result.trials, result.examples, result.pass_rate.n) == (200, 10, 10)
    low, high = proportion_confint(5, 10, method="wilson")
    assert (result.pass_rate.low, result.pass_rate.high) == pytest.approx((low, high), abs=1e-9)


def test_a_mean_has_students_interval():
    scores = [0.1, 0.4, 0.35, 0.8, 0.55]
    (result,) = summarise([line(str(i), None, score=s) for i, s in enumerate(scores)], run_id="r").results
    low, high = stats.t.interval(0.95, 4, loc=sum(scores) / 5, scale=stats.sem(scores))
    assert (result.scores["f1"].low, result.scores["f1"].high) == pytest.approx((low, high), abs=1e-9)
    assert result.pass_rate is None


@pytest.mark.parametrize("scores", [[0.5], [0.5, 0.5, 0.5]])
def test_no_interval_is_claimed_where_none_can_be_had(scores):
    (result,) = summarise([line(str(i), None, score=s) for i, s in enumerate(scores)], run_id="r").results
    assert (result.scores["f1"].value, result.scores["f1"].low, result.scores["f1"].high) == (0.5, None, None)


@pytest.mark.parametrize(("passed", "limits"), [(False, 0.0), (True, 1.0)])
def test_a_rate_of_none_or_all_reaches_its_limit_and_is_never_certain(passed, limits):
    (result,) = summarise([line(f"{i:02}", passed) for i in range(20)], run_id="r").results
    assert limits in (result.pass_rate.low, result.pass_rate.high)
    assert result.pass_rate.high - result.pass_rate.low > 0.1


def test_a_run_without_records_sums_to_nothing():
    summary = summarise([], run_id="r")
    assert (summary.trials, summary.results) == (0, ())


def judged(both, person, judge, neither, *, repeats=1):
    """Lines of a judge's verdicts: so many of each kind, in the order of Verdicts."""
    kinds = [(True, True)] * both + [(False, False)] * person + [(True, False)] * judge + [(False, True)] * neither
    return [
        line(f"{number:03}", passed, repeat=repeat, agrees=agrees)
        for number, (passed, agrees) in enumerate(kinds)
        for repeat in range(repeats)
    ]


def test_a_judges_agreement_with_labels_is_summed_up():
    (result,) = summarise(judged(40, 10, 5, 45), run_id="r").results
    found = result.agreement
    assert (found.n, found.accuracy.value) == (100, 0.85)
    assert (found.sensitivity.value, found.sensitivity.n) == (0.8, 50)
    assert (found.specificity.value, found.specificity.n) == (0.9, 50)
    assert found.kappa.value == pytest.approx(0.7)
    assert found.kappa.low < 0.7 < found.kappa.high
    assert found.corrected_pass_rate == pytest.approx(0.5)
    low, high = proportion_confint(40, 50, method="wilson")
    assert (found.sensitivity.low, found.sensitivity.high) == pytest.approx((low, high), abs=1e-9)


def test_agreement_takes_the_examples_as_the_sample():
    once, thrice = (summarise(judged(20, 5, 5, 20, repeats=n), run_id="r").results[0].agreement for n in (1, 3))
    assert once == thrice


def test_what_has_no_labels_has_no_agreement_in_its_file():
    assert b"agreement" not in canonical.pretty(summarise([line("1", passed=True)], run_id="r"))


def test_only_labelled_examples_count_for_agreement_and_all_for_the_rate():
    (result,) = summarise([*judged(10, 0, 0, 10), *(line(f"x{i}", passed=True) for i in range(5))], run_id="r").results
    assert (result.agreement.n, result.scored) == (20, 25)
    assert result.agreement.corrected_pass_rate == pytest.approx(0.6)


def test_labels_of_one_kind_leave_out_what_they_cannot_tell():
    found = summarise(judged(20, 0, 0, 0), run_id="r").results[0].agreement
    assert (found.accuracy.value, found.kappa, found.specificity) == (1.0, None, None)
