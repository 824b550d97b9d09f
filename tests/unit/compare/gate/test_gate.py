"""The gate passes, fails or refuses to decide, and says why."""

import pytest

from insideLLMs.compare.comparing import CompareOptions
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec, ProbeGateSpec
from insideLLMs.core.types import Response, ToolCall
from support.compared_runs import decided, record, view

GOOD = [record(f"e{n:02}") for n in range(20)]


def verdict(before, after, **spec):
    return decided(view(before), view(after), GateSpec(**spec))[1]


def with_change(count, **change):
    return [record(f"e{n:02}", **(change if n < count else {})) for n in range(20)]


def test_identical_runs_pass_every_policy():
    for fail_on in ("never", "changes", "regressions"):
        found = verdict(GOOD, GOOD, fail_on=fail_on)
        assert (found.state, found.exit_code) == ("passed", 0)


def test_a_regression_fails_the_gate_and_is_named():
    found = verdict(GOOD, with_change(1, passed=False), fail_on="regressions")
    assert (found.state, found.exit_code) == ("failed", 3)
    assert "1 regressed" in found.reasons[0]
    assert [trial.example_id for trial in found.look_first] == ["e00"]


def test_a_newly_failing_trial_counts_as_a_regression():
    assert verdict(GOOD, with_change(1, status="timeout"), fail_on="regressions").state == "failed"


@pytest.mark.parametrize(("tolerance", "state"), [(0, "failed"), (2, "failed"), (3, "passed")])
def test_the_tolerance_is_how_many_may_count(tolerance, state):
    assert verdict(GOOD, with_change(3, passed=False), fail_on="regressions", tolerance=tolerance).state == state


def test_a_changed_text_fails_only_the_policy_of_changes():
    after = with_change(1, text="other")
    assert verdict(GOOD, after, fail_on="changes").state == "failed"
    assert verdict(GOOD, after, fail_on="regressions").state == "passed"


def test_an_equivalent_text_is_no_change():
    assert verdict(GOOD, with_change(1, text="yes "), fail_on="changes").state == "passed"


def test_the_policy_never_passes_whatever_changed():
    found = verdict(GOOD, with_change(20, passed=False), fail_on="never")
    assert (found.state, found.exit_code) == ("passed", 0)


def test_a_probe_with_a_rule_of_its_own_is_judged_by_it_alone():
    before = [record(f"e{n}", probe=probe) for n in range(5) for probe in ("a", "b")]
    after = [record(f"e{n}", probe=probe, passed=probe == "a" or n > 0) for n in range(5) for probe in ("a", "b")]
    assert verdict(before, after, fail_on="regressions").state == "failed"
    lenient = {"b": ProbeGateSpec(fail_on="regressions", tolerance=1)}
    assert verdict(before, after, fail_on="regressions", probes=lenient).state == "passed"
    strict = {"b": ProbeGateSpec(fail_on="regressions")}
    found = verdict(before, after, fail_on="never", probes=strict)
    assert found.state == "failed"
    assert "probe 'b'" in found.reasons[0]


def test_a_rule_for_an_unknown_probe_is_an_error():
    with pytest.raises(CompareError, match="nonesuch"):
        verdict(GOOD, GOOD, fail_on="changes", probes={"nonesuch": ProbeGateSpec()})


@pytest.mark.parametrize("fail_on", ["never", "changes", "regressions"])
def test_nothing_in_common_is_inconclusive(fail_on):
    found = verdict(GOOD, [record("other")], fail_on=fail_on)
    assert (found.state, found.exit_code) == ("inconclusive", 4)


def test_a_candidate_that_answered_nothing_fails_whatever_is_tolerated():
    found = verdict(GOOD, with_change(20, status="error"), fail_on="regressions", tolerance=100)
    assert found.state == "failed"
    assert "answered none of its 20" in found.reasons[0]


def test_a_candidate_that_skipped_much_is_inconclusive_not_green():
    found = verdict(GOOD, with_change(2, status="skipped"), fail_on="regressions")
    assert (found.state, found.exit_code) == ("inconclusive", 4)


def test_a_baseline_that_answered_nothing_fails_or_is_inconclusive_but_never_passes():
    before = [record(f"e{n:02}", status="error") for n in range(20)]
    assert verdict(before, before, fail_on="regressions").state == "failed"


def test_only_edited_examples_are_nothing_to_judge():
    after = [record(f"e{n:02}", prompt="other") for n in range(20)]
    assert verdict(GOOD, after, fail_on="changes").state == "inconclusive"


def test_removed_and_new_examples_are_listed_and_not_counted():
    found = verdict(GOOD, [*GOOD[1:], record("zz")], fail_on="changes")
    assert found.state == "passed"
    assert "listed, not counted: 1 removed, 1 new" in found.reasons


def test_garbage_in_place_of_every_answer_fails_the_gate():
    after = [record(f"e{n:02}", text="\x00garbage", passed=False) for n in range(20)]
    assert verdict(GOOD, after, fail_on="regressions").exit_code == 3


def test_nothing_can_regress_where_the_baseline_passes_nothing():
    before = [record(f"e{n:02}", passed=False, text="no") for n in range(20)]
    found = verdict(before, before, fail_on="regressions")
    assert (found.state, found.exit_code) == ("inconclusive", 4)
    assert "none of 20 trials can get worse, as none passes in the baseline" in found.reasons[0]
    assert "--fail-on changes" in found.reasons[0]
    assert verdict(before, before, fail_on="changes").state == "passed"
    assert verdict(before, before, fail_on="never").state == "passed"


@pytest.mark.parametrize("passing", [1, 20])
@pytest.mark.parametrize("repeats", [1, 2])
def test_a_candidate_that_passes_what_no_baseline_did_is_better(passing, repeats):
    before = [record(f"e{n:02}", passed=False, text="no", repeat=r) for n in range(20) for r in range(repeats)]
    after = [record(f"e{n:02}", passed=n < passing, repeat=r) for n in range(20) for r in range(repeats)]
    assert verdict(before, after, fail_on="regressions").state == "passed"


@pytest.mark.parametrize(("worst", "state"), [(0.0, "inconclusive"), (0.1, "passed")])
@pytest.mark.parametrize("repeats", [1, 2])
def test_graded_scores_that_are_the_worst_already_cannot_fall(worst, state, repeats):
    runs = [record(f"e{n:02}", values={"score": worst}, repeat=r) for n in range(20) for r in range(repeats)]
    assert verdict(runs, runs, fail_on="regressions").state == state


def test_of_several_scores_one_that_could_fall_is_enough():
    runs = [record(f"e{n:02}", values={"tone": 0.0, "facts": 0.5}) for n in range(20)]
    assert verdict(runs, runs, fail_on="regressions").state == "passed"


def test_no_repeated_item_can_regress_that_failed_once():
    flaky = [record(f"e{n:02}", passed=bool(r), repeat=r) for n in range(20) for r in range(2)]
    assert verdict(flaky, flaky, fail_on="regressions").state == "inconclusive"


def test_a_rule_of_a_probe_that_nothing_passes_concludes_nothing():
    both = [record(f"e{n}", probe=probe, passed=probe == "a") for n in range(5) for probe in ("a", "b")]
    assert verdict(both, both, fail_on="regressions").state == "passed"
    own = {"b": ProbeGateSpec(fail_on="regressions")}
    assert verdict(both, both, fail_on="changes", probes=own).state == "inconclusive"


@pytest.mark.parametrize(("tolerance", "state"), [(20, "inconclusive"), (19, "passed"), (10**9, "inconclusive")])
@pytest.mark.parametrize("fail_on", ["changes", "regressions"])
def test_a_tolerance_of_all_there_is_is_no_gate(fail_on, tolerance, state):
    found = verdict(GOOD, with_change(1, passed=False, text="no"), fail_on=fail_on, tolerance=tolerance)
    assert found.state == state
    if state == "inconclusive":
        assert "at most 20 could count" in found.reasons[0]


def test_only_what_passed_counts_against_the_tolerance_of_regressions():
    half = [record(f"e{n:02}", passed=n < 10) for n in range(20)]
    assert verdict(half, half, fail_on="regressions", tolerance=10).state == "inconclusive"
    assert verdict(half, half, fail_on="regressions", tolerance=9).state == "passed"


def unscored(blank, text=" \n"):
    return [record(f"e{n:02}", values={}, text=text if n < blank else "said") for n in range(20)]


@pytest.mark.parametrize(("blank", "state"), [(0, "passed"), (1, "passed"), (2, "inconclusive"), (20, "inconclusive")])
def test_blank_answers_that_nothing_scores_are_missing(blank, state):
    found = verdict(unscored(blank), unscored(blank, text=""), fail_on="changes")
    assert found.state == state


def test_an_answer_that_became_blank_has_changed():
    assert verdict(unscored(0), unscored(1), fail_on="changes").state == "failed"
    assert verdict(unscored(20), unscored(0), fail_on="changes").state == "failed"


def test_blank_answers_that_all_fail_are_nothing_to_compare():
    blank = [record(f"e{n:02}", passed=False, text="") for n in range(20)]
    assert verdict(blank, blank, fail_on="changes").state == "inconclusive"
    some = [*blank[1:], record("e00", passed=False, text="no")]
    assert verdict(some, some, fail_on="changes").state == "passed"


def test_a_call_or_a_part_is_something_to_compare():
    for given in ({"tool_calls": (ToolCall(name="look", arguments={}),)}, {"kept": {"route": "a"}}, {"value": False}):
        run = [record(f"e{n:02}", values={}, response=Response(**given)) for n in range(5)]
        assert verdict(run, run, fail_on="changes").state == "passed"


def judged(lost, n=5, **given):
    """Two probes of which the second has the outcome `given`, for its first `lost` examples."""
    second = [record(f"e{i:02}", probe="b", **(given if i < lost else {"passed": True})) for i in range(n)]
    return [*(record(f"e{i:02}", probe="a") for i in range(100)), *second]


@pytest.mark.parametrize("before", [{"passed": True}, {"values": {"tone": 0.5, "facts": 0.5}}])
@pytest.mark.parametrize("after", [{"values": {}}, {"values": {"tone": 0.5}}])
@pytest.mark.parametrize(("lost", "n", "state"), [(5, 5, "inconclusive"), (2, 30, "inconclusive"), (1, 30, "passed")])
def test_scores_that_are_gone_are_lost_evidence(before, after, lost, n, state):
    found = verdict(judged(lost, n, **before), judged(lost, n, **after), fail_on="regressions")
    assert found.state == state
    if state == "inconclusive":
        told = (
            f"probe 'b': {lost} of {n} trials of the baseline have no counterpart ({lost} without a score to compare)"
        )
        assert told in found.reasons[0]
    accepted = verdict(judged(lost, n, **before), judged(lost, n, **after), fail_on="regressions", accept_missing=True)
    assert accepted.state == "passed"


def test_where_no_score_is_left_nothing_can_be_accepted():
    gone = [record(f"e{n:02}", values={}) for n in range(20)]
    found = verdict(GOOD, gone, fail_on="regressions", accept_missing=True)
    assert found.state == "inconclusive"


def test_scores_that_only_the_candidate_has_are_no_loss_beside_others():
    before, after = ({"values": {"tone": 0.5} | more} for more in ({}, {"facts": 0.5}))
    assert verdict(judged(5, **before), judged(5, **after), fail_on="regressions").state == "passed"
    assert verdict(judged(5, values={}), judged(5, values={"tone": 0.5}), fail_on="regressions").state == "inconclusive"


def with_small_probe(**small):
    return [*GOOD, *(record(f"p{n:02}") for n in range(20)), record("e00", probe="b", **small)]


@pytest.mark.parametrize("policy", ["changes", "regressions"])
def test_a_probe_of_which_nothing_is_answered_is_not_outweighed_by_the_rest(policy):
    lost = with_small_probe(status="error")
    found = verdict(lost, lost, fail_on=policy)
    assert found.state == "inconclusive"
    assert "probe 'b': none of 1 trials has an answer to compare" in found.reasons[0]


def test_a_baseline_that_answered_half_of_its_trials_is_no_baseline():
    found = verdict(with_change(10, status="error"), GOOD, fail_on="regressions")
    assert found.state == "inconclusive"
    assert "10 of 20 trials have no answer to compare" in found.reasons[0]


def test_what_is_waived_does_not_outweigh_what_is_missing():
    options = CompareOptions(waived=frozenset((None, f"e{n:02}") for n in range(1, 20)))
    run = with_change(1, status="error")
    assert decided(view(run), view(run), GateSpec(fail_on="changes"), options)[1].state == "inconclusive"
