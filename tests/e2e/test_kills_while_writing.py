"""kill -9 at random moments of writing: nothing is lost, nothing doubled, and nothing half written looks whole."""

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from insideLLMs.store.sealed_run import State, state_of
from support.command import canonical_bytes, command_line, environment, insidellms, write_files

KILLS = int(os.environ.get("INSIDELLMS_TEST_KILLS", "3"))
"""How many times each command is killed while it lives; the acceptance figure is 20."""

ROWS = [{"id": f"i{n:03}", "question": f"item {n}?", "answer": "good"} for n in range(300)]
EXPERIMENT = """
name: kills
model: {type: "m.py:Model", id: m}
probe: {type: contains}
dataset: {path: q.jsonl}
"""
MODEL = """
import pathlib, time

class Model:
    name = "m"

    def generate(self, prompt, **options):
        time.sleep(0.002)
        if "7" in prompt and not pathlib.Path("healed").exists():
            raise ValueError("not yet")
        return "good"
"""


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path, {"e.yaml": EXPERIMENT, "m.py": MODEL, "q.jsonl": ROWS, "healed": ""})
    return tmp_path


def kills(folder, *args, of):
    """Run a command whole, to see how long it takes; then kill it at moments of that, and yield each number that hit.

    `of` returns the command of a number. One that ends before it is killed says how quick the machine is by now.
    """
    took_s = kill(folder, None, *args)
    chance = random.Random(20261128)
    hits = 0
    for number in itertools.count():
        ended_s = kill(folder, took_s * (0.3 + 0.7 * chance.random()), *of(number))
        if ended_s is None:
            hits += 1
            yield number
        if hits == KILLS:
            return
        took_s = ended_s or took_s


def kill(folder, after_s, *args):
    """Kill a command after a while; return how many seconds it took where it ended before."""
    began = time.monotonic()
    process = subprocess.Popen(
        command_line(*args), cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        assert process.wait(after_s) == 0
        return time.monotonic() - began
    process.kill()
    return None if process.wait() == -signal.SIGKILL else time.monotonic() - began


def is_whole_or_not_sealed(run):
    """A run that looks sealed must be so."""
    return state_of(run) is not State.SEALED or insidellms("verify", run, cwd=run.parent).code == 0


def answers_in(folder, name):
    """Every recorded answer, from the cassette and what killed recordings left of it.

    Without the model's identity, which is written into the first answer of a whole cassette only.
    """
    files = [each for each in folder.iterdir() if each.name == name or each.name.startswith(f"{name}.partial")]
    lines = itertools.chain.from_iterable(each.read_bytes().splitlines(keepends=True) for each in files)
    answers = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return {(each["key"], each["model_digest"], each["response"]["text"]) for each in answers}


def test_a_recording_keeps_every_answer_that_it_had(folder):
    def command(number):
        return ("run", "e.yaml", "--run-dir", f"killed{number}", "--record", "t.jsonl")

    recorded = set()
    for _ in kills(folder, "run", "e.yaml", "--run-dir", "first", "--record", "t0.jsonl", of=command):
        now = answers_in(folder, "t.jsonl")
        assert recorded <= now
        recorded = now
    assert insidellms("run", "e.yaml", "--run-dir", "last", "--record", "t.jsonl", cwd=folder).code == 0
    assert recorded <= answers_in(folder, "t.jsonl")
    assert (folder / "t.jsonl").read_bytes() == (folder / "t0.jsonl").read_bytes()
    assert not list(folder.glob("t.jsonl.*"))


def test_a_sealed_run_that_is_resumed_ends_as_if_nothing_had_failed(folder):
    resume = ("run", "e.yaml", "--resume", "--run-dir")

    def command(number):
        shutil.copytree(folder / "failed", folder / f"r{number}")
        return (*resume, f"r{number}")

    assert insidellms("run", "e.yaml", "--run-dir", "whole", cwd=folder).code == 0
    (folder / "healed").unlink()
    insidellms("run", "e.yaml", "--run-dir", "failed", cwd=folder)
    write_files(folder, {"healed": ""})
    for number in kills(folder, *command("measured"), of=command):
        run = folder / f"r{number}"
        assert is_whole_or_not_sealed(run)
        done = insidellms(*resume, run.name, cwd=folder)
        assert done.code == 0, done.err
        assert canonical_bytes(run) == canonical_bytes(folder / "whole")


@pytest.mark.parametrize("command", ["import", "rescore", "run"])
def test_what_makes_a_run_leaves_none_that_only_looks_whole(folder, command):
    rows = [{"id": row["id"], "input": row["question"], "output": "good", "score": 1} for row in ROWS] * 20
    rows = [{**row, "repeat": number // len(ROWS)} for number, row in enumerate(rows)]
    write_files(folder, {"table.jsonl": rows})
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=folder).code == 0
    args = {
        "import": ("import", "table.jsonl", "--to"),
        "rescore": ("rescore", "run", "--probe", "equals", "--to"),
        "run": ("run", "e.yaml", "--run-dir"),
    }[command]
    again = (*args, "again", "--overwrite")
    for _ in kills(folder, *args, "whole", of=lambda _: again):
        assert is_whole_or_not_sealed(folder / "again")
        done = insidellms(*again, cwd=folder)
        assert done.code == 0, done.err
        assert canonical_bytes(folder / "again") == canonical_bytes(folder / "whole")


def test_a_pool_holds_each_accepted_run_once_and_whole(folder):
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=folder).code == 0
    accept = ("baseline", "accept", "run", "--why", "good", "--by", "me", "--pool")
    for number in kills(folder, *accept, "other", of=lambda number: (*accept, f"pool{number}")):
        pool = f"pool{number}"
        if not (folder / pool / "ledger.jsonl").exists():
            assert insidellms(*accept, pool, cwd=folder).code == 0
        assert [each.name for each in (folder / pool).iterdir() if each.is_dir()] == ["run"]
        assert insidellms("verify", f"{pool}/run", cwd=folder).code == 0
        assert len((folder / pool / "ledger.jsonl").read_bytes().splitlines()) == 1
