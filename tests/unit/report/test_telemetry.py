"""How a run went, from its telemetry: quantiles over answers alone, and every count."""

import pytest

from insideLLMs.core.record_views import TelemetryLine
from insideLLMs.core.types import JudgeCall
from insideLLMs.report.telemetry import render, sum_up


def line(model="m", status="success", **facts):
    return TelemetryLine(model=model, status=status, probe="p", dataset="d", example_id="e", repeat=0, **facts)


def asked(latency_ms, **facts):
    start = "2026-11-23T10:00:00.000+00:00"
    given = {"started_at": start, "attempts": 1, "latency_ms": latency_ms, "input_tokens": 10, "output_tokens": 5}
    return line(**{**given, **facts})


def test_quantiles_are_nearest_ranks_of_what_was_answered():
    found = sum_up([asked(float(n)) for n in range(1, 101)], {})
    latency = found.models[0].latency
    assert (latency.n, latency.p50, latency.p95, latency.most) == (100, 50, 95, 100)


def test_cache_hits_have_no_latency_and_cost_nothing():
    lines = [asked(100.0), line(cached=True, input_tokens=10, output_tokens=5)]
    model = sum_up(lines, {"m": lambda usage: usage.input_tokens * 0.5}).models[0]
    assert (model.asked, model.cached, model.latency.n, model.input_tokens) == (1, 1, 1, 10)
    assert model.cost_usd == 5.0


def test_retries_are_the_calls_beyond_the_first():
    model = sum_up([asked(1.0), asked(1.0, attempts=4)], {}).models[0]
    assert (model.calls, model.retries) == (5, 3)


def test_a_cost_that_is_not_known_is_none_rather_than_too_low():
    assert sum_up([asked(1.0)], {}).models[0].cost_usd is None


def test_connections_from_the_pool_are_no_connections():
    model = sum_up([asked(1.0, connect_ms=0.01), asked(1.0, connect_ms=12.0)], {}).models[0]
    assert (model.connect.n, model.connect.p50) == (1, 12.0)


def test_throughput_counts_from_the_first_start_to_the_last_end():
    lines = [asked(500.0), asked(1000.0, started_at="2026-11-23T10:00:01.000+00:00", retry_ms=2000.0)]
    found = sum_up(lines, {})
    assert found.seconds == pytest.approx(4.0)
    assert found.trials_per_second == pytest.approx(0.5)


def test_what_was_not_answered_does_not_count_as_done():
    found = sum_up([asked(500.0), asked(4000.0, status="timeout")], {})
    assert found.seconds == pytest.approx(4.0)
    assert found.trials_per_second == pytest.approx(0.25)
    assert found.models[0].latency.most == 4000.0


def test_the_time_of_judges_counts():
    start = "2026-11-23T10:00:00.500+00:00"
    judge = JudgeCall(model="p/judge", status="success", started_at=start, latency_ms=2500.0, attempts=1)
    assert sum_up([asked(500.0, judges=(judge,))], {}).seconds == pytest.approx(3.0)


def test_the_text_names_what_there_is_and_nothing_else():
    text = render(sum_up([asked(100.0, attempts=2), line("n", cached=True)], {"m": lambda _: 0.25}), detailed=True)
    assert "m: p50 100 ms, p95 100 ms, 1 retry, 10/5 tokens, $0.25" in text
    assert "n: nothing asked, 1 cache hit" in text
    assert "whole answer" in text
    assert "connect" not in text


@pytest.mark.parametrize(
    ("price", "told"),
    [
        (lambda _: 0.0, "10/5 tokens, free"),
        (lambda _: 0.0000034567, "10/5 tokens, $0.00000346"),
        (lambda _: 1234.5, "10/5 tokens, $1,234.50"),
        (None, "10/5 tokens, cost unknown"),
    ],
)
def test_a_cost_is_never_shown_as_zero_dollars(price, told):
    assert told in render(sum_up([asked(100.0)], {"m": price}))


def test_answers_without_tokens_are_not_shown_as_zero_tokens_or_free():
    uncounted = line("m", attempts=1, latency_ms=100.0, input_tokens=None, output_tokens=None)
    assert render(sum_up([uncounted], {"m": lambda _: 0.0})) == "m: p50 100 ms, p95 100 ms"
