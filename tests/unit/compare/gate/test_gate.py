"""The gate passes, fails or refuses to decide, and says why."""

import pytest

from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec, ProbeGateSpec
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
