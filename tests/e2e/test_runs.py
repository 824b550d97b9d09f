"""`insidellms runs`: what a folder of runs holds, and what of it may go."""

import os
import time

import pytest

from insideLLMs.store.directory import RunDirectory
from support.command import insidellms, write_files
from support.stored_trials import header

EXPERIMENT = """
name: NAME
model: {type: dummy, id: MODEL}
probe: {type: contains, args: {any: [x]}}
dataset: {examples: [{prompt: a}, {prompt: b}]}
"""
DAY_S = 86_400


@pytest.fixture
def folder(tmp_path):
    """Two runs of `nightly`, 40 and 2 days old, and a new one of `release`."""
    for name, experiment, days in (("old", "nightly", 40), ("new", "nightly", 2), ("rc", "release", 0)):
        model = "big" if experiment == "release" else "small"
        write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("NAME", experiment).replace("MODEL", model)})
        assert insidellms("run", "e.yaml", "--run-dir", f"runs/{name}", cwd=tmp_path).code == 0
        for path in (tmp_path / "runs" / name).iterdir():
            os.utime(path, (time.time() - days * DAY_S,) * 2)
    return tmp_path


def names(folder, *options):
    done = insidellms("runs", "list", *options, "--json", cwd=folder)
    assert done.code == 0, done.err
    return [one["path"].removeprefix("runs/") for one in done.json]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), "old new rc"),
        (("--experiment", "night*"), "old new"),
        (("--model", "big"), "rc"),
        (("--older-than", "1d"), "old new"),
        (("--newer-than", "1w"), "new rc"),
        (("--older-than", "36h", "--newer-than", "1w"), "new"),
        (("--state", "unfinished"), ""),
        (("--state", "finished", "--experiment", "release"), "rc"),
    ],
)
def test_runs_are_listed_by_what_they_are(folder, options, found):
    assert names(folder, *options) == found.split()


def test_a_run_that_changed_later_than_now_is_listed(folder):
    """As one on a file server does, whose clock is ahead."""
    for path in (folder / "runs" / "rc").iterdir():
        os.utime(path, (time.time() + 3600,) * 2)
    assert names(folder) == ["old", "new", "rc"]
    assert names(folder, "--newer-than", "1h") == ["rc"]
    assert names(folder, "--older-than", "1h") == ["old", "new"]


def test_a_person_reads_state_age_size_and_answers(folder):
    head, line, *_ = insidellms("runs", "list", cwd=folder).out.splitlines()
    assert head.split() == ["run", "state", "age", "size", "experiment", "·", "models", "id", "and", "answers"]
    assert [line[head.index(name) :][:6].strip() for name in ("run ", "state", "age")] == ["runs/o", "finish", "40 d"]
    assert line.split()[:4] == ["runs/old", "finished", "40", "d"]
    assert "nightly · small" in line
    assert "2/2 answered" in line


def test_a_listing_without_runs_has_no_heading(folder):
    done = insidellms("runs", "list", "--state", "empty", cwd=folder)
    assert (done.code, done.out, done.err) == (0, "", "no such run in runs\n")


def test_a_name_of_somebody_elses_run_cannot_steer_the_terminal(folder):
    (folder / "runs" / "rc").rename(folder / "runs" / "\x1b[31mred")
    assert "\x1b" not in insidellms("runs", "list", cwd=folder).out


def test_one_run_is_shown_with_what_refers_to_it(folder):
    shown = insidellms("runs", "show", "runs/rc", cwd=folder).out
    assert "release" in shown
    assert "2 success" in shown
    assert "referred to" not in shown
    assert insidellms("baseline", "accept", "runs/rc", "--why", "x", cwd=folder).code == 0
    told = insidellms("runs", "show", "runs/rc", "--json", cwd=folder).json
    assert "baselines accepted it" in told["referred_to"]
    assert (told["state"], told["trials"], told["models"], told["being_written"]) == ("finished", 2, ["big"], False)


def test_gc_changes_nothing_until_it_is_meant(folder):
    done = insidellms("runs", "gc", "--older-than", "1d", "--keep-last", 1, cwd=folder)
    assert done.code == 0, done.err
    head, first, second, third, total = done.out.splitlines()
    assert head.split() == ["decision", "run", "state", "age", "size", "reason"]
    assert first.startswith("remove    runs/old")
    assert "unchanged for 40.0 days" in first
    assert "among the newest 1 of nightly" in second
    assert "among the newest 1 of release" in third
    assert total.startswith("1 of 3 runs would be removed")
    assert names(folder) == ["old", "new", "rc"]


def test_gc_removes_and_says_what_is_freed(folder):
    size = sum(path.stat().st_size for path in (folder / "runs" / "old").iterdir())
    done = insidellms("runs", "gc", "--older-than", "1d", "--keep-last", 1, "--yes", "--json", cwd=folder)
    assert done.code == 0, done.err
    assert (done.json["freed_bytes"], done.json["dry_run"]) == (size, False)
    assert [one["goes"] for one in done.json["runs"]] == [True, False, False]
    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["new", "rc"]


def test_gc_keeps_a_folder_to_a_size(folder):
    done = insidellms("runs", "gc", "runs", "--max-size", "250KB", "--yes", cwd=folder)
    assert done.code == 0, done.err
    assert "removed 1 of 3 runs" in done.out
    assert names(folder) == ["new", "rc"]


def test_gc_leaves_a_run_that_is_being_written(folder):
    with RunDirectory.open(folder / "runs" / "going", header()):
        for meant in ("--dry-run", "--yes"):
            done = insidellms("runs", "gc", "--keep-last", 0, "--state", "unfinished", meant, cwd=folder)
            assert done.code == 0, done.err
            assert "another process is writing it" in done.out
    assert "going" in names(folder)


def test_gc_goes_on_with_the_others_where_one_cannot_be_removed(folder):
    stuck = folder / "runs" / ".insidellms-trash-earlier"
    stuck.mkdir()
    (stuck / "mine").write_text("x")
    done = insidellms("runs", "gc", "--keep-last", 0, "--yes", cwd=folder)
    assert done.code == 1
    assert "cannot remove runs/.insidellms-trash-earlier" in done.err
    assert [path.name for path in (folder / "runs").iterdir()] == [stuck.name]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("gc",), "no limit is given"),
        (("gc", "--keep-last", "-1"), "-1"),
        (("gc", "--older-than", "3 fortnights"), "is not an amount"),
        (("gc", "--max-size", "10"), "is not an amount"),
        (("gc", "nowhere", "--keep-last", "1"), "nowhere cannot be looked into"),
        (("gc", "runs/old", "--keep-last", "1"), "is a run itself"),
        (("gc", "pool", "--keep-last", "1"), "is a baseline pool"),
        (("gc", "--keep-last", "1", "--pool", "nowhere"), "nowhere is not a folder"),
        (("show", "runs"), "is not a run directory"),
        (("list", "e.yaml"), "cannot be looked into"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder, args, said):
    write_files(folder, {"pool/ledger.jsonl": ""})
    done = insidellms("runs", *args, cwd=folder)
    assert done.code in {1, 2}
    assert said in done.err
    assert "Traceback" not in done.err
    assert names(folder) == ["old", "new", "rc"]


def test_a_folder_of_runs_in_place_of_a_run_names_a_run_in_it(folder):
    done = insidellms("report", "runs", cwd=folder)
    assert (done.code, "give a run in it, such as runs/new" in done.err) == (1, True)
