"""Latency, tokens and length as gated distributions, from telemetry and records."""

import json

import pytest

from support.command import insidellms, records_of, write_files
from support.openai_server import OpenAIServer
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


PRICED = """
model: {type: openai, id: m, args: {model_name: nobody-knows, base_url: URL, seed: 1}}
probe: {type: usage, args: {max_characters: 1000}}
dataset: {format: inline, examples: EXAMPLES}
"""

KEY = {"OPENAI_API_KEY": "k"}


def priced(folder, server, name, output):
    examples = json.dumps([{"id": f"e{n:02}", "question": f"Question {n}?"} for n in range(20)])
    text = PRICED.replace("URL", server.base_url).replace("EXAMPLES", examples)
    write_files(folder, {f"{name}.yaml": text})
    prices = ["--set", f'execution.prices={{"m": {{"input": 1.0, "output": {output}}}}}'] if output else []
    done = insidellms(
        "run", f"{name}.yaml", "--run-dir", name, "--json", *prices, cwd=folder, env={"OPENAI_API_KEY": "k"}
    )
    assert done.code == 0, done.err
    return done.json["telemetry"]["models"][0]["cost_usd"]


def test_gated_cost_is_what_the_runs_own_telemetry_says(tmp_path):
    with OpenAIServer() as server:
        before, after = priced(tmp_path, server, "before", 1.0), priced(tmp_path, server, "after", 3.0)
        priced(tmp_path, server, "unpriced", None)
    done = insidellms("diff", "before", "after", "--max-growth", "cost_usd=0.1", "--json", cwd=tmp_path)
    (found,) = done.json["verdict"]["growth"]
    assert (done.code, found["state"], found["n"]) == (3, "failed", 20)
    assert found["ratio"] == pytest.approx(after / before)
    shown = insidellms("report", "before", "--telemetry", "--json", cwd=tmp_path).json
    assert shown["models"][0]["cost_usd"] == pytest.approx(before)
    assert shown["prices"].startswith("execution.prices")
    done = insidellms("diff", "before", "unpriced", "--max-growth", "cost_usd=0.1", cwd=tmp_path)
    assert done.code == 1
    assert "the price of 'm' in unpriced is not known" in done.err


def test_a_busy_hour_that_baselines_show_as_well_is_no_growth(tmp_path):
    for name, load in (("calm", 1.0), ("busy", 1.35), ("busier", 1.5)):
        with_latency(tmp_path, name, lambda n, load=load: load * (100 + 7 * (n % 11)))
    alone = insidellms("diff", "calm", "busier", "--max-growth", "latency_ms=0.2", cwd=tmp_path)
    assert alone.code == 3
    assert "one baseline run cannot tell growth from a busy hour" in " ".join(alone.out.split())
    args = ("diff", "calm", "busy", "--candidate", "busier", "--max-growth", "latency_ms=0.2", "--json")
    both = insidellms(*args, cwd=tmp_path)
    assert both.code == 0, both.out
    assert both.json["verdict"]["growth"][0]["p"] > 0.05


def test_growth_and_the_test_of_a_drop_share_alpha(runs):
    args = ("diff", "fast", "slow", "--fail-on", "significant", "--max-growth", "latency_ms=0.2", "--json")
    verdict = insidellms(*args, cwd=runs).json["verdict"]
    assert verdict["growth"][0]["alpha"] == 0.025
    assert verdict["assessment"]["alpha"] == 0.025
    args = ("diff", "fast", "slow", "--fail-on", "regressions", "--max-growth", "latency_ms=0.2", "--json")
    assert insidellms(*args, cwd=runs).json["verdict"]["growth"][0]["alpha"] == 0.05


def with_outputs(folder, name, texts):
    rows = [row(f"e{n:02}", None if text is None else 1, output=text) for n, text in enumerate(texts)]
    imported(folder, name, rows)


def length_grown(folder, before, after):
    options = ("--fail-on", "never", "--max-growth", "characters=0.1")
    done = insidellms("diff", before, after, *options, "--json", "--limit", 0, cwd=folder)
    (found,) = done.json["verdict"]["growth"]
    assert found["state"] == {0: "passed", 3: "failed", 4: "inconclusive"}[done.code]
    return done.code, found["reason"]


def test_a_quantity_that_half_of_the_answers_lost_is_inconclusive(tmp_path):
    with_outputs(tmp_path, "before", ["a text"] * 40)
    with_outputs(tmp_path, "half", [None if n % 2 else "a text" for n in range(40)])
    with_outputs(tmp_path, "most", [None if n == 0 else "a text" for n in range(40)])
    for sides in (("before", "half"), ("half", "before")):
        code, reason = length_grown(tmp_path, *sides)
        assert (code, "20 of 40 items are measured in one of the runs only" in reason) == (4, True)
    assert length_grown(tmp_path, "before", "most")[0] == 0


@pytest.mark.parametrize(("n", "code"), [(1, 4), (3, 4), (4, 3), (4, 0)])
def test_growth_of_too_few_items_cannot_fail(tmp_path, n, code):
    with_outputs(tmp_path, "before", ["a text"] * n)
    with_outputs(tmp_path, "after", ["a text" * (1 if code == 0 else 100)] * n)
    found, reason = length_grown(tmp_path, "before", "after")
    assert found == code
    assert ("this gate cannot fail" in reason) == (code == 4)
