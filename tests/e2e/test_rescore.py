"""Scoring stored answers again: no call, an ordinary run directory, and the same bytes where nothing changed."""

import json
import subprocess
import time

import pytest

from support.command import canonical_bytes, command_line, environment, equal_run, insidellms, records_of, write_files
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
    equal_run(folder / "other", "same_as_other")
    assert insidellms("diff", "other", "same_as_other", "--fail-on", "changes", cwd=folder).code in {0, 4}


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


HANGING = """
name: hanging
model: {type: m.py:Model}
probe: {type: regex, args: {pattern: "PATTERN"}}
dataset: {format: jsonl, path: data.jsonl}
execution: {concurrency: 2}
"""
MODEL = """
import asyncio, os
class Model:
    def __init__(self, name="m"):
        self.name = name
    async def agenerate(self, prompt, **options):
        with open("asked", "a") as log:
            log.write(prompt)
        if prompt == "d" and os.path.exists("hangs"):
            await asyncio.Event().wait()
        return "a" * 40 + "!" if prompt == "c" else "aa"
"""
FIXED = '{"type": "regex", "args": {"pattern": "^a+!?$"}}'


def files(pattern):
    return {"e.yaml": HANGING.replace("PATTERN", pattern), "m.py": MODEL}


def killed_run(folder, names):
    """Kill a run while a pattern goes on for ever on the answer to c, and the call for d has no answer."""
    questions = [{"id": name, "prompt": name} for name in names]
    write_files(folder, {"data.jsonl": questions, "hangs": "", **files("^(a|a)+$")})
    process = subprocess.Popen(command_line("run", "e.yaml", "--run-dir", "half"), cwd=folder, env=environment())
    journal = folder / "half" / "journal.jsonl"
    while not (journal.exists() and b"a!" in journal.read_bytes() and ("d" in names) == (b"d" in log(folder))):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    (folder / "asked").unlink()
    (folder / "hangs").unlink()
    return folder


def log(folder):
    return (folder / "asked").read_bytes()


@pytest.fixture
def killed(tmp_path):
    return killed_run(tmp_path, "abcde")


def test_the_answers_of_an_unfinished_run_are_scored_again_and_it_can_go_on(killed):
    before = (killed / "half" / "journal.jsonl").read_bytes()
    done = insidellms("rescore", "half", "--probe", FIXED, "--to", "fixed", "--json", cwd=killed)
    assert done.code == 0, done.err
    answers = done.json["scored"]
    assert (done.json["finished"], done.json["trials"]) == (False, 5)
    [summed] = done.json["summary"]["results"]
    assert summed["passed"] == answers == before.count(b'"answer":')
    assert "not finished" in done.err
    assert "--run-dir fixed --resume" in done.err
    assert (killed / "half" / "journal.jsonl").read_bytes() == before
    assert not (killed / "asked").exists()
    assert insidellms("report", "fixed", cwd=killed).code == 1, "it must not pass for a finished run"

    write_files(killed, files("^a+!?$"))
    done = insidellms("run", "e.yaml", "--run-dir", "fixed", "--resume", cwd=killed)
    assert done.code == 0, done.err
    assert len((killed / "asked").read_text()) == 5 - answers, "no answer is asked for twice"
    insidellms("run", "e.yaml", "--run-dir", "whole", cwd=killed)
    assert canonical_bytes(killed / "fixed") == canonical_bytes(killed / "whole")


def test_a_run_of_which_only_scores_are_missing_is_finished_by_scoring(tmp_path):
    killed_run(tmp_path, "c")
    done = insidellms("rescore", "half", "--probe", FIXED, "--to", "fixed", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "not finished" not in done.err
    assert [record["scores"]["passed"] for record in records_of(tmp_path / "fixed")] == [True]
    assert insidellms("verify", "fixed", cwd=tmp_path).code == 0


def test_an_unfinished_run_without_an_answer_has_nothing_to_score(killed):
    journal = killed / "half" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    done = insidellms("rescore", "half", "--probe", FIXED, "--to", "fixed", cwd=killed)
    assert done.code == 1
    assert "no answers" in done.err
    assert not (killed / "fixed").exists()


@pytest.mark.parametrize("run", ["half", "paid"])
def test_a_run_is_never_replaced_by_its_own_scores(killed, folder, run):
    where = killed if run == "half" else folder
    before = {path.name: path.read_bytes() for path in (where / run).iterdir()}
    done = insidellms("rescore", run, "--probe", FIXED, "--to", f"../{where.name}/{run}", "--overwrite", cwd=where)
    assert done.code == 1
    assert "is the run itself" in done.err
    assert {path.name: path.read_bytes() for path in (where / run).iterdir()} == before


def test_a_probe_that_shares_answers_is_told_where_the_others_are(killed):
    two = HANGING.replace("probe: ", "probes:\n  - {type: contains, id: first, args: {any: [a]}}\n  - ")
    (killed / "asked").touch()
    write_files(
        killed, {"hangs": "", "e.yaml": two.replace("PATTERN", "^(a|a)+$").replace("regex,", "regex, id: regex,")}
    )
    process = subprocess.Popen(command_line("run", "e.yaml", "--run-dir", "two"), cwd=killed, env=environment())
    journal = killed / "two" / "journal.jsonl"
    while not (journal.exists() and b"a!" in journal.read_bytes() and b"d" in log(killed)):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    done = insidellms("rescore", "two", "--of", "regex", "--probe", FIXED, "--to", "some", cwd=killed)
    assert "probe 'first' has 3 answers; if it asks the same, score those: --of first" in done.err
    done = insidellms("rescore", "two", "--of", "first", "--probe", FIXED, "--to", "all", "--json", cwd=killed)
    assert done.json["scored"] == 3
