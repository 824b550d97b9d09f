"""The spans of one trace become the requests that it served."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.importers.traces.nesting import Nesting
from insideLLMs.importers.traces.requests import requests_of
from insideLLMs.trajectories.span import Span


def span(name, parent="", *, ended=9, kind="chat"):
    """Return a span that begins with all others."""
    attributes = {"gen_ai.operation.name": kind}
    return Span(id=name, parent=parent, name=name, start_ns=1, end_ns=ended, attributes=attributes)


@pytest.mark.parametrize("each_call", [True, False])
def test_a_call_that_two_instrumentations_tell_is_one(each_call):
    spans = [span("a", kind="invoke_agent"), span("b", "a"), span("c", "b")]
    [request] = requests_of(spans, Counter(), each_call=each_call)
    assert [call.id for call in request.calls] == ["c"]


def test_of_spans_that_begin_together_the_longest_is_the_outer_one():
    spans = [span("a", "b", ended=2), span("b", "missing", ended=9)]
    [request] = requests_of(spans, Counter(), each_call=False)
    assert request.top.id == "b"


@pytest.mark.parametrize("each_call", [True, False])
@pytest.mark.parametrize("kind", ["chat", "invoke_agent"])
def test_a_request_may_be_nested_without_end(kind, each_call):
    steps = [span(f"{number:04}", f"{number - 1:04}" if number else "", kind=kind) for number in range(2_000)]
    [request] = requests_of([*steps, span("z", "1999")], Counter(), each_call=each_call)
    assert [call.id for call in request.calls] == ["z"]
    assert request.top.id == ("z" if each_call else "0000")


def test_calls_that_name_each_other_as_parents_are_one_request():
    ring = [span(name, parent) for name, parent in (("a", "c"), ("b", "a"), ("c", "b"), ("out", "b"))]
    [request] = requests_of(ring, Counter(), each_call=False)
    assert [one.id for one in request.spans] == ["a", "b", "c", "out"]


def test_a_span_called_like_a_missing_parent_stays_a_request_of_its_own():
    requests = requests_of([span("missing gone"), span("a", "gone")], Counter(), each_call=False)
    assert [request.top.id for request in requests] == ["a", "missing gone"]


NAMES = "abcdefgh"


@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*NAMES, ""])), st.sets(st.sampled_from(NAMES)))
def test_nesting_is_what_walking_from_parent_to_parent_finds(parents, counted):
    known = {name: span(name, parent) for name, parent in parents.items()}
    around = {name: walk(name, parents) for name in parents}
    nesting = Nesting(known)
    assert nesting.outermost() == {name: found[-1] for name, found in around.items()}
    within = nesting.counted(counted & known.keys())
    assert {name: within[name] for name in parents} == {
        name: sum(name in around[one] for one in counted & known.keys()) for name in parents
    }


def walk(name, parents):
    """Return a span and those around it; of spans around each other the one with the least id is the outermost."""
    found = [name]
    while (parent := parents[found[-1]]) in parents:
        ring = ring_of(found[-1], parents)
        if found[-1] == min(ring, default=None):
            break
        found.append(parent)
    return found


def ring_of(name, parents):
    """Return the spans that stand around each other with this one; none where it is not within itself."""
    seen = []
    while name in parents and name not in seen:
        seen.append(name)
        name = parents[name]
    return seen if seen and name == seen[0] else []
