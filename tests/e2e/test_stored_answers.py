"""Cache and cassettes through the command: nothing is asked twice, and nothing is asked at all in a replay."""

import json
import shutil

import pytest

from support.command import canonical_bytes, insidellms, write_files
from support.openai_server import OpenAIServer
from support.tiny_model import build, needs_torch

EXPERIMENT = """
name: answers
models:
  - {type: openai, id: a, args: {model_name: stub-a, base_url: 'BASE'}}
  - {type: openai, id: b, args: {model_name: stub-b, base_url: 'BASE', temperature: 0.5}}
probe: {type: contains, args: {any: ["7"]}}
dataset: {format: jsonl, path: data.jsonl}
repeats: 2
"""
ROWS = [{"id": f"e{i}", "prompt": f"Question {i}"} for i in range(15)]
TRIALS = 60


@pytest.fixture
def server():
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def folder(tmp_path, server):
    write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("BASE", server.base_url), "data.jsonl": ROWS})
    return tmp_path


def run(folder, name, *args, **env):
    return insidellms(
        "run", "e.yaml", "--run-dir", name, *args, cwd=folder, env={"INSIDELLMS_CACHE": str(folder / "cache"), **env}
    )


def telemetry(folder, name):
    return [json.loads(line) for line in (folder / name / "telemetry.jsonl").read_bytes().splitlines()]


def test_a_second_run_takes_everything_from_the_cache_and_writes_the_same_bytes(folder, server):
    assert run(folder, "one", "--cache", "read").code == 0
    assert server.requests == TRIALS
    done = run(folder, "two", "--cache", "read")
    assert done.code == 0, done.err
    assert server.requests == TRIALS
    assert canonical_bytes(folder / "one") == canonical_bytes(folder / "two")
    assert all(line["cached"] and line.get("latency_ms") is None for line in telemetry(folder, "two"))
    assert not any(line.get("cached") for line in telemetry(folder, "one"))


def test_the_cache_is_off_unless_asked_for_and_refresh_asks_again(folder, server):
    run(folder, "one", "--cache", "read")
    run(folder, "two")
    assert server.requests == 2 * TRIALS
    run(folder, "three", "--cache", "refresh")
    assert server.requests == 3 * TRIALS


def test_a_changed_parameter_or_prompt_is_asked(folder, server):
    run(folder, "one", "--cache", "read")
    write_files(folder, {"e.yaml": EXPERIMENT.replace("BASE", server.base_url).replace("0.5", "0.7")})
    run(folder, "two", "--cache", "read")
    assert server.requests == TRIALS + 30
    assert {body["model"] for body in server.bodies[TRIALS:]} == {"stub-b"}


def test_the_command_shows_and_clears_the_cache(folder):
    run(folder, "one", "--cache", "read")
    env = {"INSIDELLMS_CACHE": str(folder / "cache")}
    stats = insidellms("cache", "stats", "--json", cwd=folder, env=env)
    assert stats.json["models"] == {"a": 30, "b": 30}
    assert insidellms("cache", "prune", cwd=folder, env=env).code == 1
    assert insidellms("cache", "prune", "--model", "a", cwd=folder, env=env).out == "removed 30 answers\n"
    assert insidellms("cache", "prune", "--all", cwd=folder, env=env).out == "removed 30 answers\n"
    assert "0 answers" in insidellms("cache", "stats", cwd=folder, env=env).out


def test_a_replay_needs_no_server_and_no_key_and_writes_the_same_bytes(folder, server):
    text = EXPERIMENT.replace("BASE", "https://api.example.com/v1").replace("/v1'", "/v1', api_key_env: 'NO_SUCH_KEY'")
    assert run(folder, "one", "--record", "tape.jsonl").code == 0
    asked = server.requests
    done = run(folder, "two", "--replay", "tape.jsonl")
    assert done.code == 0, done.err
    assert server.requests == asked
    assert canonical_bytes(folder / "one") == canonical_bytes(folder / "two")
    write_files(folder, {"far.yaml": text})
    done = insidellms("run", "far.yaml", "--replay", "tape.jsonl", cwd=folder)
    assert done.code == 1
    assert "the cassette has no answer for example 'e0'" in done.err  # another endpoint is another model


def test_a_cassette_is_sorted_and_the_same_whatever_the_order_of_answers(folder):
    run(folder, "one", "--record", "one.jsonl", "--concurrency", "1")
    run(folder, "two", "--record", "two.jsonl", "--concurrency", "30")
    lines = (folder / "one.jsonl").read_bytes().splitlines()
    assert (folder / "one.jsonl").read_bytes() == (folder / "two.jsonl").read_bytes()
    assert lines == sorted(lines, key=lambda line: (json.loads(line)["model"], json.loads(line)["key"]))
    assert len(lines) == TRIALS
    assert not (folder / "one.jsonl.partial").exists()


def test_a_recording_that_was_interrupted_is_completed_by_the_resume(folder, server):
    done = run(folder, "one", "--record", "tape.jsonl", "--set", "execution.max_tokens=100", "--concurrency", "2")
    assert done.code == 1
    assert (folder / "tape.jsonl.partial").exists()
    done = run(folder, "one", "--resume", "--record", "tape.jsonl")
    assert done.code == 0, done.err
    done = run(folder, "two", "--replay", "tape.jsonl")
    assert done.code == 0, done.err
    assert server.requests == TRIALS
    assert canonical_bytes(folder / "one") == canonical_bytes(folder / "two")


def test_a_miss_names_the_example_and_how_to_mend_it(folder):
    run(folder, "one", "--record", "tape.jsonl")
    write_files(folder, {"data.jsonl": [*ROWS[:-1], {"id": "e14", "prompt": "Question 14, edited"}]})
    done = run(folder, "two", "--replay", "tape.jsonl", "--concurrency", "1")
    assert done.code == 1
    assert "example 'e14'" in done.err
    assert "--record" in done.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--replay", "none.jsonl"), "--record none.jsonl"),
        (("--replay", "e.yaml"), "line 1 is not a recorded answer"),
        (("--replay", "x", "--record", "y"), "`replay` cannot be combined with `record` or `cache`"),
        (("--cache", "read", "--record", "y"), "cannot be combined"),
    ],
)
def test_what_cannot_be_replayed_is_said(folder, server, args, says):
    write_files(folder, {"e.yaml": EXPERIMENT.replace("BASE", server.base_url).lstrip()})
    done = run(folder, "one", *args)
    assert done.code == 1
    assert says in done.err
    assert server.requests == 0


def test_a_cassette_holds_no_key(folder, server):
    key = "canary-sk-0123456789"
    done = run(folder, "one", "--record", "tape.jsonl", OPENAI_API_KEY=key)
    assert done.code == 0
    assert server.headers["authorization"].endswith(key)
    assert key not in (folder / "tape.jsonl").read_text()


def test_the_end_of_a_run_and_the_report_say_how_it_went(folder):
    done = run(folder, "one", "--cache", "read")
    assert "p50" in done.err
    assert "trials/s" in done.err
    prices = ["--set", 'execution.prices={"a": {"input": 1.0, "output": 1.0}, "b": {"input": 0.0, "output": 0.0}}']
    done = run(folder, "two", "--cache", "read", "--json", *prices)
    first = done.json["telemetry"]["models"][0]
    assert (first["model"], first["cached"], first["calls"], first["cost_usd"]) == ("a", 30, 0, 0.0)
    done = run(folder, "three", "--json", *prices)
    assert done.json["telemetry"]["models"][0]["cost_usd"] > 0
    assert done.json["telemetry"]["prices"].startswith("execution.prices")
    shown = insidellms("report", "three", "--telemetry", cwd=folder).out
    assert "first byte" in shown
    assert "connect" in shown
    assert "whole answer" in shown


LOCAL = """
name: local
models:
  - {type: embedded, id: small, args: {max_tokens: 6}, system: Be brief.}
  - {type: dummy, id: script, args: {canned_response: Paris}}
probe: {type: contains, args: {any: [Paris]}}
dataset: {examples: [{id: a, prompt: The capital of France?}, {id: b, prompt: The capital of Italy?}]}
repeats: 2
"""
BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "xllamacpp"):
            raise ImportError(f"{name} is not here")
sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture
def bare(tmp_path):
    """The environment of a machine without weights and without what runs them."""
    write_files(tmp_path, {"bare/sitecustomize.py": BLOCKER})
    return {"INSIDELLMS_CACHE": str(tmp_path / "nothing"), "PYTHONPATH": str(tmp_path / "bare")}


def test_a_replay_of_the_embedded_model_needs_neither_its_weights_nor_its_runtime(tmp_path, bare):
    write_files(tmp_path, {"e.yaml": LOCAL})
    done = insidellms("run", "e.yaml", "--run-dir", "one", "--record", "tape.jsonl", cwd=tmp_path)
    assert done.code == 0, done.err
    lines = (tmp_path / "tape.jsonl").read_text().splitlines()
    assert len(lines) == 9
    assert set(json.loads(lines[0])["facts"]) == {"gguf_sha256", "runtime"}
    done = insidellms("run", "e.yaml", "--run-dir", "asked", cwd=tmp_path, env=bare)
    assert (done.code, "xllamacpp" in done.err or "weights" in done.err) == (1, True)
    done = insidellms("run", "e.yaml", "--run-dir", "two", "--replay", "tape.jsonl", cwd=tmp_path, env=bare)
    assert done.code == 0, done.err
    assert canonical_bytes(tmp_path / "one") == canonical_bytes(tmp_path / "two")


def test_a_changed_parameter_of_a_local_model_is_not_answered_from_the_cassette(tmp_path, bare):
    write_files(tmp_path, {"e.yaml": LOCAL, "warm.yaml": LOCAL.replace("6}", "6, temperature: 0.5}")})
    insidellms("run", "e.yaml", "--run-dir", "one", "--record", "tape.jsonl", cwd=tmp_path)
    done = insidellms("run", "warm.yaml", "--replay", "tape.jsonl", cwd=tmp_path, env=bare)
    assert done.code == 1
    assert "the cassette has no answer for example 'a' (model 'small'" in done.err


def test_a_cassette_that_does_not_tell_of_the_machine_needs_the_weights(tmp_path, bare):
    write_files(tmp_path, {"e.yaml": LOCAL})
    insidellms("run", "e.yaml", "--run-dir", "one", "--record", "tape.jsonl", cwd=tmp_path)
    answers = (tmp_path / "tape.jsonl").read_text().split("\n", 1)[1]
    write_files(tmp_path, {"old.jsonl": answers})
    done = insidellms("run", "e.yaml", "--run-dir", "two", "--replay", "old.jsonl", cwd=tmp_path)
    assert done.code == 0, done.err
    assert canonical_bytes(tmp_path / "one") == canonical_bytes(tmp_path / "two")
    done = insidellms("run", "e.yaml", "--replay", "old.jsonl", cwd=tmp_path, env=bare)
    assert done.code == 1
    assert "the cassette does not say which weights it was recorded with" in done.err
    assert "record it again with --record" in done.err
    assert "insidellms model pull smollm2" in done.err


@needs_torch
def test_a_replay_of_transformers_needs_neither_folder_nor_library(tmp_path, bare):
    build(tmp_path / "tiny")
    args = "{model_name: tiny, path: tiny, max_tokens: 5, temperature: 0.8, logprobs: true}"
    text = LOCAL.replace("embedded", "transformers").replace("{max_tokens: 6}", args)
    write_files(tmp_path, {"e.yaml": text, "other.yaml": text.replace("path: tiny", "path: other")})
    done = insidellms("run", "e.yaml", "--run-dir", "one", "--record", "tape.jsonl", cwd=tmp_path)
    assert done.code == 0, done.err
    shutil.rmtree(tmp_path / "tiny")
    done = insidellms("run", "e.yaml", "--run-dir", "two", "--replay", "tape.jsonl", cwd=tmp_path, env=bare)
    assert done.code == 0, done.err
    assert canonical_bytes(tmp_path / "one") == canonical_bytes(tmp_path / "two")
    done = insidellms("run", "other.yaml", "--replay", "tape.jsonl", cwd=tmp_path)
    assert done.code == 1
    assert f"there is no model in {tmp_path / 'other'}: there is no such folder" in done.err
    assert "record it again" in done.err
