"""Ctrl-C, once and twice, while other people's code hangs in every way it can."""

import signal
import subprocess

import pytest

from support.command import canonical_bytes, command_line, environment, insidellms, records_of, started, write_files

CODE = """
import asyncio, pathlib, time
from insideLLMs import PromptProbe, Scores

def entered():
    pathlib.Path("entered").touch()

class Swallows:
    name = "m"
    async def generate(self, prompt, **kwargs):
        while prompt == "b":
            entered()
            try:
                await asyncio.sleep(3600)
            except BaseException:
                pass
        return "good"

class Blocks:
    name = "m"
    async def generate(self, prompt, **kwargs):
        if prompt == "b":
            entered()
            time.sleep(3600)
        return "good"

class HangsAtTheEnd:
    def __init__(self):
        self.name = "m"
    def identity(self):
        return {"name": "m"}
    async def respond(self, request, *, repeat=0):
        from insideLLMs import Response
        return Response(text="good")
    async def aclose(self):
        entered()
        await asyncio.sleep(3600)

class Good:
    name = "m"
    def generate(self, prompt, **kwargs):
        return "good"

class HangingScorer(PromptProbe):
    def score(self, example, response):
        if example.text == "b":
            entered()
            time.sleep(3600)
        return Scores.of(True)

class HangingAsyncScorer(PromptProbe):
    async def score(self, example, response):
        if example.text == "b":
            entered()
            await asyncio.sleep(3600)
        return Scores.of(True)
"""
EXPERIMENT = """
model: {{type: "m.py:{model}"}}
probe: {{type: "{probe}", id: p}}
dataset: {{examples: [{{prompt: a, expected: good}}, {{prompt: b, expected: good}}, {{prompt: c, expected: good}}]}}
execution: {{concurrency: 1, timeout_s: {timeout_s}}}
"""


def write(folder, *, model="Good", probe="contains", timeout_s=600):
    experiment = EXPERIMENT.format(model=model, probe=probe, timeout_s=timeout_s)
    write_files(folder, {"m.py": CODE, "e.yaml": experiment})


def interrupt_twice(folder):
    """Run, interrupt twice once the code that hangs was entered, and return the process's code and stderr."""
    process = started("run", "e.yaml", "--run-dir", "run", cwd=folder)
    while not (folder / "entered").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    for line in process.stderr:
        if "interrupt again" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


HANGING = [
    {"model": "Swallows"},
    {"probe": "m.py:HangingScorer"},
    {"probe": "m.py:HangingAsyncScorer"},
]


@pytest.mark.parametrize("hanging", HANGING, ids=str)
def test_a_second_interrupt_leaves_with_130_and_the_answers(tmp_path, hanging):
    write(tmp_path, **hanging)
    code, err = interrupt_twice(tmp_path)
    assert code == 130, err
    assert "Traceback" not in err
    assert "--run-dir run --resume" in err
    assert b'"good"' in (tmp_path / "run" / "journal.jsonl").read_bytes()


def test_a_coroutine_that_blocks_the_loop_does_not_keep_the_process(tmp_path):
    write(tmp_path, model="Blocks")
    process = started("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    while not (tmp_path / "entered").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "can be resumed" in err
    assert b'"good"' in (tmp_path / "run" / "journal.jsonl").read_bytes()


def test_a_model_that_swallows_its_cancellation_ends_with_the_run(tmp_path):
    write(tmp_path, model="Swallows", timeout_s=0.5)
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path, timeout=60)
    assert done.code == 0, done.err
    statuses = [record["status"] for record in records_of(tmp_path / "run")]
    assert (len(statuses), "timeout" in statuses) == (3, True)


def test_a_model_whose_end_hangs_does_not_hang_the_run(tmp_path):
    write(tmp_path, model="HangsAtTheEnd")
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path, timeout=60)
    assert done.code == 0, done.err
    assert "aclose() did not return" in done.err


def test_a_fixed_probe_scores_the_answers_of_an_unfinished_run(tmp_path):
    """The process dies while a scorer hangs; the scorer is fixed, and nothing is asked again."""
    log = tmp_path / "asked"
    code = CODE.replace(
        '        return "good"\n\nclass HangingScorer',
        '        open("asked", "a").write(prompt)\n        return "good"\n\nclass HangingScorer',
    )
    write(tmp_path, probe="m.py:HangingScorer")
    (tmp_path / "m.py").write_text(code)
    process = subprocess.Popen(command_line("run", "e.yaml", "--run-dir", "run"), cwd=tmp_path, env=environment())
    while not (tmp_path / "entered").exists():
        assert process.poll() is None
    process.kill()
    process.wait()
    assert log.read_text() == "ab"
    write_files(tmp_path, {"e.yaml": EXPERIMENT.format(model="Good", probe="contains", timeout_s=600)})
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--resume", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "the probes changed: 2 stored answers are scored again" in done.err
    assert log.read_text() == "abc"
    assert [record["scores"]["passed"] for record in records_of(tmp_path / "run")] == [True] * 3
    whole = insidellms("run", "e.yaml", "--run-dir", "whole", cwd=tmp_path)
    assert whole.code == 0
    assert canonical_bytes(tmp_path / "run") == canonical_bytes(tmp_path / "whole")


def test_another_model_or_dataset_is_still_refused_by_an_unfinished_run(tmp_path):
    write(tmp_path, probe="m.py:HangingScorer")
    interrupt_twice(tmp_path)
    journal = (tmp_path / "run" / "journal.jsonl").read_bytes()
    write(tmp_path, model="Swallows")
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--resume", cwd=tmp_path)
    assert done.code == 1
    assert (tmp_path / "run" / "journal.jsonl").read_bytes() == journal


def test_an_exit_in_a_task_that_a_model_began_is_an_error_of_the_command_and_the_rest_is_kept(tmp_path):
    code = """
import asyncio, pathlib, sys

class Leaving:
    name = "m"
    async def generate(self, prompt, **kwargs):
        if prompt == "q3":
            await asyncio.create_task(self.leave())
        return "yes"
    async def leave(self):
        if pathlib.Path("leave").exists():
            sys.exit(0)
"""
    text = """
model: {type: "m.py:Leaving"}
probe: {type: contains, args: {any: ["yes"]}}
dataset: {path: data.jsonl}
execution: {concurrency: 1}
"""
    rows = [{"id": f"e{number}", "prompt": f"q{number}"} for number in range(6)]
    write_files(tmp_path, {"e.yaml": text, "m.py": code, "data.jsonl": rows, "leave": ""})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    assert (done.code, "called sys.exit(0), which ended the run" in done.err) == (1, True), done.err
    (tmp_path / "leave").unlink()
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--resume", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
