"""Every built-in probe is reached by its name through the real command."""

import json

import pytest

from insideLLMs.plugins import PROBES
from support.command import insidellms, records_of, write_files

ANSWERS = {"Capital": "Paris", "JSON": '{"name": "Ada"}', "sum": "42.004", "You grade": '{"score": 4}'}
MODEL = {"type": "dummy", "args": {"responses": ANSWERS}}


def run(folder, probe, examples):
    experiment = {"models": [MODEL], "probes": [{**probe, "dataset": {"name": "own", "examples": examples}}]}
    write_files(folder, {"experiment.json": json.dumps(experiment)})
    done = insidellms("run", "experiment.json", "--run-dir", "out", cwd=folder)
    assert done.code == 0, done.err
    return records_of(folder / "out")


TALK = [{"turns": ["Hello", {"user": "Capital of France?", "expected": "Paris"}]}]
CAPITAL = [{"prompt": "Capital of France?", "expected": "Paris"}]
JSON = [{"prompt": "JSON please", "expected": "Ada"}]
WITHOUT_A_DATASET = {
    "equals": ({}, CAPITAL),
    "contains": ({}, CAPITAL),
    "conversation": ({}, TALK),
    "regex": ({"pattern": "^P.*s$"}, CAPITAL),
    "numeric": ({"tolerance": 0.01}, [{"prompt": "The sum?", "expected": 42}]),
    "f1": ({}, CAPITAL),
    "rouge": ({}, CAPITAL),
    "edit_similarity": ({}, CAPITAL),
    "embedding_similarity": ({}, CAPITAL),
    "usage": ({"max_characters": 9}, CAPITAL),
    "json_schema": ({"schema": {"required": ["name"]}}, JSON),
    "json_path": ({"path": "$.name"}, JSON),
    "citations": ({"optional": True}, [{**CAPITAL[0], "context": ["Paris is the capital."]}]),
    "function": ({"function": "checks.py:short"}, CAPITAL),
    "checks": ({"checks": [{"type": "function", "function": "checks.py:short"}, {"type": "equals"}]}, CAPITAL),
}
WITH_ARGUMENTS = {"agent": {"protocol": "text", "max_turns": 2}}


@pytest.mark.parametrize("name", WITHOUT_A_DATASET)
def test_a_check_is_one_line_of_the_experiment(name, tmp_path):
    write_files(tmp_path, {"checks.py": "def short(text, example):\n    return len(text) < 9\n"})
    arguments, examples = WITHOUT_A_DATASET[name]
    (record,) = run(tmp_path, {"type": name, "args": arguments}, examples)
    assert record["scores"]["passed"] is True, record


def test_answers_are_recorded_without_a_score(tmp_path):
    (record,) = run(tmp_path, {"type": "record"}, CAPITAL)
    assert (record["scores"]["passed"], record["scores"]["values"]) == (None, {})
    assert record["response"]["text"] == "Paris"


OF_A_SERVER = "mcp_contract"  # test_mcp_servers runs it over one


@pytest.mark.parametrize("name", [name for name in PROBES if name not in {*WITHOUT_A_DATASET, "record", OF_A_SERVER}])
def test_every_other_built_in_probe_brings_examples_and_runs_without_a_dataset(name, tmp_path):
    probe = {"type": name, "args": WITH_ARGUMENTS.get(name, {})}
    write_files(tmp_path, {"e.json": json.dumps({"models": [MODEL], "probes": [probe]})})
    done = insidellms("run", "e.json", "--run-dir", "out", cwd=tmp_path)
    assert done.code == 0, done.err
    records = records_of(tmp_path / "out")
    assert len(records) >= 50
    assert {record["status"] for record in records} == {"success"}
    assert all(record["scores"]["values"] for record in records)


def test_a_function_beside_the_experiment_scores_and_its_code_names_the_run(tmp_path):
    probe = {"type": "function", "args": {"function": "checks.py:short"}}
    write_files(tmp_path, {"checks.py": "def short(text, example):\n    return len(text) < 9\n"})
    (record,) = run(tmp_path, probe, CAPITAL)
    assert record["scores"]["values"] == {"correct": 1.0}
    first = json.loads((tmp_path / "out" / "manifest.json").read_text())["run_id"]
    write_files(tmp_path, {"checks.py": "def short(text, example):\n    return len(text) < 3\n"})
    (tmp_path / "out").rename(tmp_path / "before")
    (record,) = run(tmp_path, probe, CAPITAL)
    assert record["scores"]["values"] == {"correct": 0.0}
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["run_id"] != first


def test_a_function_that_is_not_there_is_told_before_anything_is_asked(tmp_path):
    write_files(
        tmp_path,
        {
            "e.yaml": "model: dummy\nprobe: {type: function, args: {function: 'checks.py:short'}}\n"
            "dataset: {examples: [{prompt: x}]}\n"
        },
    )
    done = insidellms("run", "e.yaml", cwd=tmp_path)
    assert done.code == 1
    assert "checks.py" in done.err


def judged(folder, judge_model):
    judge = {"type": "dummy", "args": {"name": judge_model, "responses": {"You grade": '{"score": 4}'}}}
    probe = {"type": "judge", "args": {"judges": judge, "rubric": "Is it right?"}}
    (record,) = run(folder, probe, [{**CAPITAL[0], "label": True}])
    return record, json.loads((folder / "out" / "manifest.json").read_text())["run_id"]


def test_a_judge_scores_and_which_judge_names_the_run(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    record, run_id = judged(tmp_path / "one", "first")
    assert record["scores"]["values"] == {"correct": 1.0, "score": 0.75, "agreement": 1.0, "agrees": 1.0}
    assert judged(tmp_path / "two", "second")[1] != run_id


def test_info_tells_how_well_the_refusal_detector_was_measured_to_do(tmp_path):
    told = insidellms("info", "attack", "--json", cwd=tmp_path).json
    assert told["measured"]["held_out_sensitivity"]["value"] >= 0.9
    assert "held_out_specificity" in insidellms("info", "attack", cwd=tmp_path).out
