"""Latency, tokens and length as gated distributions, from telemetry and records."""

import json

import pytest

from support.command import insidellms, records_of
from support.tables import imported, row


def with_latency(folder, name, latency_of, *, cached=()):
    """Import a run and give it the telemetry of `latency_of` item number; `cached` items made no call."""
    run = imported(folder, name, [row(f"e{n:02}", 1) for n in range(60)])
    lines = []
    for n, record in enumerate(records_of(run)):
        facts = {key: record[key] for key in ("probe", "dataset", "example_id", "model", "repeat", "status")}
        asked = {} if n in cached else {"latency_ms": latency_of(n), "attempts": 1}
        lines.append(json.dumps({**facts, **asked}) + "\n")
    (run / "telemetry.jsonl").write_text("".join(lines))


def growth(folder, before, after, bound):
    done = insidellms("diff", before, after, "--max-growth", f"latency_ms={bound}", "--json", "--limit", 0, cwd=folder)
    return done.code, done.json["verdict"]["growth"][0]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("growth")
    with_latency(folder, "fast", lambda n: 100 + 7 * (n % 11))
    with_latency(folder, "slow", lambda n: 150 + 9 * (n % 13))
    with_latency(folder, "half", lambda n: 150 + 9 * (n % 13), cached=range(30))
    return folder


def test_slower_answers_fail_beyond_what_is_allowed_and_pass_within(runs):
    code, found = growth(runs, "fast", "slow", 0.2)
    assert (code, found["state"], found["measured_by"], found["n"]) == (3, "failed", "typical", 60)
    assert 1.3 < found["low"] < found["ratio"] < found["high"] < 1.8
    assert growth(runs, "fast", "slow", 1.0)[0] == 0


def test_answers_that_made_no_call_have_no_latency(runs):
    assert growth(runs, "fast", "half", 0.2)[1]["n"] == 30


def test_growth_is_one_sided(runs):
    code, found = growth(runs, "slow", "fast", 0.0)
    assert code == 0
    assert found["ratio"] < 1
