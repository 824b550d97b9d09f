"""A run by several processes is the run by one: the same bytes, one Ctrl-C, resumed whoever was killed."""

import signal
import subprocess
import sys
import time

import pytest

from support.command import canonical_bytes, insidellms, records_of, started, write_files

CODE = """
import asyncio, os, pathlib, signal
import insideLLMs.store.journal

class Echo:
    name = "m"
    async def generate(self, prompt, **kwargs):
        with open("calls", "a") as calls:
            calls.write(prompt + "\\\\n")
        if prompt in pathlib.Path("deadly").read_text().split():
            if not pathlib.Path("again").exists():
                pathlib.Path("deadly").write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        if prompt in pathlib.Path("slow").read_text().split():
            pathlib.Path("entered").touch()
            while not pathlib.Path("go").exists():
                await asyncio.sleep(0.01)
        if prompt == pathlib.Path("leaving").read_text():
            os._exit(7)
        if prompt == pathlib.Path("ending").read_text():
            insideLLMs.store.journal.Journal.append_record = "not an error of a call"
        if prompt == "fails":
            raise ValueError("broken")
        return f"echo {prompt}"
""".replace("\\\\", "\\")
EXPERIMENT = """
name: p
models: [{type: "model.py:Echo", id: m}]
probes: [{type: contains, args: {any: ["echo q1"]}}]
dataset: {format: jsonl, path: data.jsonl}
execution: {concurrency: 4}
"""
PROMPTS = [*(f"q{number}" for number in range(30)), "fails"]
WAIT_S = 60
IN_FLIGHT = 4


@pytest.fixture
def folder(tmp_path):
    rows = [{"id": f"e{number}", "prompt": prompt} for number, prompt in enumerate(PROMPTS)]
    write_files(tmp_path, {"e.yaml": EXPERIMENT, "model.py": CODE, "data.jsonl": rows})
    write_files(tmp_path, dict.fromkeys(("deadly", "slow", "leaving", "ending"), ""))
    done = insidellms("run", "e.yaml", "--run-dir", "whole", "--quiet", cwd=tmp_path)
    assert done.code == 0, done.err
    (tmp_path / "calls").unlink()
    return tmp_path


def run(folder, *options):
    return insidellms("run", "e.yaml", "--run-dir", "run", *options, cwd=folder)


def calls(folder):
    return (folder / "calls").read_text().split()


def wait_for(path):
    for _ in range(WAIT_S * 100):
        if path.exists():
            return
        time.sleep(0.01)
    pytest.fail(f"{path} did not come")


def signalled(process, number):
    """Send a signal, and wait until it was heard."""
    process.send_signal(number)
    while "stopping" not in (line := process.stderr.readline()):
        assert line, "it ended without a word"


def is_whole(folder):
    assert canonical_bytes(folder / "run") == canonical_bytes(folder / "whole")
    assert not (folder / "run" / "shards").exists()
    assert len(records_of(folder / "run")) == len((folder / "run" / "telemetry.jsonl").read_text().splitlines())
    return True


def test_processes_make_the_run_that_one_makes(folder):
    done = run(folder, "--processes", "2", "--json")
    assert done.code == 0, done.err
    assert is_whole(folder)
    assert sorted(calls(folder)) == sorted(PROMPTS)
    assert "31/31 trials, 1 failed" in done.err


def test_a_process_that_is_killed_is_replaced_and_asks_no_answer_again(folder):
    (folder / "deadly").write_text("q7")
    done = run(folder, "--processes", "2")
    assert done.code == 0, done.err
    assert "was killed (-9); another goes on" in done.err
    assert is_whole(folder)
    assert len(calls(folder)) <= len(PROMPTS) + IN_FLIGHT


def test_a_shard_that_is_always_killed_ends_the_run_which_can_be_resumed(folder):
    (folder / "again").touch()
    (folder / "deadly").write_text("q7")
    done = run(folder, "--processes", "2")
    assert done.code == 1
    assert "3 processes were killed" in done.err
    assert "fewer" in done.err
    assert "--resume" in done.err


def test_code_that_ends_its_process_ends_the_run_which_says_so(folder):
    (folder / "leaving").write_text("q7")
    done = run(folder, "--processes", "2")
    assert (done.code, "ended with code 7" in done.err, "internal error" in done.err) == (1, True, False), done.err
    (folder / "leaving").write_text("")
    assert run(folder, "--processes", "2", "--resume").code == 0
    assert is_whole(folder)


def test_a_bug_in_a_process_is_shown_as_one_and_not_tried_again(folder):
    (folder / "ending").write_text("q7")
    done = run(folder, "--processes", "2")
    assert (done.code, "'str' object is not callable" in done.err, "was killed" in done.err) == (2, True, False)
    assert "internal error: RuntimeError: the process of shard" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_all_once_what_is_in_flight_is_kept(folder, number):
    (folder / "slow").write_text(" ".join(PROMPTS))
    process = started("run", "e.yaml", "--run-dir", "run", "--processes", "2", cwd=folder)
    wait_for(folder / "entered")
    signalled(process, number)
    (folder / "go").touch()
    _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, said
    assert "--resume" in said
    assert run(folder, "--processes", "2", "--resume").code == 0
    assert is_whole(folder)
    asked = [prompt for prompt in calls(folder) if prompt != "fails"]  # what failed is asked again, as ever
    assert sorted(asked) == sorted(PROMPTS[:-1])


def test_a_second_signal_ends_all_at_once(folder):
    (folder / "slow").write_text(" ".join(PROMPTS))
    process = started("run", "e.yaml", "--run-dir", "run", "--processes", "2", cwd=folder)
    wait_for(folder / "entered")
    signalled(process, signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, said
    (folder / "go").touch()
    assert run(folder, "--resume").code == 0
    assert is_whole(folder)


def test_a_parent_that_is_killed_takes_its_processes_along_and_is_resumed(folder):
    (folder / "slow").write_text(" ".join(PROMPTS[10:]))
    process = started("run", "e.yaml", "--run-dir", "run", "--processes", "3", cwd=folder)
    wait_for(folder / "entered")
    process.kill()
    process.communicate(timeout=WAIT_S)
    (folder / "go").touch()
    done = run(folder, "--resume")  # in as many as it began with
    assert done.code == 0, done.err
    assert is_whole(folder)
    assert len([prompt for prompt in calls(folder) if prompt != "fails"]) <= len(PROMPTS) + IN_FLIGHT


def test_what_one_process_began_goes_on_in_one(folder):
    (folder / "slow").write_text("q5")
    process = started("run", "e.yaml", "--run-dir", "run", cwd=folder)
    wait_for(folder / "entered")
    process.kill()
    process.communicate(timeout=WAIT_S)
    (folder / "go").touch()
    done = run(folder, "--resume", "--processes", "2")
    assert done.code == 0, done.err
    assert "goes on in 1 process" in done.err
    assert is_whole(folder)


def test_a_sealed_run_is_resumed_for_its_failures(folder):
    assert run(folder, "--processes", "2").code == 0
    assert run(folder, "--processes", "2", "--resume").code == 0
    assert is_whole(folder)
    assert len(calls(folder)) == len(PROMPTS) + 1


def test_answers_in_shards_are_never_asked_again_unseen(folder):
    (folder / "deadly").write_text("q7")
    (folder / "again").touch()
    assert run(folder, "--processes", "2").code == 1
    script = "import insideLLMs as i; i.run_experiment_from_config('e.yaml', run_dir='run', resume=True)"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert "--processes 2" in done.stderr
    before = len(calls(folder))
    (folder / "deadly").write_text("")
    assert run(folder, "--processes", "2", "--overwrite").code == 0
    assert is_whole(folder)
    assert len(calls(folder)) == before + len(PROMPTS)


def test_what_ends_one_process_ends_the_run_and_is_said_once(folder):
    recorded = insidellms("run", "e.yaml", "--record", "c.jsonl", "--only", "e1", "--run-dir", "one", cwd=folder)
    assert recorded.code == 0, recorded.err
    done = run(folder, "--processes", "2", "--replay", "c.jsonl")
    assert done.code == 1
    assert done.err.count("error:") == 1
    assert "the cassette has no answer" in done.err
    assert "Traceback" not in done.err


def test_stopping_on_an_error_stops_all(folder):
    done = run(folder, "--processes", "2", "--stop-on-error")
    assert done.code == 1
    assert "broken" in done.err
    assert "--resume" in done.err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--processes", "0"), 2, "'0' is neither a number from 1 to 256 nor auto"),
        (("--processes", "many"), 2, "'many' is neither a number from 1 to 256 nor auto"),
        (("--processes", "2", "--shard", "1/2"), 1, "neither --early-stop, --shard"),
        (("--processes", "2", "--early-stop", "--baseline", "whole"), 1, "neither --early-stop, --shard"),
    ],
    ids=str,
)
def test_what_cannot_be_split_is_refused(folder, options, code, said):
    done = run(folder, *options)
    assert (done.code, said in done.err) == (code, True), done.err
    assert not (folder / "run").exists()


def test_auto_is_a_process_per_core(folder):
    done = run(folder, "--processes", "auto")
    assert done.code == 0, done.err
    assert is_whole(folder)


def test_a_cassette_is_recorded_and_replayed_by_several(folder):
    (folder / "model.py").write_text(CODE.replace('if prompt == "fails"', "if False"))
    assert run(folder, "--processes", "2", "--record", "c.jsonl").code == 0
    assert insidellms("run", "e.yaml", "--replay", "c.jsonl", "--check", cwd=folder).code == 0
    assert run(folder, "--processes", "3", "--replay", "c.jsonl", "--overwrite").code == 0
    assert len(calls(folder)) == len(PROMPTS)
