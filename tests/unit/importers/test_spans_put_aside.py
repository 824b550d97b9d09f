"""What is kept of the spans of strangers: bounded, and without secrets."""

from collections import Counter

import pytest

from insideLLMs.importers.traces import store
from insideLLMs.importers.traces.attributes import TrafficAttributes
from insideLLMs.importers.traces.store import SpanStore
from insideLLMs.trajectories.span import Span


def test_of_a_trace_without_end_the_first_spans_are_read_and_the_others_counted(monkeypatch):
    monkeypatch.setattr(store, "_LARGEST_TRACE", 1_000)
    left_out = Counter()
    put = SpanStore(0)
    for number in range(10):
        put.add(Span(trace="long", id=str(number), parent="", name="n" * 300), left_out)
    put.add(Span(trace="short", id="a", parent="", name="n"), left_out)
    traces = {spans[0].trace: len(spans) for spans in put.traces(left_out)}
    assert traces == {"long": 3, "short": 1}
    assert left_out == {"span (of a trace beyond 1,000 bytes)": 7}


@pytest.mark.parametrize("name", ["llm.api_key", "user.password", "http.request.header.authorization"])
def test_an_attribute_that_says_secret_is_not_kept_and_its_value_is_known(name):
    attributes = TrafficAttributes(Counter())
    given = {name: "Bearer canary-9f8e7d6c", "llm.model_name": "m"}
    assert attributes.read(given) == {"llm.model_name": "m"}
    assert attributes.take_secrets() == ("canary-9f8e7d6c",)
