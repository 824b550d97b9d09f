"""Several runs a side: what the statistics are fed, and that the order of runs does not matter."""

import pytest

from insideLLMs.compare.comparing import CompareOptions, compare_with
from insideLLMs.compare.gate.evidence import GateEvidence, measure_noise
from insideLLMs.compare.observations import Watch
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec
from support.compared_runs import record, view


def run(label, passes, **given):
    return view([record(f"e{n:02}", passed=bool(p), **given) for n, p in enumerate(passes) if p is not None], label)


def shapes(baselines, candidates, **watch):
    _, observed = compare_with(baselines, candidates, watch=Watch(**watch))
    return {(shape.baseline, shape.candidate): count for shape, count in observed.tally.counts.items()}


def test_each_run_is_a_value_of_its_item():
    found = shapes([run("a", (1, 0)), run("b", (1, 1)), run("c", (0, 1))], [run("x", (1, 1))])
    assert found == {
        (((1.0,), (1.0,), (0.0,)), ((1.0,),)): 1,
        (((0.0,), (1.0,), (1.0,)), ((1.0,),)): 1,
    }


def test_an_item_that_a_run_lacks_has_no_value_there_and_is_not_missing():
    found = shapes([run("a", (1, None)), run("b", (None, 1))], [run("x", (1, 1))])
    assert found == {(((1.0,), ()), ((1.0,),)): 1, (((), (1.0,)), ((1.0,),)): 1}


def test_an_example_that_an_older_run_had_otherwise_has_no_value_there():
    found = shapes([run("a", (1,), prompt="older"), run("b", (1,))], [run("x", (0,))])
    assert found == {(((), (1.0,)), ((0.0,),)): 1}


def test_several_candidates_are_runs_too():
    assert shapes([run("a", (1,))], [run("x", (0,)), run("y", (1,))]) == {(((1.0,),), ((0.0,), (1.0,))): 1}


def test_models_of_another_name_are_paired_in_every_run():
    older = view([record(model="m-2024")], "older")
    found = shapes([older, view([record(model="m")], "newer")], [view([record(model="n", passed=False)], "x")])
    assert found == {(((1.0,), (1.0,)), ((0.0,),)): 1}


def test_unsorted_records_of_a_further_run_are_refused():
    lines = list(run("a", (1, 1)).records())
    upside_down = view([record("e00"), record("e01")], "broken")
    object.__setattr__(upside_down, "records", lambda: iter(lines[::-1]))
    with pytest.raises(CompareError, match="'broken' is not sorted"):
        compare_with([upside_down, run("b", (1, 1))], [run("x", (1, 1))])


def test_the_odd_one_of_three_runs_is_counted_by_probe():
    runs = [run("a", (1,) * 4, text="a"), run("b", (1,) * 4, text="a")]
    _, observed = compare_with(runs, [run("x", (1,) * 4, text="b")], watch=Watch(churn="normalised"))
    assert observed.odd == {"logic": (4, 4)}


def test_noise_is_measured_among_the_baselines_at_every_level():
    runs = [run("a", (1, 1, 0, 0)), run("b", (1, 0, 1, 0))]
    _, observed = compare_with(runs, runs[-1:], watch=Watch(noise=("verdict", "exact")))
    floor = measure_noise(observed, ("a", "b"))
    assert floor.levels["verdict"].across == 0.5
    assert floor.is_identical


def test_waived_examples_are_no_items():
    options = CompareOptions(waived=frozenset({(None, "e00"), ("other", "e01")}))
    comparison, observed = compare_with([run("a", (1, 1))], [run("x", (0, 0))], options)
    assert sum(observed.tally.counts.values()) == 1
    assert comparison.probes[0].waived == {"regressed": 1}
    assert [change.waived for change in comparison.changes.listed] == [True, False]


def test_the_order_of_baseline_runs_changes_no_figure():
    passes = [[(n * k) % 3 > 0 for n in range(40)] for k in (1, 2, 4)]
    candidate = run("x", [n % 4 > 0 for n in range(40)])

    def evidence(order):
        runs = [run(str(place), passes[place]) for place in order]
        _, observed = compare_with(runs, [candidate])
        return GateEvidence(observed=observed, baseline_runs=("0", "1", "2")).assess({"logic"}, GateSpec()).overall

    assert evidence((0, 1, 2)) == evidence((2, 0, 1))
