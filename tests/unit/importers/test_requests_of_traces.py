"""The spans of one trace become the requests that it served."""

from collections import Counter

import pytest

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
