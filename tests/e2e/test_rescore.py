"""Scoring stored answers anew: no call, an ordinary run directory, and the same bytes where nothing changed."""

import json

import pytest

from support.command import insidellms, records_of, write_files
from support.openai_server import OpenAIServer

EXPERIMENT = """
name: paid
models:
  - {type: openai, id: a, args: {model_name: stub-a, base_url: 'BASE'}, system: Be brief.}
  - {type: openai, id: b, args: {model_name: stub-b, base_url: 'BASE'}}
probe: {type: contains, args: {any: ["7"]}}
dataset: {format: jsonl, path: data.jsonl}
repeats: 2
max_examples: 9
execution: {max_attempts: 1}
"""
ROWS = [{"id": f"e{i:02}", "prompt": f"Question {i}", "topic": "numbers"} for i in range(12)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("rescore")
    with OpenAIServer(faults=[{"kind": "500", "match": "Question 3", "times": 99}]) as server:
        write_files(path, {"e.yaml": EXPERIMENT.replace("BASE", server.base_url), "data.jsonl": ROWS})
        done = insidellms("run", "e.yaml", "--run-dir", "paid", cwd=path)
        assert done.code == 0, done.err
    return path


def rescore(folder, to, *args):
    return insidellms("rescore", "paid", "--to", to, *args, cwd=folder)


def test_the_same_probe_gives_the_same_records_and_says_where_they_came_from(folder):
    done = rescore(folder, "same", "--probe", '{"type": "contains", "args": {"any": ["7"]}}')
    assert done.code == 0, done.err
    for name in ("records.jsonl", "summary.json"):
        assert (folder / "same" / name).read_bytes() == (folder / "paid" / name).read_bytes()
    paid, same = (json.loads((folder / name / "manifest.json").read_text()) for name in ("paid", "same"))
    assert same["run_id"] == paid["run_id"]
    assert same["notes"] == {"rescored_from": paid["run_id"], "rescored_probe": "contains"}


def test_another_probe_scores_the_same_answers_and_the_result_can_be_verified_and_diffed(folder):
    probes = [
        '{"type": "contains", "id": "eights", "args": {"any": ["8"]}}',
        '{"type": "contains", "args": {"all": ["echo"]}}',
    ]
    done = rescore(folder, "other", *(part for probe in probes for part in ("--probe", probe)))
    assert done.code == 0, done.err
    records = records_of(folder / "other")
    assert {record["probe"] for record in records} == {"contains", "eights"}
    for record in records:
        wanted = "8" if record["probe"] == "eights" else "echo"
        if record["status"] == "success":
            assert record["scores"]["passed"] is (wanted in record["response"]["text"])
    assert {record["status"] for record in records} == {"success", "error"}
    assert insidellms("verify", "other", cwd=folder).code == 0
    assert insidellms("diff", "other", "other", "--fail-on", "changes", cwd=folder).code in {0, 4}


def test_no_latency_is_told_of_answers_that_were_not_asked_for(folder):
    rescore(folder, "quiet", "--probe", '{"type": "contains", "args": {"any": ["7"]}}')
    lines = [json.loads(line) for line in (folder / "quiet" / "telemetry.jsonl").read_bytes().splitlines()]
    assert all(line["cached"] and "latency_ms" not in line for line in lines)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--probe", "nonsense"), "unknown probe 'nonsense'"),
        (("--probe", '{"type": 1}'), "--probe"),
        (("--probe", "contains", "--of", "logic"), "no probe 'logic'"),
        (("--probe", "plain.py:Own"), "asks the model itself"),
    ],
)
def test_what_cannot_score_is_refused_and_nothing_is_written(folder, args, says):
    write_files(folder, {"plain.py": "class Own:\n    def run(self, model, data):\n        return ''\n"})
    done = rescore(folder, "refused", *args)
    assert done.code == 1
    assert says in done.err
    assert not (folder / "refused").exists()
