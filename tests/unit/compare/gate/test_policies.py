"""What each policy fails on, what auto comes to, and how rules share the error rate."""

import math
from typing import get_args

import pytest

from insideLLMs.compare.comparing import CompareOptions, compare_with
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import Confirmed, ConfirmedItem, GateEvidence, NoiseFloor
from insideLLMs.compare.gate.policies import POLICIES, Policy, Rule
from insideLLMs.compare.observations import Watch
from insideLLMs.compare.score_ranges import ScoreRanges, ranges_in_force, share
from insideLLMs.compare.statistics.noise import Disagreement, RunShift
from insideLLMs.compare.statistics.quantities import MeasuredItem, measure
from insideLLMs.core import canonical
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import FailOn, GateSpec, ProbeGateSpec
from insideLLMs.core.record_views import Facts, read_record
from support.compared_runs import decided, record, view


def run(failing=0, n=100, *, probes=("logic",), **given):
    return view(
        [record(f"e{i:03}", probe=probe, passed=i >= failing, **given) for i in range(n) for probe in probes],
        given.pop("label", "run"),
    )


def verdict(baseline, candidate, spec, **evidence):
    options = CompareOptions(ranges=ranges_in_force([baseline, candidate], spec))
    return decided(baseline, candidate, spec, options, **evidence)[1]


@pytest.mark.parametrize(("failing", "state"), [(0, "passed"), (3, "passed"), (20, "failed")])
def test_significant_fails_on_a_drop_that_chance_does_not_explain(failing, state):
    found = verdict(run(), run(failing), GateSpec(fail_on="significant"))
    assert (found.state, found.resolved) == (state, "significant")
    assert found.assessment.overall.n_worse == failing


@pytest.mark.parametrize(
    ("deterministic", "same", "resolved"),
    [
        (False, False, "significant"),
        (False, True, "significant"),
        (True, True, "changes"),
        (True, False, "regressions"),
    ],
)
def test_auto_follows_the_models_and_whether_the_experiment_was_changed(deterministic, same, resolved):
    found = verdict(run(), run(), GateSpec(), scripted=deterministic, same_experiment=same)
    assert (found.policy, found.resolved) == ("auto", resolved)


def test_a_drop_below_the_least_effect_passes():
    found = verdict(run(), run(20), GateSpec(fail_on="significant", min_effect=0.3))
    assert found.state == "passed"
    assert "smaller than the 30.0 points" in found.reasons[0]


def item(probe="logic", p=0.001):
    return ConfirmedItem(
        probe=probe, dataset="d", example_id="e000", model="m", p=p,
        baseline_passes=12, baseline_asked=12, candidate_passes=0, candidate_asked=12,
    )  # fmt: skip


def test_a_confirmed_item_fails_the_gate_where_the_overall_test_sees_nothing():
    confirmed = Confirmed(selected=1, items=(item(),), calls=40)
    for fail_on in ("significant", "confirmed"):
        found = verdict(run(), run(1), GateSpec(fail_on=fail_on), confirmed=confirmed)
        assert found.state == "failed"
    assert "12 of 12 fresh answers" in " ".join(found.reasons)


def test_what_could_not_be_confirmed_is_inconclusive_only_for_the_policy_that_needs_it():
    confirmed = Confirmed(selected=1, unavailable="the endpoint is gone")
    assert verdict(run(), run(1), GateSpec(fail_on="confirmed"), confirmed=confirmed).state == "inconclusive"
    assert verdict(run(), run(1), GateSpec(fail_on="significant"), confirmed=confirmed).state == "passed"


def test_statistical_rules_share_alpha_unless_a_probe_has_its_own():
    spec = GateSpec(
        fail_on="significant",
        probes={
            "b": ProbeGateSpec(min_effect=0.1),
            "c": ProbeGateSpec(alpha=0.01),
            "d": ProbeGateSpec(fail_on="never"),
        },
    )
    both = run(probes=("a", "b", "c", "d"))
    alphas = {rule.scope: rule.assessment.alpha for rule in verdict(both, both, spec).rules if rule.assessment}
    assert alphas == {None: 0.025, "b": 0.025, "c": 0.01}


def test_a_probe_that_never_fails_is_out_of_the_statistics_of_the_rest():
    before, after = (
        run(probes=("good", "bad")),
        view(
            [
                record(f"e{i:03}", probe=probe, passed=probe == "good" or i > 30)
                for i in range(100)
                for probe in ("good", "bad")
            ]
        ),
    )
    assert verdict(before, after, GateSpec(fail_on="significant")).state == "failed"
    spec = GateSpec(fail_on="significant", probes={"bad": ProbeGateSpec(fail_on="never")})
    assert verdict(before, after, spec).state == "passed"


def test_regressions_of_repeats_are_items_that_always_passed_and_always_fail():
    def repeated(passes):
        return view([record(f"e{i}", repeat=k, passed=passes(i, k)) for i in range(10) for k in range(3)])

    flaky = verdict(repeated(lambda i, k: True), repeated(lambda i, k: k > 0), GateSpec(fail_on="regressions"))
    hard = verdict(repeated(lambda i, k: True), repeated(lambda i, k: i > 0), GateSpec(fail_on="regressions"))
    assert (flaky.state, hard.state) == ("passed", "failed")
    assert "1 hard regressions" in hard.reasons[0]
    assert flaky.states.moves["stable_pass"]["flaky"] == 10


def test_regressions_are_shown_beside_what_noise_alone_lets_fall():
    noise = NoiseFloor(runs=("a", "b"), levels={"verdict": Disagreement(n=100, across=0.1)})
    found = verdict(run(), run(2), GateSpec(fail_on="regressions"), noise=noise)
    assert "by noise alone about 5.0 trials fall" in " ".join(found.reasons)


@pytest.mark.parametrize(("odd", "state"), [(27, "passed"), (30, "failed")])
def test_churn_is_held_to_one_percent_whatever_the_gates_alpha(odd, state):
    """Of 60 items where one of three runs differs, 27 are the candidate's with a chance of 4%, 30 with one of 0.4%."""
    first = view([record(f"e{i:03}", text="other" if i >= odd else "same") for i in range(60)], "first")
    second = view([record(f"e{i:03}", text="same") for i in range(60)], "second")
    candidate = view([record(f"e{i:03}", text="other" if i < odd else "same") for i in range(60)], "candidate")
    comparison, observed = compare_with([first, second], [candidate], watch=Watch(churn="normalised"))
    evidence = GateEvidence(observed=observed, baseline_runs=("first", "second"), candidate_runs=("candidate",))
    found = decide(comparison, GateSpec(fail_on="churn", alpha=0.05), evidence)
    assert (found.state, found.rules[0].churn.n_odd, found.rules[0].churn.alpha) == (state, 60, 0.01)


def test_scores_outside_0_to_1_need_a_range_only_where_they_are_read():
    def scored(points):
        return view([record(f"e{i:02}", values={"score": float(points + i % 3)}) for i in range(50)])

    before, after = scored(7), scored(5)
    with pytest.raises(CompareError, match="outside its range 0 to 1"):
        verdict(before, after, GateSpec(fail_on="significant"))
    assert verdict(before, after, GateSpec(fail_on="never")).assessment is None
    found = verdict(before, after, GateSpec(fail_on="significant", score_range=(0, 10)))
    assert found.state == "failed"
    assert round(found.assessment.overall.delta, 6) == -0.2


def test_a_quantity_that_was_not_measured_is_inconclusive():
    spec = GateSpec(fail_on="never", max_growth={"latency_ms": 0.1})
    assert verdict(run(), run(), spec).state == "inconclusive"
    grown = measure([MeasuredItem(baseline=(1.0 + i % 5,), candidate=(2.0 + i % 5,)) for i in range(50)], allowed=0.1)
    found = verdict(run(), run(), spec, quantities={"latency_ms": grown})
    assert found.state == "failed"
    assert found.growth[0].measured_by == "typical"


def test_the_examples_to_look_at_first_are_those_of_the_probe_that_failed():
    def mixed(bad, good):
        trials = [("a", i, i >= good) for i in range(100)] + [("b", i, i >= bad) for i in range(100)]
        return view([record(f"e{i:03}", probe=probe, passed=passed) for probe, i, passed in trials])

    found = verdict(mixed(0, 0), mixed(30, 2), GateSpec(fail_on="significant"))
    assert {trial.probe for trial in found.look_first} == {"b"}
    confirmed = Confirmed(selected=2, items=(item(probe="a"),))
    found = verdict(mixed(0, 0), mixed(30, 2), GateSpec(fail_on="significant"), confirmed=confirmed)
    assert (found.look_first[0].probe, found.look_first[0].example_id) == ("a", "e000")


def test_a_range_of_the_gate_concerns_scores_and_no_verdicts():
    found = verdict(run(), run(20), GateSpec(fail_on="significant", score_range=(10, 0)))
    assert found.state == "failed"
    assert found.assessment.overall.delta == pytest.approx(-0.2)


def test_a_score_that_is_better_when_lower_has_its_best_value_as_the_best_quality():
    ranges = ScoreRanges(declared={"logic": {"distance": (100, 0), "open": (math.inf, 0)}})
    near, far = (read_record(canonical.line(record(values={"distance": at})), Facts) for at in (10.0, 60.0))
    assert (ranges.quality(near), ranges.quality(far)) == (0.9, 0.4)
    assert ranges.gains(near, far, {"distance": 50.0}) == {"distance": -50.0}
    qualities = [share(at, (math.inf, 0)) for at in (0.0, 1.0, 1e6)]
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[0] == 1.0


def test_the_policies_are_those_that_a_setting_may_name():
    assert {*POLICIES, "auto"} == set(get_args(FailOn))
    assert all(name == policy.name for name, policy in POLICIES.items())


def test_a_new_policy_cannot_skip_the_check_on_unanswered_trials(monkeypatch):
    def pass_always(scope, evidence):
        return Rule(scope=scope.name, fail_on="churn", state="passed", reasons=(), trials=scope.trials)

    new = Policy(name="churn", reads=frozenset({"answers"}), is_statistical=False, blames=(), decide=pass_always)
    monkeypatch.setitem(POLICIES, "churn", new)
    silent = view([record(f"e{n}", status="error" if n < 8 else "success") for n in range(10)])
    assert verdict(silent, silent, GateSpec(fail_on="churn")).state == "inconclusive"


@pytest.mark.parametrize(("after", "state"), [((60.0, 70.0), "failed"), ((10.0, 70.0), "passed")])
def test_regressions_of_graded_scores_with_repeats_are_those_of_which_every_repeat_fell(after, state):
    def scored(values):
        return view([record(repeat=n, values={"distance": value}) for n, value in enumerate(values)])

    before, worse = scored((10.0, 20.0)), scored(after)
    assert verdict(before, worse, GateSpec(fail_on="regressions", score_range=(100, 0))).state == state


def churned(candidate, *, first=None, n=60, level="normalised", **given):
    """The verdict on churn of a candidate against two runs of `n` examples."""
    runs = [view([record(f"e{i:03}", **given) for i in range(n)], name) for name in ("first", "second")]
    runs[0] = runs[0] if first is None else view(first, "first")
    comparison, observed = compare_with(runs, [view(candidate, "new")], watch=Watch(churn=level))
    evidence = GateEvidence(observed=observed, baseline_runs=("first", "second"), candidate_runs=("new",))
    return decide(comparison, GateSpec(fail_on="churn", level=level), evidence)


@pytest.mark.parametrize(("n", "state"), [(1, "inconclusive"), (3, "inconclusive"), (4, "passed")])
def test_churn_of_too_few_examples_cannot_fail(n, state):
    assert churned([record(f"e{i:03}") for i in range(n)], n=n).state == state


def test_churn_needs_examples_that_all_three_runs_have():
    same = [record(f"e{i:03}") for i in range(60)]
    found = churned(same, first=[record(f"other{i:03}") for i in range(60)])
    assert found.state == "inconclusive"
    assert "0 examples have an answer in all three runs" in found.reasons[0]


def test_churn_of_verdicts_needs_verdicts():
    unscored = {"values": {}, "text": "said"}
    found = churned([record(f"e{i:03}", **unscored) for i in range(60)], level="verdict", **unscored)
    assert found.state == "inconclusive"


@pytest.mark.parametrize("fail_on", ["confirmed", "churn"])
def test_answers_that_the_candidate_lost_are_not_left_out_in_silence(fail_on):
    lost = [record(f"e{i:03}", status="error" if i < 30 else "success") for i in range(60)]
    if fail_on == "churn":
        found = churned(lost)
    else:
        found = verdict(run(n=60), view(lost), GateSpec(fail_on=fail_on), confirmed=Confirmed(selected=0))
    assert found.state == "inconclusive"
    assert "30 of 60 trials have no answer to compare" in " ".join(found.reasons)


@pytest.mark.parametrize("given", [{"passed": False}, {"values": {"score": 0.5}}])
def test_where_nothing_passed_nothing_can_be_confirmed_as_broken(given):
    same = view([record(f"e{i:03}", **given) for i in range(20)])
    found = verdict(same, same, GateSpec(fail_on="confirmed"), confirmed=Confirmed(selected=0))
    assert found.state == "inconclusive"
    assert "this gate cannot fail" in found.reasons[0]


@pytest.mark.parametrize(("n", "state"), [(2, "inconclusive"), (3, "passed")])
def test_too_few_answers_cannot_drift(n, state):
    def answers(text):
        return view([record(f"e{i}", repeat=k, text=f"{text}{k}") for i in range(n) for k in range(2)], text)

    comparison, observed = compare_with([answers("a")], [answers("a")], watch=Watch(drift="3-gram"))
    evidence = GateEvidence(observed=observed, baseline_runs=("a",), candidate_runs=("b",))
    found = decide(comparison, GateSpec(fail_on="drift"), evidence)
    assert found.state == state
    assert (found.drift.least > 0.05) == (state == "inconclusive")


@pytest.mark.parametrize(("passing", "state"), [(29, "inconclusive"), (30, "passed")])
def test_a_least_effect_above_what_the_baseline_passes_cannot_fail(passing, state):
    same = run(100 - passing)
    found = verdict(same, same, GateSpec(fail_on="significant", min_effect=0.3))
    assert found.state == state
    if state == "inconclusive":
        assert "the baseline is at 29.0 points, and `min_effect` allows a drop of less than 30.0" in found.reasons[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [({"values": {"tone": 0.5}}, {"values": {"facts": 0.5}}), ({"passed": True}, {"values": {"score": 1.0}})],
    ids=["another score", "a score for a verdict"],
)
@pytest.mark.parametrize("settings", [{}, {"accept_missing": True}, {"max_missing": 1.0}])
@pytest.mark.parametrize("fail_on", ["significant", "non-inferior", "regressions"])
def test_two_different_scores_are_not_compared(before, after, settings, fail_on):
    sides = (view([record(f"e{i:03}", **given) for i in range(100)]) for given in (before, after))
    assert verdict(*sides, GateSpec(fail_on=fail_on, **settings)).state == "inconclusive"


def test_answers_that_are_missing_are_no_probe_that_was_removed_on_purpose():
    lost = view([record(f"e{i:03}", status="error" if i % 2 else "success") for i in range(100)])
    spec = GateSpec(fail_on="significant", accept_missing=True)
    found = verdict(run(), lost, spec)
    assert found.state == "inconclusive"
    assert "50 of 100 candidate trials have no score" in found.reasons[0]


@pytest.mark.parametrize("errors_as", ["missing", "fail"])
def test_a_baseline_that_answered_nothing_is_none(errors_as):
    spec = GateSpec(fail_on="non-inferior", errors_as=errors_as)
    found = verdict(run(status="error"), run(), spec)
    assert found.state == "inconclusive"
    assert "the baseline answered none of its 100 trials" in found.reasons


@pytest.mark.parametrize(("ratio", "state"), [(1000.0, "inconclusive"), (10.0, "failed")])
def test_whole_runs_that_differ_more_than_any_candidate_could_are_no_gate(ratio, state):
    """Where an unchanged system's runs spread so far that even total failure is no exception, nothing can fail."""
    floor = NoiseFloor(runs=("a", "b", "c"), levels={}, run_shift=RunShift(runs=3, ratio=ratio, p=0.001, n=100))
    found = verdict(run(10), run(100), GateSpec(fail_on="significant"), noise=floor)
    assert found.state == state
    if state == "inconclusive":
        assert "whole runs of the unchanged system differ so much" in found.reasons[0]
