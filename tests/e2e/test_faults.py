"""A run against a provider that fails in every way: nothing is lost, nothing is asked more often than explained."""

import json

import pytest

from support.command import insidellms, records_of, write_files
from support.openai_server import OpenAIServer

TRIALS = 2000
CONCURRENCY = 64
LATENCY_S = 0.05
EXPERIMENT = """
name: faults
model: {type: openai, id: m, args: {model_name: stub, base_url: 'http://127.0.0.1:PORT/v1'}}
probe: {type: contains, args: {any: ["7"]}}
dataset: {format: jsonl, path: data.jsonl}
execution: {concurrency: 64, attempt_timeout_s: 3, max_attempts: 8}
"""
ROWS = [{"id": f"e{i:04}", "prompt": f"Question {i}"} for i in range(TRIALS)]
KINDS = ["429", "500", "hang", "reset", "drip", "garbage", "truncated", "short", "content_type", "redirect",
         "error_in_200", "cut_stream"]  # fmt: skip
MIXED = [
    {"kind": "429", "share": 0.009, "retry_after": "0.3"},
    {"kind": "huge", "share": 0.001},
    *({"kind": kind, "share": 0.009} for kind in KINDS),
]


def run(folder, server, name, *, stream):
    text = EXPERIMENT.replace("PORT/v1'", f"{server.port}/v1', stream: {stream}")
    write_files(folder, {"e.yaml": text, "data.jsonl": ROWS})
    return insidellms("run", "e.yaml", "--run-dir", name, "--json", cwd=folder)


def without_key(records):
    """Drop what covers the server's port."""
    return [{name: value for name, value in record.items() if name != "key"} for record in records]


@pytest.mark.parametrize("stream", ["false", "true"])
def test_two_thousand_trials_all_succeed_through_ten_percent_of_mixed_faults(tmp_path, stream):
    with OpenAIServer(latency_s=LATENCY_S, keep_bodies=False) as server:
        done = run(tmp_path, server, "clean", stream=stream)
        assert done.code == 0, done.err
    with OpenAIServer(latency_s=LATENCY_S, keep_bodies=False, faults=MIXED) as server:
        done = run(tmp_path, server, "faulty", stream=stream)
        assert done.code == 0, done.err
        faults = sum(server.faults_done.values())
        assert set(server.faults_done) == {*KINDS, "huge"}
        assert 0.07 * TRIALS < faults < 0.13 * TRIALS
        assert server.requests == TRIALS + faults, server.stats()
    assert all(record["status"] == "success" for record in records_of(tmp_path / "faulty"))
    clean, faulty = (without_key(records_of(tmp_path / name)) for name in ("clean", "faulty"))
    assert clean == faulty


@pytest.mark.parametrize(("setting", "spent"), [("max_tokens", 60), ("max_cost_usd", 60e-6)])
def test_a_budget_stops_the_run_cleanly_and_a_larger_one_resumes_it(tmp_path, setting, spent):
    with OpenAIServer() as server:
        text = EXPERIMENT.replace("PORT", str(server.port)).replace("concurrency: 64", "concurrency: 1")
        write_files(tmp_path, {"e.yaml": text, "data.jsonl": ROWS[:50]})
        prices = ["--set", 'execution.prices={"m": {"input": 1.0, "output": 1.0}}']
        limit = ["--set", f"execution.{setting}={spent}"]
        done = insidellms("run", "e.yaml", "--run-dir", "run", *prices, *limit, cwd=tmp_path)
        assert done.code == 1
        assert "budget" in done.err
        assert "--resume" in done.err
        asked = server.requests
        assert 0 < asked < 50
        # the same budget is spent already
        assert insidellms("run", "e.yaml", "--run-dir", "run", "--resume", *prices, *limit, cwd=tmp_path).code == 1
        assert server.requests == asked
        done = insidellms("run", "e.yaml", "--run-dir", "run", "--resume", cwd=tmp_path)
        assert done.code == 0, done.err
        assert server.requests == 50


@pytest.mark.parametrize(("setting", "spent"), [("max_tokens", 50), ("max_cost_usd", 50e-6)])
def test_a_budget_is_kept_by_an_estimate_where_answers_count_no_tokens(tmp_path, setting, spent):
    with OpenAIServer() as server:
        server.reply_fields = {"usage": None}
        text = EXPERIMENT.replace("PORT", str(server.port)).replace("concurrency: 64", "concurrency: 1")
        write_files(tmp_path, {"e.yaml": text, "data.jsonl": ROWS[:60]})
        prices = ["--set", 'execution.prices={"m": {"input": 1.0, "output": 1.0}}']
        limit = ["--set", f"execution.{setting}={spent}"]
        done = insidellms("run", "e.yaml", "--run-dir", "run", *prices, *limit, cwd=tmp_path)
        assert done.code == 1
        assert "budget" in done.err
        assert "model 'm' does not count its tokens: the budget goes by an estimate" in done.err
        assert 0 < server.requests <= 5
        asked = server.requests
        assert insidellms("run", "e.yaml", "--run-dir", "run", "--resume", *prices, *limit, cwd=tmp_path).code == 1
        assert server.requests == asked


def test_calls_that_hang_count_in_the_time_and_not_in_what_was_done(tmp_path):
    rows = [{"id": f"i{i:02}", "prompt": f"item {i:02}"} for i in range(60)]
    text = """
model: {type: dummy, id: m, args: {failures: {item 0: hang}}}
probe: {type: contains, args: {any: ["dummy"]}}
dataset: {path: data.jsonl}
execution: {concurrency: 64, timeout_s: 3, attempt_timeout_s: 3, max_attempts: 1}
"""
    write_files(tmp_path, {"e.yaml": text, "data.jsonl": rows})
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--json", cwd=tmp_path)
    telemetry = done.json["telemetry"]
    assert telemetry["seconds"] >= 3.0
    assert telemetry["trials_per_second"] * telemetry["seconds"] == pytest.approx(50)
    assert telemetry["models"][0]["latency"]["p95"] >= 3000


def test_a_call_that_hangs_is_retried_within_a_short_trial(tmp_path):
    with OpenAIServer(faults=[{"kind": "hang", "share": 1.0, "times": 1}]) as server:
        text = EXPERIMENT.replace("PORT", str(server.port)).replace("attempt_timeout_s: 3", "timeout_s: 3")
        write_files(tmp_path, {"e.yaml": text, "data.jsonl": ROWS[:5]})
        checked = insidellms("validate", "e.yaml", cwd=tmp_path)
        assert "a call may take 1.5 s (attempt_timeout_s), a trial 3 s (timeout_s)" in checked.out
        done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
        assert done.code == 0, done.err
    assert all(record["status"] == "success" for record in records_of(tmp_path / "run"))


def test_validate_warns_of_a_call_that_may_take_all_of_a_trials_time(tmp_path):
    text = EXPERIMENT.replace("PORT", "1").replace("attempt_timeout_s: 3", "timeout_s: 3, attempt_timeout_s: 3")
    write_files(tmp_path, {"e.yaml": text, "data.jsonl": ROWS[:5]})
    done = insidellms("validate", "e.yaml", cwd=tmp_path, env={"OPENAI_API_KEY": "x"})
    assert (done.code, "never retried" in done.err) == (0, True)


def test_a_bound_on_costs_needs_a_price(tmp_path):
    with OpenAIServer() as server:
        write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("PORT", str(server.port)), "data.jsonl": ROWS[:5]})
        done = insidellms("run", "e.yaml", "--set", "execution.max_cost_usd=1", cwd=tmp_path)
        assert done.code == 1
        assert "price of model 'm' is not known" in done.err
        assert server.requests == 0


def test_a_storm_of_429_lowers_the_calls_in_flight_and_loses_nothing(tmp_path):
    storm = [{"kind": "429", "share": 0.9, "times": 2, "retry_after": "0.05"}]
    with OpenAIServer(latency_s=0.01, faults=storm) as server:
        write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("PORT", str(server.port)), "data.jsonl": ROWS[:300]})
        done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
        assert done.code == 0, done.err
        assert server.requests == 300 + server.faults_done["429"]
    assert all(record["status"] == "success" for record in records_of(tmp_path / "run"))


def test_a_struggling_provider_slows_no_other(tmp_path):
    rows = [{"id": f"e{i}", "prompt": f"Question {i}"} for i in range(8)]
    storm = [{"kind": "429", "times": 3, "retry_after": "0.2"}]
    with OpenAIServer(faults=storm) as sick, OpenAIServer() as well:
        models = [
            {"type": "openai", "id": name, "args": {"model_name": name, "base_url": server.base_url}}
            for name, server in (("sick", sick), ("well", well))
        ]
        experiment = {
            "name": "two",
            "models": models,
            "probe": {"type": "contains", "args": {"any": ["7"]}},
            "dataset": {"path": "data.jsonl"},
            "execution": {"concurrency": 4},
        }
        write_files(tmp_path, {"e.json": json.dumps(experiment), "data.jsonl": rows})
        done = insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path)
        assert done.code == 0, done.err
    lines = [json.loads(line) for line in (tmp_path / "run" / "telemetry.jsonl").read_bytes().splitlines()]
    ended = {name: max(line["started_at"] for line in lines if line["model"] == name) for name in ("sick", "well")}
    assert ended["well"] < ended["sick"]
    assert all(line["attempts"] == (4 if line["model"] == "sick" else 1) for line in lines)
