"""A run by itself: which conditions hold, by the estimate or by the bound of its interval."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from insideLLMs.compare.one_run.conditions import decide_figures
from insideLLMs.compare.one_run.figures import RunFigures
from insideLLMs.compare.score_ranges import ScoreRanges
from insideLLMs.core import canonical
from insideLLMs.core.gate_spec import GateSpec, ProbeGateSpec
from insideLLMs.core.record_views import GatedRecord, read_record
from insideLLMs.core.types import AskedBy
from support.compared_runs import record

DISTANCE = ScoreRanges(declared={"logic": {"distance": (10.0, 0.0), "share": (0.0, 1.0)}})


def verdict(records, ranges=DISTANCE, **spec):
    gate = GateSpec(**spec)
    readings = {
        "characters": lambda one, _: None if one.response is None else float(len(one.response.text)),
        "output_tokens": lambda one, _: None,
    }
    figures = RunFigures(gate, ranges, readings)
    for one in sorted(records, key=lambda item: item.sort_key):
        figures.add(read_record(canonical.line(one), GatedRecord), None)
    return decide_figures(figures.close(), gate, {})


def some(passing, failing, **given):
    return [record(f"e{n:03}", passed=n < passing, **given) for n in range(passing + failing)]


def states(found):
    return {one.setting: one.state for one in found.conditions}


@pytest.mark.parametrize(("wanted", "state"), [(0.8, "passed"), (0.81, "failed"), (1.0, "failed"), (0.1, "passed")])
def test_a_pass_rate_is_met_at_its_limit(wanted, state):
    found = verdict(some(8, 2), min_pass_rate=wanted)
    assert (found.state, found.exit_code) == (state, {"passed": 0, "failed": 3}[state])


@pytest.mark.parametrize("status", ["error", "timeout", "rate_limited"])
def test_what_has_no_answer_has_not_passed(status):
    lost = [record(f"x{n}", status=status) for n in range(10)]
    (condition,) = verdict([*some(10, 0), *lost], min_pass_rate=0.5).conditions
    assert (condition.value, condition.state) == (0.5, "passed")
    assert verdict([*some(10, 0), *lost], min_pass_rate=0.51).state == "failed"


def test_what_was_not_asked_leaves_the_rate_open_unless_it_is_too_low_already():
    left = [record(f"x{n}", status="skipped") for n in range(10)]
    assert verdict([*some(10, 0), *left], min_pass_rate=0.9).state == "inconclusive"
    assert verdict([*some(5, 5), *left], min_pass_rate=0.9).state == "failed"
    assert verdict([*some(10, 0), *left], min_pass_rate=0.9, max_missing=0.5).state == "passed"


def test_a_strong_model_hides_no_weak_one_and_a_strong_prompt_neither():
    both = [*some(10, 0, model="strong"), *some(2, 8, model="weak")]
    found = verdict(both, min_pass_rate=0.5)
    assert found.state == "failed"
    assert {one.model: one.state for one in found.conditions} == {"strong": "passed", "weak": "failed"}
    assert {one.model for one in found.look_first} == {"weak"}


@pytest.mark.parametrize(
    ("score", "values", "limit", "state"),
    [
        ("share", [0.5, 0.7], 0.6, "passed"),
        ("share", [0.5, 0.7], 0.61, "failed"),
        ("distance", [2.0, 4.0], 3.0, "passed"),
        ("distance", [2.0, 4.0], 2.9, "failed"),
    ],
)
def test_a_score_is_at_least_this_good_whichever_way_is_better(score, values, limit, state):
    records = [record(f"e{n}", values={score: value}) for n, value in enumerate(values)]
    found = verdict(records, min_score={score: limit})
    assert found.state == state
    if state == "failed":
        assert found.look_first[0].example_id == ("e0" if score == "share" else "e1")


def test_with_certain_the_bound_on_the_worse_side_counts():
    values = [2.0, 3.0, 4.0] * 4
    records = [record(f"e{n:02}", values={"distance": value}) for n, value in enumerate(values)]
    (low,) = verdict(records, min_score={"distance": 3.2}).conditions
    (high,) = verdict(records, min_score={"distance": 3.2}, certain=True).conditions
    assert (low.state, high.state) == ("passed", "failed")
    assert high.held == pytest.approx(stats.t.interval(0.95, 11, 3.0, stats.sem(values))[1])


def test_equal_scores_are_certain_only_as_far_as_their_number_goes():
    few, many = ([record(f"e{n:03}", values={"share": 1.0}) for n in range(count)] for count in (5, 200))
    assert verdict(few, min_score={"share": 0.9}, certain=True).state == "failed"
    assert verdict(many, min_score={"share": 0.9}, certain=True).state == "passed"


@pytest.mark.parametrize(
    ("limit", "state"),
    [("mean", 50.5), ("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99), ("max", 100), ("total", 5050)],
)
def test_a_statistic_is_that_of_the_values(limit, state):
    records = [record(f"e{n:03}", text="x" * (n + 1)) for n in range(100)]
    (condition,) = verdict(records, max={f"characters.{limit}": state}).conditions
    assert (condition.value, condition.state) == (pytest.approx(state), "passed")
    assert verdict(records, max={f"characters.{limit}": state - 0.1}).state == "failed"


@pytest.mark.parametrize(("n", "has_bound"), [(71, False), (72, True)])
def test_a_quantile_has_an_upper_bound_where_an_order_statistic_is_one(n, has_bound):
    records = [record(f"e{number:03}", text="x" * (number + 1)) for number in range(n)]
    (condition,) = verdict(records, max={"characters.p95": 10_000}, certain=True).conditions
    assert condition.state == ("passed" if has_bound else "inconclusive")  # 0.95 ** 72 < 0.025 < 0.95 ** 71
    assert condition.high == (72.0 if has_bound else None)


def test_what_was_not_measured_is_never_met():
    found = verdict(some(2, 0), max={"output_tokens.mean": 5})
    assert (found.state, found.exit_code) == ("inconclusive", 4)
    mixed = [*some(8, 0), *(record(f"x{n}", status="error") for n in range(2))]
    assert verdict(mixed, max={"characters.max": 10}).state == "inconclusive"
    assert verdict(mixed, max={"characters.max": 1}).state == "failed"
    assert verdict(mixed, max={"characters.max": 10}, max_missing=0.2).state == "passed"


def shared(example_id, asker):
    given = record(example_id, probe="usage", text="xxxx", response=None)
    return type(given)(**{name: getattr(given, name) for name in given.__struct_fields__ if name != "shared_with"},
                       shared_with=AskedBy(probe=asker))  # fmt: skip


def test_an_answer_that_several_probes_share_counts_once_and_in_the_scope_that_bounds_it():
    records = [record(f"e{n}", text="xxxx") for n in range(3)] + [shared(f"e{n}", "logic") for n in range(3)]
    (condition,) = verdict(records, max={"characters.total": 12}).conditions
    assert (condition.n, condition.value) == (3, 12.0)
    own = {"usage": ProbeGateSpec(max={"characters.total": 11})}
    found = verdict(records, max={"characters.total": 12}, probes=own)
    assert {(one.probe, one.value, one.state) for one in found.conditions} == {
        (None, 12.0, "passed"),
        ("usage", 12.0, "failed"),
    }
    assert len(verdict(records, max={"characters.total": 12}, probes={"logic": ProbeGateSpec(max={})}).conditions) == 1


def test_an_advisory_condition_never_changes_the_state():
    found = verdict(some(1, 9), min_pass_rate=0.9, severity="advisory")
    assert (found.state, found.exit_code) == ("passed", 0)
    assert found.reasons[0].startswith("advisory, not counted")


@settings(max_examples=40)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 5), st.floats(0, 1))
def test_certain_is_never_greener_and_failing_trials_never_help(passing, failing, lost, wanted):
    records = [*some(passing, failing), *(record(f"x{n}", status="error") for n in range(lost))]
    if not records:
        return
    rank = ("passed", "inconclusive", "failed")
    plain = verdict(records, min_pass_rate=wanted)
    assert rank.index(verdict(records, min_pass_rate=wanted, certain=True).state) >= rank.index(plain.state)
    worse = verdict([*records, record("y", passed=False)], min_pass_rate=wanted)
    assert rank.index(worse.state) >= rank.index(plain.state)
