"""run --early-stop: a clear verdict costs fewer calls, and the run can be completed afterwards."""

from collections import Counter

import pytest

from support.command import insidellms, records_of, write_files

EXPERIMENT = """
name: early
model: {type: dummy, id: m, args: {responses: {good: "yes", hard: "ANSWER"}, flaky: 0.05, seed: SEED}}
probe: {type: logic}
dataset: {format: jsonl, path: data.jsonl}
"""
ROWS = [{"id": f"e{i:03}", "question": f"{'hard' if i % 3 == 0 else 'good'} {i}?", "answer": "yes"} for i in range(400)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("early")
    files = {"data.jsonl": ROWS}
    for name, (answer, seed) in {"base": ("yes", 1), "same": ("yes", 2), "worse": ("no", 3)}.items():
        files[f"{name}.yaml"] = EXPERIMENT.replace("ANSWER", answer).replace("SEED", str(seed))
    write_files(folder, files)
    assert insidellms("run", "base.yaml", "--run-dir", "base", cwd=folder).code == 0
    return folder


def test_a_clear_drop_stops_at_a_quarter_with_the_gates_exit_code(folder):
    done = insidellms("run", "worse.yaml", "--run-dir", "worse", "--early-stop", "--baseline", "base", cwd=folder)
    assert done.code == 3, done.err
    assert "look at 25%: 100 items" in done.err
    assert "FAILED  worse, beyond doubt, at 25%; 300 trials were not asked" in done.out
    assert Counter(each["status"] for each in records_of(folder / "worse")) == {"success": 100, "skipped": 300}
    assert insidellms("verify", "worse", cwd=folder).code == 0


def test_a_stopped_run_can_be_completed(folder):
    insidellms("run", "worse.yaml", "--run-dir", "later", "--early-stop", "--baseline", "base", cwd=folder)
    assert insidellms("diff", "base", "later", cwd=folder).code == 4
    assert insidellms("run", "worse.yaml", "--run-dir", "later", "--resume", cwd=folder).code == 0
    assert {each["status"] for each in records_of(folder / "later")} == {"success"}
    assert insidellms("diff", "base", "later", cwd=folder).code == 3


def test_an_unchanged_model_stops_for_futility_and_passes(folder):
    done = insidellms("run", "same.yaml", "--run-dir", "same", "--early-stop", "--baseline", "base", cwd=folder)
    assert done.code == 0, done.err
    assert "PASSED" in done.out


def test_early_stop_needs_a_baseline(folder):
    done = insidellms("run", "same.yaml", "--run-dir", "x", "--early-stop", cwd=folder)
    assert (done.code, "go together" in done.err) == (1, True)
