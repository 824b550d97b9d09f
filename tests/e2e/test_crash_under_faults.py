"""Killed at random over a provider that fails: same bytes, and no request that neither a fault nor a kill explains."""

import os
import random
import signal
import subprocess
import time

import pytest

from support.command import canonical_bytes, insidellms, records_of, started, write_files
from support.openai_server import OpenAIServer

TRIALS = 600
CONCURRENCY = 16
KILLS = int(os.environ.get("INSIDELLMS_TEST_KILLS", "4"))
"""How many times a living run is killed; the acceptance figure is 100."""
EXPERIMENT = """
name: crash
model: {type: openai, id: m, args: {model_name: stub, base_url: 'http://127.0.0.1:PORT/v1'}}
probe: {type: contains, args: {any: ["7"]}}
dataset: {format: jsonl, path: data.jsonl}
execution: {concurrency: 16, attempt_timeout_s: 3, max_attempts: 8}
"""
ROWS = [{"id": f"e{i:04}", "prompt": f"Question {i}"} for i in range(TRIALS)]
KINDS = ["429", "500", "hang", "reset", "garbage", "truncated", "short", "content_type", "redirect"]


def test_kills_over_a_faulty_run_change_no_byte_and_ask_nothing_without_reason(tmp_path):
    chance = random.Random(3)
    faults = [{"kind": kind, "share": 0.011} for kind in KINDS]
    with OpenAIServer(latency_s=0.02, faults=faults, keep_bodies=False) as server:
        write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("PORT", str(server.port)), "data.jsonl": ROWS})
        assert insidellms("run", "e.yaml", "--run-dir", "whole", cwd=tmp_path).code == 0
        whole = canonical_bytes(tmp_path / "whole")
        kills = 0
        for number in range(2 * KILLS):
            server._attempts.clear()  # a new run meets the same faults
            before, faults_before, killed = server.requests, server.faults_done.total(), 0
            while not (tmp_path / f"run{number}" / "manifest.json").exists():
                process = start(tmp_path, f"run{number}", resume=killed > 0)
                if kills < KILLS:
                    wait_for(server, process, server.requests + chance.randrange(TRIALS // 6))
                    time.sleep(chance.random() * 0.03)
                    process.kill()
                _, err = process.communicate(timeout=120)
                assert process.returncode in {0, -signal.SIGKILL}, err
                hit = process.returncode != 0
                kills, killed = kills + hit, killed + hit
            assert canonical_bytes(tmp_path / f"run{number}") == whole
            extra = server.requests - before - TRIALS - (server.faults_done.total() - faults_before)
            assert 0 <= extra <= killed * CONCURRENCY, (extra, killed)
            if kills == KILLS:
                break
        assert kills == KILLS


def start(folder, name, *, resume):
    args = ["--run-dir", name, *(["--resume"] if resume and (folder / name).exists() else [])]
    return started("run", "e.yaml", *args, cwd=folder)


def wait_for(server, process, count):
    while server.requests < count and process.poll() is None:
        time.sleep(0.002)


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 200 kB, where that is allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting needs rights that this user does not have")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_a_clear_error_and_a_larger_one_resumes(tmp_path, small_disk):
    with OpenAIServer(keep_bodies=False) as server:
        write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("PORT", str(server.port)), "data.jsonl": ROWS})
        done = insidellms("run", "e.yaml", "--run-dir", str(small_disk / "run"), cwd=tmp_path)
        assert done.code == 1, done.err
        assert "No space left" in done.err
        assert "resume" in done.err
        assert "Traceback" not in done.err
        asked = server.requests
        assert 0 < asked < TRIALS
        subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
        done = insidellms("run", "e.yaml", "--run-dir", str(small_disk / "run"), "--resume", cwd=tmp_path)
        assert done.code == 0, done.err
        assert server.requests <= TRIALS + CONCURRENCY + 1
    assert len(records_of(small_disk / "run")) == TRIALS
