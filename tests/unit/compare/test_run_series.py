"""A trend lines up what several runs measured."""

from insideLLMs.compare.one_run.summary import summarise
from insideLLMs.compare.run_series import trend
from insideLLMs.core.types import expand
from support.compared_runs import record, view


def summary(records):
    return expand(summarise(view(records).records(), run_id="ab" * 32))


def test_each_measure_has_a_point_for_each_run_in_the_order_given():
    good = [record(f"e{n}") for n in range(4)]
    worse = [record(f"e{n}", passed=n > 0) for n in range(4)]
    found = trend([("b", summary(good)), ("a", summary(worse))])
    assert [run.label for run in found.runs] == ["b", "a"]
    (line,) = found.lines
    assert (line.probe, line.model, line.measure) == ("logic", "m", "passed")
    assert [point.value for point in line.points] == [1.0, 0.75]
    assert line.change == -0.25


def test_a_run_without_the_measure_leaves_a_gap():
    tone, logic = [record("e", probe="tone", values={"warmth": 0.5})], [record("e")]
    found = trend([("one", summary(logic)), ("two", summary(tone)), ("three", summary(logic))])
    logic_line, tone_line = found.lines
    assert [point is None for point in logic_line.points] == [False, True, False]
    assert (tone_line.measure, tone_line.change) == ("warmth", None)


def test_what_was_not_answered_stays_in_sight():
    found = trend([("one", summary([record("a"), record("b", status="timeout")]))])
    assert (found.runs[0].unanswered, found.runs[0].trials) == (1, 2)
    assert found.lines[0].points[0].n == 1
