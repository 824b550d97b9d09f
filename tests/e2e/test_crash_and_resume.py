"""A killed run loses no paid answer, asks at most what was in flight again, and seals the same bytes."""

import os
import random
import shutil
import signal
import time

import pytest

from support.command import canonical_bytes, insidellms, records_of, started, write_files
from support.openai_server import OpenAIServer
from support.processes import stop

TRIALS = 500
CONCURRENCY = 16
KILLS = int(os.environ.get("INSIDELLMS_TEST_KILLS", "8"))
"""How many times a living run is killed; the acceptance figure is 50."""

EXPERIMENT = """
name: crash
model: {type: openai, id: m, args: {model_name: stub, base_url: 'http://127.0.0.1:PORT/v1'}}
probe: {type: contains, args: {any: ["7"]}}
dataset: {format: jsonl, path: data.jsonl}
execution: {concurrency: 16}
"""
ROWS = [{"id": f"e{i:04}", "prompt": f"Question {i}"} for i in range(TRIALS)]


@pytest.fixture(scope="module")
def server():
    with OpenAIServer(latency_s=0.02) as running:
        yield running


@pytest.fixture
def folder(tmp_path, server):
    write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("PORT", str(server.port)), "data.jsonl": ROWS})
    return tmp_path


def start(folder, *args):
    return started("run", "e.yaml", *args, cwd=folder)


def wait_for_requests(server, process, count):
    """Wait until the server has seen `count` requests in all, or the process has ended."""
    while len(server.prompts) < count and process.poll() is None:
        time.sleep(0.002)


def test_kill_nine_at_random_moments_changes_no_byte_and_asks_almost_nothing_twice(folder, server):
    assert insidellms("run", "e.yaml", "--run-dir", "whole", cwd=folder).code == 0
    whole = canonical_bytes(folder / "whole")
    chance = random.Random(20261123)
    kills = 0
    for number in range(2 * KILLS):
        name = f"run{number}"
        before = len(server.prompts)
        killed_here = 0
        while True:
            args = ["--run-dir", name, *(["--resume"] if (folder / name).exists() else [])]
            process = start(folder, *args)
            if kills < KILLS:
                wait_for_requests(server, process, len(server.prompts) + chance.randrange(TRIALS // 4))
                time.sleep(chance.random() * 0.03)
                process.kill()
            _, err = process.communicate(timeout=60)
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL, err
            kills += 1
            killed_here += 1
        assert canonical_bytes(folder / name) == whole
        extra = len(server.prompts) - before - TRIALS
        assert 0 <= extra <= killed_here * CONCURRENCY, (extra, killed_here)
        if kills == KILLS:
            break
    assert kills == KILLS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_finishes_what_is_in_flight_and_says_how_to_resume(folder, server, number):
    before = len(server.prompts)
    process = start(folder, "--run-dir", "run")
    wait_for_requests(server, process, before + 100)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "--run-dir run --resume" in err
    assert "Traceback" not in err
    assert insidellms("run", "e.yaml", "--run-dir", "run", "--resume", cwd=folder).code == 0
    assert len(server.prompts) - before == TRIALS


def test_two_writers_at_once_are_kept_apart(folder, server):
    before = len(server.prompts)
    process = start(folder, "--run-dir", "run")
    wait_for_requests(server, process, before + 20)
    stop(process)  # it must not end before the second one has looked
    try:
        second = insidellms("run", "e.yaml", "--run-dir", "run", "--resume", cwd=folder)
    finally:
        process.send_signal(signal.SIGCONT)
    assert second.code == 1
    assert "another process" in second.err
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(server.prompts) - before == TRIALS


def test_a_run_directory_that_is_removed_and_made_again_belongs_to_the_second_run(folder, server):
    before = len(server.prompts)
    first = start(folder, "--run-dir", "run")
    wait_for_requests(server, first, before + 100)
    stop(first)
    shutil.rmtree(folder / "run")
    second = start(folder, "--run-dir", "run")
    wait_for_requests(server, second, before + 200)
    first.send_signal(signal.SIGCONT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 1, err
    assert "journal.jsonl was removed while the run went on" in err
    assert "nothing needs to be asked again" not in err
    assert "answers are kept" not in err
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert insidellms("verify", "run", cwd=folder).code == 0
    assert len(records_of(folder / "run")) == TRIALS


def test_a_run_whose_directory_is_removed_stops_asking(folder, server):
    before = len(server.prompts)
    process = start(folder, "--run-dir", "run", "--concurrency", "2")
    wait_for_requests(server, process, before + 50)
    stop(process)  # it must not make a file where they are being removed
    shutil.rmtree(folder / "run")
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "they are lost" in err
    assert len(server.prompts) - before < TRIALS


@pytest.fixture
def unfinished(folder, server):
    process = start(folder, "--run-dir", "run")
    wait_for_requests(server, process, len(server.prompts) + 200)
    process.kill()
    process.communicate()
    return folder


def test_a_changed_dataset_refuses_the_resume_before_anything_is_written(unfinished, server):
    journal = (unfinished / "run" / "journal.jsonl").read_bytes()
    write_files(unfinished, {"data.jsonl": [*ROWS[:-1], {"id": "e0499", "prompt": "Question 499, edited"}]})
    before = len(server.prompts)
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--resume", cwd=unfinished)
    assert done.code == 1
    assert "datasets or shard differ" in done.err
    assert (unfinished / "run" / "journal.jsonl").read_bytes() == journal
    assert len(server.prompts) == before


@pytest.mark.parametrize(
    ("damage", "code", "says"),
    [
        (lambda data: data[: data.rindex(b"\n") - 6], 0, "torn last line"),
        (lambda data: b"", 0, "journal was empty"),
        (lambda data: data.replace(b'{"crc":"', b'{"crc":"#', 2).replace(b"#", b"", 1), 1, "line 2"),
    ],
    ids=["torn", "empty", "damaged"],
)
def test_a_damaged_journal_has_the_right_clear_outcome(unfinished, damage, code, says):
    path = unfinished / "run" / "journal.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--resume", cwd=unfinished)
    assert done.code == code, done.err
    assert done.err.count(says) == 1
    if code == 1:
        done = insidellms("run", "e.yaml", "--run-dir", "run", "--resume", "--salvage", cwd=unfinished)
        assert done.code == 0, done.err
    assert len(records_of(unfinished / "run")) == TRIALS


def test_an_unfinished_run_cannot_be_diffed_and_the_message_says_why(unfinished):
    done = insidellms("diff", "run", "run", cwd=unfinished)
    assert done.code == 1
    assert "unfinished" in done.err
