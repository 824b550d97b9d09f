"""Equal requests of a run are asked once: the calls that reach the server, what is counted, and what a crash costs."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter

import pytest

from insideLLMs.api.answers import AnswerOptions
from insideLLMs.api.run import RunOptions, arun
from insideLLMs.core.experiment import DatasetSpec, ExecutionSpec, Experiment, ModelSpec, ProbeSpec, PromptSpec
from support.command import canonical_bytes, insidellms, records_of, started, write_files
from support.openai_server import OpenAIServer

KILLS = int(os.environ.get("INSIDELLMS_TEST_KILLS", "5"))
"""How many times the run is killed; the acceptance figure is 20."""
CONCURRENCY = 8
PROBES = """
  - {type: contains, args: {any: [echo]}}
  - {type: regex, args: {pattern: Question}}
  - {type: usage, args: {max_characters: 200}}
"""
EXPERIMENT = """
name: shared
models:
  - {type: openai, id: a, args: {model_name: stub-a, base_url: 'BASE'}}
  - {type: openai, id: b, args: {model_name: stub-b, base_url: 'BASE'}}
probes:PROBES
dataset: {path: data.jsonl}
execution: {concurrency: 64, prices: {a: {input: 1, output: 2}, b: {input: 1, output: 2}}}
EXTRA
"""
ROWS = [{"id": f"e{i:02}", "prompt": f"Question {i}"} for i in range(20)]


@pytest.fixture
def server():
    with OpenAIServer(latency_s=0.005) as running:
        yield running


def write(folder, server, *, probes=PROBES, rows=ROWS, extra="", **files):
    text = EXPERIMENT.replace("BASE", server.base_url).replace("PROBES", probes).replace("EXTRA", extra)
    write_files(folder, {"e.yaml": text, "data.jsonl": rows, **files})


def run(folder, name, *args):
    done = insidellms("run", "e.yaml", "--run-dir", name, *args, cwd=folder, env={"INSIDELLMS_CACHE": str(folder)})
    assert done.code == 0, done.err
    return done


def summary_of(folder, name):
    return json.loads((folder / name / "summary.json").read_bytes())


def test_three_checks_of_one_request_are_one_call(tmp_path, server):
    write(tmp_path, server)
    done = run(tmp_path, "r")
    assert server.requests == 2 * len(ROWS)
    records = records_of(tmp_path / "r")
    assert Counter((r["probe"], json.dumps(r.get("shared_with"))) for r in records) == {
        ("contains", "null"): 40, ("regex", '{"probe": "contains"}'): 40, ("usage", '{"probe": "contains"}'): 40,
    }  # fmt: skip
    texts = {(r["example_id"], r["model"]): r["response"]["text"] for r in records}
    assert all(r["response"]["text"] == texts[r["example_id"], r["model"]] for r in records)
    assert "80 shared an answer that another trial asked for" in done.out


@pytest.mark.parametrize("cache", ["off", "read", "refresh"])
def test_whatever_the_cache_each_distinct_request_is_one_call(tmp_path, server, cache):
    write(tmp_path, server, rows=[*ROWS, {"id": "again", "prompt": "Question 3", "expected": "other"}])
    run(tmp_path, "r", "--cache", cache)
    assert server.requests == 2 * len(ROWS)


def test_equal_requests_of_other_datasets_and_of_a_copied_file_are_not_asked_again(tmp_path, server):
    probes = PROBES + "  - {type: regex, id: part, args: {pattern: Q}, dataset: {path: part.jsonl}}\n"
    probes += "  - {type: regex, id: copy, args: {pattern: Q}, dataset: {path: copy.jsonl}}\n"
    part = [{"id": "other-name", "prompt": "Question 7"}, {"id": "new", "prompt": "New"}]
    write(tmp_path, server, probes=probes, **{"part.jsonl": part, "copy.jsonl": ROWS})
    run(tmp_path, "r")
    assert server.requests == 2 * (len(ROWS) + 1)
    shared = {(r["probe"], r["example_id"]): r.get("shared_with") for r in records_of(tmp_path / "r")}
    assert shared["part", "other-name"] == {"probe": "contains", "dataset": "data", "example_id": "e07"}
    assert shared["part", "new"] is None
    assert shared["copy", "e05"] == {"probe": "contains", "dataset": "data"}


def test_other_options_are_another_request(tmp_path, server):
    write(
        tmp_path,
        server,
        probes=PROBES + "  - {type: contains, id: other, args: {any: [q], template: 'Hm: {{ input }}'}}\n",
    )
    run(tmp_path, "r")
    assert server.requests == 2 * 2 * len(ROWS)


def test_repeats_are_asked_for_themselves(tmp_path, server):
    write(tmp_path, server, extra="repeats: 3")
    run(tmp_path, "r", "--cache", "read")
    assert server.requests == 3 * 2 * len(ROWS)


def test_independent_answers_are_asked_for_every_check_and_are_another_run(tmp_path, server):
    write(tmp_path, server)
    run(tmp_path, "shared")
    write(tmp_path, server, extra="independent_answers: true")
    before = server.requests
    run(tmp_path, "r", "--cache", "read")
    assert server.requests - before == 3 * 2 * len(ROWS)
    run(tmp_path, "again", "--cache", "read")
    assert server.requests - before == 3 * 2 * len(ROWS)
    assert canonical_bytes(tmp_path / "r") == canonical_bytes(tmp_path / "again")
    assert not any("shared_with" in record for record in records_of(tmp_path / "r"))
    assert summary_of(tmp_path, "r")["run_id"] != summary_of(tmp_path, "shared")["run_id"]


def test_tokens_and_costs_count_once(tmp_path, server):
    write(tmp_path, server)
    done = run(tmp_path, "r", "--json")
    told = {(r["probe"], r["model"]): (r["usage"], r.get("shared")) for r in summary_of(tmp_path, "r")["results"]}
    assert told["contains", "a"] == ({"input_tokens": 40, "output_tokens": 60}, None)
    assert told["regex", "a"] == ({}, 20)
    for model in done.json["telemetry"]["models"]:
        assert (model["trials"], model["asked"], model["calls"], model["shared"]) == (60, 20, 20, 40)
        assert (model["input_tokens"], model["output_tokens"]) == (40, 60)
        assert model["cost_usd"] == pytest.approx((40 * 1 + 60 * 2) / 1e6)
    assert insidellms("export", "r", "--output", "r.csv", cwd=tmp_path).code == 0
    table = (tmp_path / "r.csv").read_text().splitlines()
    names = table[0].split(",")
    counted = [row.split(",")[names.index("input_tokens")] for row in table[1:]]
    assert sum(map(int, filter(None, counted))) == 80


def test_a_dry_run_tells_the_calls_that_would_be_made(tmp_path, server):
    write(tmp_path, server)
    told = insidellms("run", "e.yaml", "--dry-run", cwd=tmp_path)
    assert "40 calls for 120 trials" in told.out
    assert "  a: 20 calls" in told.out
    assert server.requests == 0


def test_a_budget_counts_an_answer_once_and_again_on_resume(tmp_path, server):
    write(tmp_path, server)
    spent = 2 * len(ROWS) * 5  # two tokens in and three out, each
    run(tmp_path, "r", "--set", f"execution.max_tokens={spent + 1}")
    stopped = insidellms(
        "run",
        "e.yaml",
        "--run-dir",
        "s",
        "--set",
        "execution.max_tokens=60",
        "--set",
        "execution.concurrency=1",
        cwd=tmp_path,
    )
    assert stopped.code == 1
    assert "the budget of 60 tokens is spent" in stopped.err
    run(tmp_path, "s", "--resume", "--set", f"execution.max_tokens={spent + 1}")
    assert canonical_bytes(tmp_path / "s") == canonical_bytes(tmp_path / "r")
    assert server.requests == 2 * 2 * len(ROWS)


def test_one_failed_call_is_the_outcome_of_all_that_needed_it(tmp_path):
    with OpenAIServer(faults=[{"kind": "redirect", "match": "Question 3", "times": 99}]) as server:
        write(tmp_path, server)
        run(tmp_path, "r", "--set", "execution.max_attempts=1")
        failed = [r for r in records_of(tmp_path / "r") if r["status"] == "error"]
        assert Counter(r["probe"] for r in failed) == {"contains": 2, "regex": 2, "usage": 2}
        assert len({json.dumps(r["failure"], sort_keys=True) for r in failed}) == 1
        assert server.requests == 2 * len(ROWS)
        server.faults.clear()
        run(tmp_path, "r", "--resume")
        assert server.requests == 2 * len(ROWS) + 2
        assert all(r["status"] == "success" for r in records_of(tmp_path / "r"))


def test_an_asker_whose_scorer_failed_takes_the_answer_that_others_kept(tmp_path, server):
    picky = "  - {type: 'picky.py:Picky', id: a-picky}\n"
    code = (
        "import pathlib\nfrom insideLLMs import PromptProbe\nfrom insideLLMs.core.types import Scores\n"
        "class Picky(PromptProbe):\n    def score(self, example, response):\n"
        f"        return Scores.of(pathlib.Path({str(tmp_path / 'fixed')!r}).read_text() == '')\n"
    )
    write(tmp_path, server, probes=PROBES + picky, **{"picky.py": code})
    run(tmp_path, "r")
    before = [r for r in records_of(tmp_path / "r") if r["probe"] == "a-picky"]
    assert all(r["status"] == "error" for r in before)
    (tmp_path / "fixed").write_text("")
    run(tmp_path, "r", "--resume")
    assert server.requests == 2 * len(ROWS)
    after = [r for r in records_of(tmp_path / "r") if r["probe"] == "a-picky"]
    assert all(r["status"] == "success" for r in after)
    assert [r["response"] for r in after] == [r["response"] for r in before]


def test_a_cassette_has_one_exchange_for_a_shared_answer_and_replays_the_same_bytes(tmp_path, server):
    write(tmp_path, server)
    run(tmp_path, "r", "--record", "answers.jsonl")
    assert len((tmp_path / "answers.jsonl").read_bytes().splitlines()) == 2 * len(ROWS)
    before = server.requests
    run(tmp_path, "s", "--replay", "answers.jsonl")
    assert server.requests == before
    assert canonical_bytes(tmp_path / "r") == canonical_bytes(tmp_path / "s")


def test_answers_that_are_rescored_by_two_probes_count_once(tmp_path, server):
    write(tmp_path, server)
    run(tmp_path, "r")
    probes = ({"type": "contains", "args": {"any": ["echo"]}}, {"type": "regex", "args": {"pattern": "echo"}})
    two = [arg for probe in probes for arg in ("--probe", json.dumps(probe))]
    done = insidellms("rescore", "r", "--of", "usage", *two, "--to", "s", cwd=tmp_path)
    assert done.code == 0, done.err
    told = {(r["probe"], r["model"]): (r["usage"], r.get("shared")) for r in summary_of(tmp_path, "s")["results"]}
    assert told["contains", "a"] == ({"input_tokens": 40, "output_tokens": 60}, None)
    assert told["regex", "a"] == ({}, 20)


def test_an_early_stop_asks_whole_questions(tmp_path, server):
    rows = [{"id": f"e{i:03}", "prompt": f"Question {i}"} for i in range(80)]
    write(tmp_path, server, rows=rows)
    run(tmp_path, "base")
    write(tmp_path, server, rows=rows, probes=PROBES.replace("echo", "nothing"))
    before = server.requests
    done = insidellms("run", "e.yaml", "--run-dir", "r", "--early-stop", "--baseline", "base", cwd=tmp_path)
    assert done.code == 3, done.err
    records = records_of(tmp_path / "r")
    statuses = {}
    for record in records:
        statuses.setdefault((record["example_id"], record["model"]), set()).add(record["status"])
    assert all(len(found) == 1 for found in statuses.values())
    assert server.requests - before == sum(found == {"success"} for found in statuses.values()) < 160


def test_five_prompts_four_models_three_checks_and_forty_examples_are_800_calls(tmp_path, server, monkeypatch):
    monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path))
    models = (
        ModelSpec(type="openai", id=f"m{n}", args={"model_name": f"s{n}", "base_url": server.base_url})
        for n in range(4)
    )
    probes = (("contains", {"any": ["echo"]}), ("regex", {"pattern": "Q"}), ("usage", {"max_characters": 200}))
    experiment = Experiment(
        name="calls",
        models=tuple(models),
        prompts=tuple(PromptSpec(id=f"p{n}", template=f"Style {n}: {{{{ input }}}}") for n in range(5)),
        probes=tuple(ProbeSpec(type=kind, id=kind, args=args, datasets=("d",)) for kind, args in probes),
        datasets=(
            DatasetSpec(name="d", format="inline", examples=tuple({"prompt": f"Question {n}"} for n in range(40))),
        ),
        execution=ExecutionSpec(concurrency=64),
    )
    options = RunOptions(run_dir=tmp_path / "r", answers=AnswerOptions(cache="read"))
    ready = asyncio.run(arun(experiment, folder=tmp_path, options=options))
    assert ready.summary.trials == 2400
    assert server.requests == 800


def test_kill_nine_at_random_moments_changes_no_byte_and_asks_no_shared_answer_again(tmp_path, server):
    slow = "  - {type: 'slow.py:Slow', id: slow}\n"
    code = (
        "import time\nfrom insideLLMs import PromptProbe\nfrom insideLLMs.core.types import Scores\n"
        "class Slow(PromptProbe):\n    def score(self, example, response):\n        time.sleep(0.01)\n"
        "        return Scores.of(True)\n"
    )
    rows = [{"id": f"e{i:03}", "prompt": f"Question {i % 110}"} for i in range(120)]
    write(tmp_path, server, probes=PROBES + slow, rows=rows, **{"slow.py": code})
    limit = "--set", f"execution.concurrency={CONCURRENCY}"
    run(tmp_path, "whole", *limit)
    whole, distinct = canonical_bytes(tmp_path / "whole"), 2 * 110
    assert server.requests == distinct
    chance = random.Random(20261128)
    kills = 0
    for number in range(2 * KILLS):
        name, before, killed = f"run{number}", server.requests, 0
        while True:
            again = ["--resume"] if (tmp_path / name).exists() else []
            process = started("run", "e.yaml", "--run-dir", name, *limit, *again, cwd=tmp_path)
            if kills < KILLS:
                wanted = server.requests + chance.randrange(distinct // 2)
                while server.requests < wanted and process.poll() is None:
                    time.sleep(0.002)
                time.sleep(chance.random() * 0.03)
                process.kill()
            _, err = process.communicate(timeout=60)
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL, err
            kills, killed = kills + 1, killed + 1
        assert canonical_bytes(tmp_path / name) == whole
        extra = server.requests - before - distinct
        assert 0 <= extra <= killed * 2 * CONCURRENCY, (extra, killed)
        if kills == KILLS:
            break
    assert kills == KILLS


@pytest.mark.parametrize("baseline", ["", "independent_answers: true"])
def test_growth_counts_an_answer_once_also_against_a_run_that_did_not_share(tmp_path, server, baseline):
    write(tmp_path, server, extra=baseline)
    run(tmp_path, "before")
    server.reply_fields = {"usage": {"prompt_tokens": 4, "completion_tokens": 9}}
    write(tmp_path, server)
    run(tmp_path, "after")
    found = insidellms(
        "diff", "before", "after", "--max-growth", "output_tokens=0.5", "--json", "--limit", 0, cwd=tmp_path
    ).json
    (grown,) = found["verdict"]["growth"]
    assert (grown["n"], grown["state"]) == (2 * len(ROWS), "failed")
    usage = found["comparison"]["usage"]
    assert (usage["trials"], usage["candidate_output_tokens"]) == (2 * len(ROWS), 9 * 2 * len(ROWS))
