"""Several models in one run, keys from the environment, and what the logs say."""

import json

import pytest

from insideLLMs.local import weights
from support.command import insidellms, records_of, write_files
from support.openai_server import OpenAIServer

CANARY = "sk-canary-0123456789abcdef"
EXPERIMENT = """
models:
  - {type: openai, id: a, args: {model_name: one, base_url: 'http://127.0.0.1:PORT/v1', api_key_env: KEY_A}}
  - {type: openai, id: b, args: {model_name: two, base_url: 'http://127.0.0.1:PORT/v1', api_key_env: KEY_B}}
probes: [{type: contains, args: {any: ["7"]}}]
dataset: {format: jsonl, path: data.jsonl}
repeats: 2
execution: {concurrency: 2, max_attempts: 2}
"""
ROWS = [{"id": f"e{i:02}", "prompt": f"Question {i}"} for i in range(20)]


@pytest.fixture
def server():
    with OpenAIServer(require_key=CANARY) as running:
        yield running


@pytest.fixture
def folder(tmp_path, server):
    write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("PORT", str(server.port)), "data.jsonl": ROWS})
    return tmp_path


def run(folder, *args, a=CANARY, b=CANARY):
    env = {"KEY_A": a, "KEY_B": b}
    return insidellms("run", "e.yaml", "--run-dir", "run", *args, cwd=folder, env=env)


def test_a_matrix_runs_every_model_and_repeat(folder):
    assert run(folder).code == 0
    records = records_of(folder / "run")
    assert len(records) == 2 * 20 * 2
    assert {(record["model"], record["repeat"]) for record in records} == {(m, r) for m in "ab" for r in (0, 1)}


def test_what_is_done_survives_a_bad_second_model_and_is_not_asked_again(folder, server):
    done = run(folder, b="sk-wrong-0123456789abcdef")
    assert done.code == 1
    assert "KEY_B" in done.err
    assert "--resume" in done.err
    answered = sum(1 for body in server.bodies if body["model"] == "one")
    before = len(server.prompts)
    assert run(folder, "--resume").code == 0
    again = sum(1 for body in server.bodies[before:] if body["model"] == "one")
    assert answered + again == 40
    assert len(records_of(folder / "run")) == 80


OPTIONS = [
    (),
    ("--overwrite",),
    ("--shard", "1/2"),
    ("--processes", "2"),
    ("--processes", "2", "--overwrite"),
    ("--record", "new/c.jsonl"),
    ("--compress",),
    ("--batch",),
]


def files(folder):
    return {path: path.is_dir() or path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_a_key_that_is_refused_leaves_what_was_there_and_the_next_try_needs_no_more(folder, options):
    if "--overwrite" in options:
        assert run(folder).code == 0
    before = files(folder)
    done = run(folder, *options, a="sk-wrong", b="sk-wrong")
    assert (done.code, "check the key" in done.err, "--resume" in done.err) == (1, True, False), done.err
    assert files(folder) == before
    if "--batch" not in options:
        assert run(folder, *options).code == 0


@pytest.mark.parametrize("options", [(), ("--overwrite",), ("--processes", "2")], ids=" ".join)
def test_a_key_that_is_refused_leaves_nothing_at_a_url(folder, server, store, options):
    """The answer takes so long that what is there by then was uploaded."""

    def run_at(key):
        env = {"KEY_A": key, "KEY_B": key, **store.machine(folder / "cache")}
        return insidellms("run", "e.yaml", "--run-dir", store.at("run"), *options, cwd=folder, env=env)

    if "--overwrite" in options:
        assert run_at(CANARY).code == 0
    before = {key: store.get(key) for key in store.all_keys() if not key.endswith("writer.json")}
    server.latency_s = 1.5
    done = run_at("sk-wrong")
    assert (done.code, "check the key" in done.err, "--resume" in done.err) == (1, True, False), done.err
    kept = {key: store.get(key) for key in store.all_keys()}
    assert {key: data for key, data in kept.items() if not key.endswith("writer.json")} == before
    assert ("run/writer.json" in kept) == bool(before)
    server.latency_s = 0
    assert run_at(CANARY).code == 0


def test_a_missing_key_is_told_before_anything_is_spent(tmp_path):
    text = EXPERIMENT.replace("http://127.0.0.1:PORT/v1", "https://example.invalid/v1")
    write_files(tmp_path, {"e.yaml": text, "data.jsonl": ROWS})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 1
    assert "KEY_A" in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("fault", [None, "401", "500", "garbage", "truncated"])
def test_a_key_reaches_no_file_log_or_message(folder, server, fault):
    if fault:
        server.faults = [type(server)(faults=[{"kind": fault, "share": 0.3, "times": 3}]).faults[0]]
    done = run(folder, "--verbose", "--log-format", "json")
    seen = done.out + done.err
    for path in (folder / "run").iterdir():
        seen += path.read_bytes().decode("utf-8", "replace")
    assert CANARY not in seen


def test_logs_are_json_lines_with_the_fields_that_a_query_needs(folder):
    done = run(folder, "--log-level", "debug", "--log-format", "json", "--quiet")
    lines = [json.loads(line) for line in done.err.splitlines()]
    messages = [line["message"] for line in lines]
    assert "run started" in messages
    assert "run sealed" in messages
    trials = [line for line in lines if line["message"].startswith("trial finished")]
    assert len(trials) == 80
    assert {"level", "logger", "time", "model", "probe", "example_id"} <= set(trials[0])
    assert all("run_id" in line for line in lines if line["message"].startswith("run "))


def test_nothing_is_logged_unless_asked(folder):
    done = run(folder, "--quiet")
    assert done.err == ""


def test_a_model_of_ones_own_is_looked_up_beside_the_experiment(tmp_path):
    model = "{type: embedded, args: {model_name: mine, path: models/own.gguf, max_tokens: 2}}"
    probe = "{type: contains, args: {any: [a]}}"
    text = f"name: own\nmodel: {model}\nprobe: {probe}\ndataset: {{examples: [{{id: a, prompt: Hello}}]}}\n"
    write_files(tmp_path, {"below/e.yaml": text, "below/models/README": ""})
    (tmp_path / "below" / "models" / "own.gguf").symlink_to(*weights.find("smollm2"))
    done = insidellms("run", "below/e.yaml", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 0, done.err
    assert records_of(tmp_path / "run")[0]["response"]["model"] == "mine"
