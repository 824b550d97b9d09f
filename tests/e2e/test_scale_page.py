"""The commands of docs/scale.md are run as they stand there, those that need a service against a local stand-in."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.batch_answers import answer_lines, write_lines
from support.batch_server import BatchServer
from support.command import canonical_bytes, environment, insidellms, write_files
from support.documents import ROOT, fences, recipe, typed
from support.object_store import ObjectStore

PAGE = ROOT / "docs" / "scale.md"
HERE = "here; tests/e2e/test_scale_page.py runs it as it stands"
NOT_EXECUTED = {
    "needs vLLM and a GPU",
    "needs an account",
    "both need the network and an identity provider; sigstore 4.5.1 has these commands and options",
    "a million trials take an hour on two busy cores, and 12 GB of disk",
}
"""What the page says of blocks that no test runs."""
EXPERIMENT = """
model: {type: dummy}
probe: {type: contains, args: {any: ["Ann Lee"]}}
dataset: {path: data.jsonl}
"""


@pytest.fixture
def folder(tmp_path):
    rows = [{"id": f"item-{number}", "prompt": f"Call Ann Lee, +49 30 901820, about {number}"} for number in range(20)]
    write_files(tmp_path, {"experiment.yaml": EXPERIMENT, "data.jsonl": rows, "names.txt": "Ann Lee\n"})
    assert insidellms("run", "experiment.yaml", "--run-dir", "whole", cwd=tmp_path).code == 0
    return tmp_path


def run_block(folder, beginning):
    """Run the one block that begins so, as a user who copies it does."""
    (script,) = [each.code for each in fences(PAGE) if each.reason == HERE and each.code.startswith(beginning)]
    variables = environment(PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin")
    done = subprocess.run(["sh", "-ec", script], cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "beginning", ["insidellms run experiment.yaml --shard", "insidellms run experiment.yaml --proc"]
)
def test_a_run_in_parts_has_the_bytes_of_the_whole(folder, beginning):
    run_block(folder, beginning)
    assert canonical_bytes(folder / "run") == canonical_bytes(folder / "whole")


def test_a_run_is_signed_proved_and_redacted(folder):
    (folder / "whole").rename(folder / "run")
    run_block(folder, "insidellms verify run")
    run_block(folder, "insidellms export run --redact")
    redacted = (folder / "public.jsonl").read_text()
    assert "item-17" in redacted
    assert "Ann Lee" not in redacted
    assert "901820" not in redacted


def run_typed(words, folder, **variables):
    """Run a command of the page by its words."""
    assert words[0] == "insidellms"
    done = insidellms(*words[1:], cwd=folder, env=variables)
    assert done.code == 0, done.out + done.err
    return done


def test_compressed_records_are_verified(folder):
    run_block(folder, "insidellms run experiment.yaml --compress")
    assert (folder / "run" / "records.jsonl.zst").exists()


def test_old_runs_are_listed_shown_and_removed(folder):
    write_files(folder, {"experiment.yaml": f"name: nightly\n{EXPERIMENT}"})
    assert insidellms("run", "experiment.yaml", "--run-dir", "made", cwd=folder).code == 0
    days = {"nightly-new": 2, "nightly-30bdc161dcd7": 40, **{f"nightly-{number}": number for number in range(41, 46)}}
    now = time.time()
    for name, age in days.items():
        shutil.copytree(folder / "made", folder / "runs" / name)
        for path in (folder / "runs" / name).iterdir():
            os.utime(path, (now - age * 86_400,) * 2)
    run_block(folder, "insidellms runs list runs --experiment")
    assert {path.name for path in (folder / "runs").iterdir()} == set(days) - {"nightly-44", "nightly-45"}


ASKED = """
name: batched
model: {type: openai, id: m, args: {model_name: stub, base_url: 'URL'}}
probe: {type: contains, args: {any: ["30 901820"]}}
dataset: {path: data.jsonl}
"""
JUDGES = "[{type: openai, id: j, args: {model_name: g, base_url: 'URL'}}]"
JUDGED = ASKED.replace(
    'contains, args: {any: ["30 901820"]}', f"judge, args: {{rubric: Is it an answer?, judges: {JUDGES}}}"
)


@pytest.mark.parametrize("number", [0, 1])
def test_a_run_is_asked_in_a_batch(folder, number):
    lines = typed(recipe("scale.md", "--batch --run-dir run  "))
    assert len(lines) == 2
    with BatchServer(looks=1) as server:
        write_files(folder, {"experiment.yaml": ASKED.replace("URL", f"{server.url}/v1")})
        run_typed(["insidellms", "run", "experiment.yaml", "--run-dir", "live"], folder)
        run_typed(lines[number], folder)
        assert len(server.jobs) == 1
    assert canonical_bytes(folder / "run") == canonical_bytes(folder / "live")


def test_a_batch_file_is_answered_by_others_in_two_rounds(folder):
    first, answers, second = typed(recipe("scale.md", "insidellms batch export experiment.yaml"))
    text = JUDGED.replace(', x: ["30 901820"]', "").replace("URL", "http://127.0.0.1:9/v1")
    write_files(folder, {"experiment.yaml": text})
    run_typed(first, folder)
    write_lines(folder / "answers.jsonl", answer_lines(folder / "requests.jsonl"))
    run_typed(answers, folder)
    run_typed(second, folder)
    assert len(answer_lines(folder / "round2.jsonl")) == 20


def test_runs_pools_and_cassettes_are_at_urls(folder):
    install, *lines = typed(recipe("scale.md", "insidellms[stores]"))
    assert install == ["pip", "install", "insidellms[stores]"]
    with ObjectStore(bucket="team-evals") as store:
        env = store.machine(folder / "cache")
        for made in (["--run-dir", "s3://team-evals/runs/main"], ["--record", "s3://team-evals/cassettes/ci.jsonl"]):
            run_typed(["insidellms", "run", "experiment.yaml", *made], folder, **env)
        for words in lines:
            run_typed(words, folder, **env)
        assert any(key.startswith("baselines/") for key in store.all_keys())


def test_every_block_of_commands_is_run_or_says_that_it_is_not():
    for fence in fences(PAGE):
        if fence.language == "yaml" and fence.reason is None:
            continue  # a file; those of schedulers are run by test_shard_recipes.py
        by = re.search(r"(tests/\S+\.py) runs", fence.reason)
        if by is None:
            assert fence.reason in NOT_EXECUTED, fence.code
        else:
            assert "recipe(" in (ROOT / by[1]).read_text(), by[1]
