"""An experiment of which every answer is known: every score, rate, denominator, count and exit code."""

import json

import pytest
from statsmodels.stats.proportion import proportion_confint

from support.command import insidellms, records_of, write_files

EXPERIMENT = """
name: known
model:
  type: dummy
  args:
    responses:
      right: "The answer is yes."
      wrong: "The answer is no."
      refuse: "I'm sorry, but I can't help with that."
    failures: {empty: empty, broken: error, late: timeout, slow down: rate_limited, stuck: hang}
probe: {type: logic}
dataset: {format: jsonl, path: questions.jsonl}
execution: {concurrency: 4, timeout_s: 3, max_attempts: 1}
"""
QUESTIONS = [
    {"id": "right-1", "question": "right: is it so?", "answer": "yes"},
    {"id": "right-2", "question": "right: is it so too?", "answer": "yes"},
    {"id": "right-3", "question": "right: and this?", "answer": "yes"},
    {"id": "wrong-1", "question": "wrong: is it so?", "answer": "yes"},
    {"id": "wrong-2", "question": "right: is it not so?", "answer": "no"},
    {"id": "refusing", "question": "refuse: is it so?", "answer": "yes"},
    {"id": "empty", "question": "empty: is it so?", "answer": "yes"},
    {"id": "error", "question": "broken: is it so?", "answer": "yes"},
    {"id": "timeout", "question": "late: is it so?", "answer": "yes"},
    {"id": "limited", "question": "slow down: is it so?", "answer": "yes"},
    {"id": "hung", "question": "stuck: is it so?", "answer": "yes"},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    write_files(folder, {"experiment.yaml": EXPERIMENT, "questions.jsonl": QUESTIONS})
    done = insidellms("run", "experiment.yaml", "--run-dir", "run", cwd=folder)
    assert done.code == 0, done.err
    return folder, done


def test_every_record_is_what_the_script_says(run):
    records = {record["example_id"]: record for record in records_of(run[0] / "run")}
    statuses = {name: record["status"] for name, record in records.items()}
    assert statuses == {
        **{row["id"]: "success" for row in QUESTIONS},
        "error": "error",
        "timeout": "timeout",
        "limited": "rate_limited",
        "hung": "timeout",
    }
    passed = {name: record["scores"]["passed"] for name, record in records.items() if record["scores"]}
    assert passed == {
        "right-1": True,
        "right-2": True,
        "right-3": True,
        "wrong-1": False,
        "wrong-2": False,
        "refusing": False,
        "empty": False,
    }
    correct = {name: record["scores"]["values"]["correct"] for name, record in records.items() if record["scores"]}
    assert correct == {name: float(value) for name, value in passed.items()}
    assert records["right-1"]["response"]["text"] == "The answer is yes."
    assert all(records[name]["failure"]["message"] for name in ("error", "timeout", "limited", "hung"))


def test_the_summary_shows_rates_with_their_denominators(run):
    summary = json.loads((run[0] / "run" / "summary.json").read_text())
    (result,) = summary["results"]
    assert summary["trials"] == result["trials"] == 11
    assert result["statuses"] == {"success": 7, "error": 1, "timeout": 2, "rate_limited": 1, "skipped": 0}
    assert (result["scored"], result["passed"]) == (7, 3)
    rate = result["pass_rate"]
    assert rate["value"] == pytest.approx(3 / 7)
    assert rate["n"] == 7
    assert (rate["low"], rate["high"]) == pytest.approx(proportion_confint(3, 7, method="wilson"), abs=1e-9)
    assert result["scores"]["answered"] == {"value": 5 / 7, "low": pytest.approx(0.263, abs=1e-3), "high": 1.0, "n": 7}


def test_the_terminal_shows_the_denominator_and_the_failures(run):
    assert "3/7" in run[1].out
    assert "1 error, 2 timeout, 1" in run[1].out
    assert "11 trials, 7 answered" in run[1].out


def test_telemetry_has_a_latency_for_every_answer(run):
    lines = [json.loads(line) for line in (run[0] / "run" / "telemetry.jsonl").read_bytes().splitlines()]
    assert [line["example_id"] for line in lines] == sorted(row["id"] for row in QUESTIONS)
    assert all(line["latency_ms"] >= 0 for line in lines if line["status"] == "success")


def test_resuming_asks_again_for_what_failed_and_only_for_that(run):
    folder, _ = run
    mended = EXPERIMENT.replace("max_attempts: 1", "max_attempts: 1, concurrency: 1").replace("concurrency: 4, ", "")
    write_files(folder, {"again.yaml": mended})
    before = records_of(folder / "run")
    done = insidellms("run", "again.yaml", "--run-dir", "run", "--resume", "--set", "name=known", cwd=folder)
    assert done.code == 0, done.err
    assert records_of(folder / "run") == before


def test_a_run_in_which_nothing_was_answered_is_an_error(tmp_path):
    write_files(
        tmp_path,
        {
            "experiment.yaml": "model: {type: dummy, args: {failures: {x: error}}}\nprobe: logic\n"
            "dataset: {format: inline, examples: [{prompt: x, answer: 'yes'}]}\nexecution: {max_attempts: 1}\n"
        },
    )
    done = insidellms("run", "experiment.yaml", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 1
    assert "none of the 1 trials was answered" in done.err
    assert "Traceback" not in done.err
