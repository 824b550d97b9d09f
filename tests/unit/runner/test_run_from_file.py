"""Experiment files run from Python."""

import asyncio
import json

import pytest

from insideLLMs.core.errors import ConfigError
from insideLLMs.runner import RunConfig, run_experiment_from_config

EXPERIMENT = {
    "models": [
        {"type": "dummy", "id": "right", "args": {"canned_response": "yes"}},
        {"type": "dummy", "id": "broken", "args": {"canned_response": "no", "failures": {"b": "timeout"}}},
    ],
    "probes": [{"type": "contains", "args": {"any": ["yes"]}}],
    "dataset": {"format": "jsonl", "path": "data.jsonl"},
    "execution": {"concurrency": 2, "max_attempts": 1},
}
ROWS = [{"id": "2", "prompt": "b"}, {"id": "1", "prompt": "a"}]


@pytest.fixture
def file(tmp_path):
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(EXPERIMENT))
    return path


def test_a_file_gives_all_results_by_model_then_in_input_order(file):
    results = run_experiment_from_config(file)
    assert [(one["metadata"]["model"], one["input"], one["status"]) for one in results] == [
        ("right", "b", "success"),
        ("right", "a", "success"),
        ("broken", "b", "timeout"),
        ("broken", "a", "success"),
    ]
    assert [one["scores"].get("correct") for one in results] == [1.0, 1.0, None, 0.0]


def test_a_mapping_is_read_like_a_file_in_the_working_folder(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert len(run_experiment_from_config(EXPERIMENT)) == 4


def test_return_experiment_gives_one_result_for_each_model_and_probe(file):
    right, broken = run_experiment_from_config(str(file), return_experiment=True)
    assert (right.model.name, right.score.accuracy) == ("dummy", 1.0)
    assert broken.score.accuracy == 0.0
    assert broken.summary.statuses["timeout"] == 1


def test_what_is_set_in_python_wins_over_the_file_and_the_rest_stays(file):
    seen = []
    results = run_experiment_from_config(
        file, config=RunConfig(repeats=2), progress_callback=lambda current, total: seen.append((current, total))
    )
    assert len(results) == 8
    assert seen == [(number, 8) for number in range(1, 9)]


def test_it_stores_and_resumes(file, tmp_path):
    run_experiment_from_config(file, run_dir=tmp_path / "run")
    seen = []
    run_experiment_from_config(file, run_dir=tmp_path / "run", resume=True, progress_callback=lambda *c: seen.append(c))
    assert seen == [(4, 4)]


def test_it_works_inside_a_running_loop(file):
    async def notebook():
        return run_experiment_from_config(file)

    assert len(asyncio.run(notebook())) == 4


def test_a_bad_experiment_and_a_bad_setting_are_refused(file):
    with pytest.raises(ConfigError):
        run_experiment_from_config({**EXPERIMENT, "modles": []})
    with pytest.raises(ValueError, match="concurrency is 0"):
        run_experiment_from_config(file, concurrency=0)
    with pytest.raises(TypeError, match="did you mean 'repeats'"):
        run_experiment_from_config(file, repeat=2)
