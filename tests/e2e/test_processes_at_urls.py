"""`--processes` at a URL: each process writes its shard there, and another machine goes on with them."""

import hashlib
import re
import signal
import subprocess
import time

import pytest

from support.command import canonical_bytes, command_line, environment, insidellms, write_files

CODE = """
import asyncio, pathlib

class Echo:
    name = "m"
    async def generate(self, prompt, **kwargs):
        with open("calls", "a") as calls:
            calls.write(prompt + " ")
        while pathlib.Path("slow").exists() and len(pathlib.Path("calls").read_text().split()) > 12:
            await asyncio.sleep(0.01)
        return f"echo {prompt}"
"""
EXPERIMENT = """
name: p
models: [{type: "model.py:Echo", id: m}]
probes: [{type: contains, args: {any: ["echo q1"]}}]
dataset: {format: jsonl, path: data.jsonl}
execution: {concurrency: 4}
"""
PROMPTS = [f"q{number}" for number in range(24)]
UPLOADED = 8
WAIT_S = 120
LONG_AGO_S = 600.0
"""So old does all seem that is at the URL: the machine that wrote it is taken for lost."""


@pytest.fixture
def folder(tmp_path):
    rows = [{"id": f"e{number}", "prompt": prompt} for number, prompt in enumerate(PROMPTS)]
    write_files(tmp_path, {"e.yaml": EXPERIMENT, "model.py": CODE, "data.jsonl": rows, "calls": ""})
    return tmp_path


def run(folder, store, *options, machine="one"):
    command = ("run", "e.yaml", "--run-dir", store.at("run"), *options)
    return insidellms(*command, cwd=folder, env=store.machine(folder / machine))


def calls(folder):
    return (folder / "calls").read_text().split()


def assert_whole(folder, store):
    assert insidellms("run", "e.yaml", "--run-dir", "whole", "--quiet", cwd=folder).code == 0
    manifest = store.get("run/manifest.json")
    place = f"run/sealed-{hashlib.sha256(manifest).hexdigest()[:16]}/"
    whole = canonical_bytes(folder / "whole")
    assert {name: store.get(f"{place}{name}") for name in whole} == whole
    assert not [key for key in store.all_keys() if not key.startswith((place, "run/manifest.json", "run/writer.json"))]


def test_processes_publish_the_run_that_one_makes(folder, store):
    done = run(folder, store, "--processes", "2")
    assert done.code == 0, done.err
    assert sorted(calls(folder)) == sorted(PROMPTS)
    assert store.at("run") in done.out
    assert str(folder / "one") not in done.out + done.err
    assert store.writes.count("run/manifest.json") == 1
    assert_whole(folder, store)


def lost(folder, store):
    """Run in two processes until some answers of theirs are in the store; then kill them all, as a machine is lost."""
    (folder / "slow").touch()
    process = subprocess.Popen(
        command_line("run", "e.yaml", "--run-dir", store.at("run"), "--processes", "2"),
        cwd=folder, env={**environment(), **store.machine(folder / "one")}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until_s = time.monotonic() + WAIT_S
    while uploaded(store) < UPLOADED:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s, "the answers are not uploaded"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (folder / "slow").unlink()
    store.age_s = LONG_AGO_S


def uploaded(store):
    """Return how many examples have an answer in the store that counts: in a journal, or in records with a manifest."""
    places = {key.rpartition("/shards/")[2].partition("/")[0] for key in list(store.writes) if "/shards/" in key}
    sealed = tuple(f"run/shards/{place}/" for place in places if store.get(f"run/shards/{place}/manifest.json"))
    parts = {
        key
        for key in list(store.writes)
        if "/shards/" in key and ("/journal-" in key or (key.startswith(sealed) and key.endswith("/records.jsonl")))
    }
    return len({example for key in parts for example in re.findall(rb'"id":"(e[0-9]+)"', store.get(key) or b"")})


def test_another_machine_goes_on_with_the_shards_of_one_that_was_lost(folder, store):
    lost(folder, store)
    before = len(calls(folder))
    done = run(folder, store, "--resume", machine="two")
    assert done.code == 0, done.err
    assert len(calls(folder)) - before <= len(PROMPTS) - UPLOADED, "what was uploaded is not asked again"
    assert_whole(folder, store)


def test_machines_that_are_lost_at_several_writes_leave_a_run_that_goes_on(folder, store):
    """The store takes no more writes after a number of them, so that a machine's run stops there."""
    store.age_s = LONG_AGO_S
    for number, most in enumerate((4, 11, 20)):
        store.writes.clear()
        store.fault = lambda method, key, most=most: (
            (403, "AccessDenied") if method == "PUT" and len(store.writes) >= most else None
        )
        run(folder, store, "--processes", "2", *(["--resume"] if number else []), machine=f"m{number}")
    store.fault = None
    done = run(folder, store, "--processes", "2", "--resume", machine="last")
    assert done.code == 0, done.err
    assert_whole(folder, store)


def test_shards_are_not_asked_again_in_one_piece_and_a_run_that_replaces_them_forgets_them(folder, store):
    lost(folder, store)
    done = run(folder, store, "--resume", "--executor", "ray", machine="two")
    assert (done.code, "begun with --processes" in done.err) == (1, True), done.err
    before = len(calls(folder))
    done = run(folder, store, "--overwrite", machine="two")
    assert done.code == 0, done.err
    assert len(calls(folder)) - before == len(PROMPTS)
