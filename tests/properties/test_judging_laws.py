"""The laws of judging runs: what must not matter does not, from records to the verdict."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from insideLLMs.compare.comparing import compare_with
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.core.gate_spec import GateSpec
from support.compared_runs import record, view

verdicts = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=25)


def run(label, column, *, extra=0, prefix="e"):
    trials = [record(f"{prefix}{n:03}", passed=passed) for n, passed in enumerate(column)]
    return view([*trials, *(record(f"z{n:03}", passed=True) for n in range(extra))], label)


def judged(baselines, candidate, **spec):
    comparison, observed = compare_with(baselines, [candidate])
    names = tuple(baseline.label for baseline in baselines)
    evidence = GateEvidence(observed=observed, baseline_runs=names, candidate_runs=(candidate.label,))
    return decide(comparison, GateSpec(fail_on="significant", **spec), evidence)


def columns(rows):
    return tuple(zip(*rows, strict=True))


@settings(max_examples=50)
@given(verdicts)
def test_swapping_the_sides_swaps_worse_and_better(rows):
    before, after, _ = columns(rows)
    there = judged([run("a", before)], run("b", after)).assessment.overall
    back = judged([run("b", after)], run("a", before)).assessment.overall
    assert math.isclose(there.p_worse, back.p_better, abs_tol=1e-12)
    assert math.isclose(there.delta, -back.delta, abs_tol=1e-12)
    assert math.isclose(there.low, -back.high, abs_tol=1e-12)


@settings(max_examples=50)
@given(verdicts)
def test_examples_that_did_not_change_leave_the_p_and_shrink_the_effect(rows):
    first, second, after = columns(rows)
    plain = judged([run("a", first), run("b", second)], run("x", after)).assessment.overall
    padded = judged(
        [run("a", first, extra=10), run("b", second, extra=10)], run("x", after, extra=10)
    ).assessment.overall
    assert math.isclose(plain.p_worse, padded.p_worse, abs_tol=1e-12)
    assert abs(padded.delta) <= abs(plain.delta)


@settings(max_examples=50)
@given(verdicts)
def test_what_examples_are_called_does_not_matter(rows):
    first, second, after = columns(rows)
    one, other = (
        judged([run("a", first, prefix=name), run("b", second, prefix=name)], run("x", after, prefix=name)).assessment
        for name in ("e", "question ")
    )
    assert one.overall == other.overall


@settings(max_examples=50)
@given(verdicts)
def test_a_copy_of_the_baseline_is_identical_and_passes(rows):
    before, _, _ = columns(rows)
    found = judged([run("a", before, extra=4)], run("x", before, extra=4))
    assert (found.state, found.assessment.verdict) == ("passed", "identical")


@settings(max_examples=50)
@given(verdicts)
def test_better_never_fails_the_gate(rows):
    before, after, _ = columns(rows)
    risen = [old or new for old, new in zip(before, after, strict=True)]
    assert judged([run("a", before, extra=4)], run("x", risen, extra=4)).state == "passed"
