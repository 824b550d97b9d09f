"""A run to a URL that is killed, or loses its store or its lock: readers see the old run or the new one, whole."""

import os
import signal
import subprocess
import threading

import pytest

from insideLLMs.core.errors import LockedError
from insideLLMs.remote import copies
from insideLLMs.remote.url import parse_place
from insideLLMs.store.remote.journal import fetch_unfinished
from insideLLMs.store.remote.run import fetch_run
from insideLLMs.store.sealed_run import RECORDS, SealedRun
from insideLLMs.store.unfinished_run import UnfinishedRun
from insideLLMs.store.working_run import working_run
from support.command import canonical_bytes, command_line, environment, insidellms, write_files
from support.object_store import ObjectStore

EXPERIMENT = (
    "model: {{type: dummy}}\nprobe: {{type: contains, args: {{any: [{word!r}]}}}}\ndataset: {{path: q.jsonl}}\n"
)
ASKS = """\
model: {{type: openai, args: {{model_name: m, base_url: "{url}", api_key_env: null}}}}
probe: {{type: contains, args: {{any: [yes]}}}}
dataset: {{path: q.jsonl}}
execution: {{concurrency: 1}}
"""
ROWS = [{"id": f"e{number}", "prompt": f"yes {number}"} for number in range(6)]
KILL_EVERY = int(os.environ.get("INSIDELLMS_KILL_EVERY", "3"))
"""1 kills at every write; a third of them takes a third of the time."""


@pytest.fixture
def store(monkeypatch, tmp_path):
    with ObjectStore() as store:
        for name, value in store.machine(tmp_path / "reader").items():
            monkeypatch.setenv(name, value)
        yield store


@pytest.fixture
def folder(tmp_path):
    files = {f"{word}.yaml": EXPERIMENT.format(word=word) for word in ("yes", "no")}
    write_files(tmp_path, {**files, "q.jsonl": ROWS})
    return tmp_path


def whole_run(store):
    """Return the id of the run that a reader finds, having read every file of it against its digest."""
    copies.forget()
    run = SealedRun.open(fetch_run(parse_place(store.at("runs/x"))))
    assert sum(1 for _ in run.lines()) == len(ROWS)
    for name in set(run.manifest.files) - {RECORDS}:
        run.read_file(name)
    return run.manifest.run_id


def killed_when(store, folder, words, is_time):
    """Run a command that is killed once `is_time(method, key)` is true: before that request is done, or "after" it."""
    started = threading.Event()

    def fault(method, key):
        started.wait()
        when = is_time(method, key) if process.poll() is None else None
        if not when:
            return None
        process.send_signal(signal.SIGKILL)
        process.wait()
        return ("after",) if when == "after" else (500, "Killed")

    store.fault = fault
    process = subprocess.Popen(
        command_line(*words),
        cwd=folder,
        env=environment(**store.machine(folder / "killed")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started.set()
    process.wait(120)
    store.fault = None
    return process.returncode == -signal.SIGKILL


def nth_write(number):
    """Say when the n-th write comes; by turns the kill is before or after it."""
    count = 0

    def is_time(method, key):
        nonlocal count
        count += method != "GET"
        return (number % 2 or "after") if method != "GET" and count == number else None

    return is_time


def test_at_every_write_that_it_is_killed_a_reader_sees_the_old_or_the_new_run(store, folder):
    first = insidellms(
        "run", "yes.yaml", "--run-dir", store.at("runs/x"), cwd=folder, env=store.machine(folder / "killed")
    )
    assert first.code == 0, first.err
    old, seen, write = whole_run(store), [], 1
    words = ("run", "no.yaml", "--run-dir", store.at("runs/x"), "--overwrite")
    while killed_when(store, folder, words, nth_write(write)):
        seen.append(whole_run(store))
        write += KILL_EVERY
    new = whole_run(store)
    assert old in seen
    assert new != old
    assert seen == sorted(seen, key=[old, new].index), "once the new one is there, it stays"


def test_another_machine_goes_on_with_what_was_uploaded_once_the_first_is_silent(store, folder, openai_server):
    openai_server.latency_s = 0.5
    write_files(folder, {"asks.yaml": ASKS.format(url=openai_server.base_url)})
    words = ("run", "asks.yaml", "--run-dir", store.at("runs/x"))
    assert killed_when(
        store, folder, words, lambda method, key: "after" if "/journal-" in key and method == "PUT" else None
    )
    openai_server.latency_s = 0
    unfinished = UnfinishedRun.open(fetch_unfinished(parse_place(store.at("runs/x"))))
    uploaded = sum(1 for _ in unfinished.journal.answered())
    assert uploaded
    other = {"cwd": folder, "env": store.machine(folder / "other")}
    refused = insidellms(*words, "--resume", **other)
    assert (refused.code, "another machine is writing to" in refused.err, "120 s" in refused.err) == (1, True, True)
    store.age_s = 600
    openai_server.prompts.clear()
    unasked = insidellms(*words, **other)
    assert (unasked.code, "already holds an unfinished run" in unasked.err) == (1, True)
    done = insidellms(*words, "--resume", **other)
    assert done.code == 0, done.err
    assert len(openai_server.prompts) == len(ROWS) - uploaded
    assert insidellms("run", "asks.yaml", "--run-dir", "local", cwd=folder).code == 0
    copy = fetch_run(parse_place(store.at("runs/x")))
    assert canonical_bytes(copy) == canonical_bytes(folder / "local")
    assert not [key for key in store.all_keys() if "journal-" in key], "the journal goes once the run is there"


def test_a_run_that_cannot_be_published_is_kept_and_asks_nothing_again(store, folder, openai_server):
    write_files(folder, {"asks.yaml": ASKS.format(url=openai_server.base_url)})
    words = ("run", "asks.yaml", "--run-dir", store.at("runs/x"))
    here = {"cwd": folder, "env": store.machine(folder / "one")}
    store.fault = lambda method, key: (
        (403, "AccessDenied") if (method, key) == ("PUT", "runs/x/manifest.json") else None
    )
    failed = insidellms(*words, **here)
    assert (failed.code, f"{store.at('runs/x')} was not published" in failed.err) == (1, True)
    store.fault = None
    assert insidellms(*words, "--resume", **here).code == 0
    assert len(openai_server.prompts) == len(ROWS)
    whole_run(store)


def enter(opened):
    with opened:
        raise AssertionError("it was opened")


def write_lines(work, text):
    with (work.path / "journal.jsonl").open("ab") as journal:
        journal.write(text)


def test_a_writer_whose_run_was_taken_over_stops_and_changes_nothing(store, tmp_path, monkeypatch):
    url = parse_place(store.at("runs/x"))
    with working_run(url) as first:
        write_lines(first, b"1\n")
        first.upload.keep_up()
        monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path / "other"))
        with pytest.raises(LockedError, match="another machine is writing"):
            enter(working_run(url))
        store.age_s = 600
        with working_run(url) as second:
            assert (second.path / "journal.jsonl").read_bytes() == b"1\n"
            write_lines(second, b"2\n")
            second.upload.keep_up()
            write_lines(first, b"3\n")
            with pytest.raises(LockedError, match="took over"):
                first.upload.keep_up()
    monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path / "third"))
    with working_run(url) as third:
        assert (third.path / "journal.jsonl").read_bytes() == b"1\n2\n"


def test_answers_that_were_not_uploaded_join_those_of_another_machine(store, tmp_path, monkeypatch):
    url = parse_place(store.at("runs/x"))
    with working_run(url) as first:
        write_lines(first, b"header\none\n")
    write_lines(first, b"mine\n")
    monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path / "other"))
    with working_run(url) as second:
        write_lines(second, b"theirs\n")
    monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path / "reader"))
    with working_run(url) as again:
        assert (again.path / "journal.jsonl").read_bytes() == b"header\none\ntheirs\nmine\n"


def test_a_journal_that_sealing_removes_while_it_is_uploaded_ends_no_run(store):
    url = parse_place(store.at("runs/x"))
    with working_run(url) as work:
        write_lines(work, b"one\n")

        def sealed(method, key):
            if method == "PUT" and "journal-" in key:
                (work.path / "journal.jsonl").unlink()

        store.fault = sealed
        work.upload.keep_up()
        store.fault = None
        assert [store.get(key) for key in store.all_keys() if "journal-" in key] == [b"one\n"]


def test_a_torn_line_waits_and_two_processes_of_one_machine_exclude_each_other(store):
    url = parse_place(store.at("runs/x"))
    with working_run(url) as work:
        write_lines(work, b"whole\nto")
        work.upload.keep_up()
        assert [store.get(key) for key in store.all_keys() if "journal-" in key] == [b"whole\n"]
        write_lines(work, b"rn\n")
        work.upload.keep_up()
        with pytest.raises(LockedError, match="another process is writing"):
            enter(working_run(url))
    assert [store.get(key) for key in store.all_keys() if "journal-" in key] == [b"whole\n", b"torn\n"]
