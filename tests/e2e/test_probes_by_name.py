"""Every built-in probe is reached by its name through the real command."""

import json

import pytest

from support.command import insidellms, records_of, write_files

MODEL = {"type": "dummy", "args": {"responses": {"Capital": "Paris", "JSON": '{"name": "Ada"}', "sum": "42.004"}}}


def run(folder, probe, examples):
    experiment = {"models": [MODEL], "probes": [{**probe, "dataset": {"name": "own", "examples": examples}}]}
    write_files(folder, {"experiment.json": json.dumps(experiment)})
    done = insidellms("run", "experiment.json", "--run-dir", "out", cwd=folder)
    assert done.code == 0, done.err
    return records_of(folder / "out")


CAPITAL = [{"prompt": "Capital of France?", "expected": "Paris"}]
JSON = [{"prompt": "JSON please", "expected": "Ada"}]
CHECKS = [
    ({"type": "equals"}, CAPITAL),
    ({"type": "contains"}, CAPITAL),
    ({"type": "regex", "args": {"pattern": "^P.*s$"}}, CAPITAL),
    ({"type": "numeric", "args": {"tolerance": 0.01}}, [{"prompt": "The sum?", "expected": 42}]),
    ({"type": "f1"}, CAPITAL),
    ({"type": "rouge"}, CAPITAL),
    ({"type": "edit_similarity"}, CAPITAL),
    ({"type": "embedding_similarity"}, CAPITAL),
    ({"type": "usage", "args": {"max_characters": 9}}, CAPITAL),
    ({"type": "json_schema", "args": {"schema": {"required": ["name"]}}}, JSON),
    ({"type": "json_path", "args": {"path": "$.name"}}, JSON),
]


@pytest.mark.parametrize(("probe", "examples"), CHECKS, ids=[probe["type"] for probe, _ in CHECKS])
def test_a_check_is_one_line_of_the_experiment(probe, examples, tmp_path):
    (record,) = run(tmp_path, probe, examples)
    assert record["scores"]["passed"] is True, record


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


SHIPPED = ["attack", "prompt_injection", "jailbreak", "code_generation", "code_debug", "code_explanation"]
SHIPPED += ["logic", "factuality", "bias", "multi_step_task", "instruction_following", "constraint_compliance"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_probe_that_comes_with_examples_runs_without_a_dataset(name, tmp_path):
    write_files(tmp_path, {"e.yaml": f"model: dummy\nprobes: [{{type: {name}}}]\n"})
    done = insidellms("run", "e.yaml", "--run-dir", "out", cwd=tmp_path)
    assert done.code == 0, done.err
    assert len(records_of(tmp_path / "out")) >= 50


def test_the_agent_works_through_its_own_tasks_in_text(tmp_path):
    probe = "{type: agent, args: {protocol: text, max_turns: 2}}"
    write_files(tmp_path, {"e.yaml": f"model: dummy\nprobe: {probe}\nmax_examples: 20\n"})
    done = insidellms("run", "e.yaml", "--run-dir", "out", cwd=tmp_path)
    assert done.code == 0, done.err
    records = records_of(tmp_path / "out")
    assert {record["status"] for record in records} == {"success"}
    assert all(record["response"]["value"]["calls"] == [] for record in records)


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
