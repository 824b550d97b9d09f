"""A gate that is given one run twice has nothing to compare: it never passes, by whatever name the run comes."""

import json
import os
import shutil

import pytest

from insideLLMs import compare_runs
from insideLLMs.core.errors import CompareError
from support.command import insidellms, write_files

EXPERIMENT = "model: {type: dummy}\nprobe: {type: equals}\ndataset: {path: q.jsonl}\n"
ROWS = [{"id": f"e{number}", "prompt": f"Q{number}", "expected": "A"} for number in range(5)]
SAME = "is the same run as"
TWICE = "is given twice, and a run does not differ from itself"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twice")
    write_files(folder, {"e.yaml": EXPERIMENT, "q.jsonl": ROWS})
    for name in ("one", "two", "three"):
        assert insidellms("run", "e.yaml", "--run-dir", name, cwd=folder).code == 0
    shutil.copytree(folder / "one", folder / "copy")
    shutil.copytree(folder / "one", folder / "links", copy_function=os.link)
    (folder / "shortcut").symlink_to("one")
    for name in ("one", "two"):
        accept = ("baseline", "accept", name, "--pool", "pool", "--slim", "--why", "good")
        assert insidellms(*accept, cwd=folder).code == 0
    return folder


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("one", "one"), TWICE),
        (("one", "./one/"), TWICE),
        (("one", "two/../one"), SAME),
        (("one", "shortcut"), SAME),
        (("one", "copy"), SAME),
        (("one", "links"), SAME),
        (("copy", "one"), SAME),
        (("copy", "shortcut"), SAME),
        (("one", "two", "--candidate", "copy"), SAME),
        (("one", "copy", "--candidate", "two"), SAME),
        (("pool/one", "one"), SAME),
        (("--pool", "pool", "one"), SAME),
        (("--pool", "pool", "copy", "three"), SAME),
        (("one", "one", "--fail-on", "never"), TWICE),
    ],
)
def test_diff_compares_no_run_with_itself(folder, arguments, why):
    done = insidellms("diff", *arguments, "--json", cwd=folder)
    assert (done.code, done.out) == (1, "")
    assert why in done.err
    assert "fix: run the experiment again, and give that run" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("watch", "two", "one", "--pool", "pool"),
        ("watch", "three", "three", "--pool", "pool"),
        ("trend", "one", "three", "--pool", "pool"),
        ("noise", "one", "copy"),
        ("noise", "--pool", "pool", "copy"),
        ("blame", "one", "copy", "--dry-run"),
        ("run", "e.yaml", "--baseline", "one", "--baseline", "copy", "--early-stop", "--run-dir", "never"),
    ],
)
def test_no_other_command_counts_a_run_twice(folder, arguments):
    done = insidellms(*arguments, cwd=folder)
    assert done.code == 1
    assert "a run does not differ from itself" in done.err
    assert not (folder / "never").exists()


def test_runs_with_equal_answers_are_two_runs(folder):
    assert (folder / "one/records.jsonl").read_bytes() == (folder / "three/records.jsonl").read_bytes()
    for arguments in (("one", "three"), ("--pool", "pool", "three"), ("one", "two", "--candidate", "three")):
        assert insidellms("diff", *arguments, cwd=folder).code == 0
    assert insidellms("noise", "--pool", "pool", "three", cwd=folder).code == 0


def test_the_python_interface_refuses_it_too(folder):
    with pytest.raises(CompareError, match=SAME):
        compare_runs(folder / "one", folder / "copy")
    assert compare_runs(folder / "one", folder / "two").verdict.passed


def test_a_slim_copy_is_accepted_once(folder):
    shutil.copytree(folder / "pool", folder / "pool2")
    accept = ("baseline", "accept", "copy", "--pool", "pool2", "--slim", "--why", "again")
    done = insidellms(*accept, cwd=folder)
    assert (done.code, "copy is already in the pool, as one" in done.err) == (1, True)
    assert insidellms("verify", "pool2/one", cwd=folder).code == 0


def test_a_log_is_given_twice_but_two_logs_may_be_equal(folder):
    rows = [{"id": f"e{number}", "passed": True} for number in range(10)]
    write_files(folder, {"ours.jsonl": rows, "theirs.jsonl": rows})
    done = insidellms("diff", "ours.jsonl", "./ours.jsonl", cwd=folder)
    assert (done.code, f"ours.jsonl {TWICE}" in done.err) == (1, True)
    assert insidellms("diff", "ours.jsonl", "theirs.jsonl", cwd=folder).code == 0


def test_replays_of_one_cassette_are_runs_of_their_own(folder):
    assert insidellms("run", "e.yaml", "--run-dir", "recorded", "--record", "c.jsonl", cwd=folder).code == 0
    for name in ("replay1", "replay2"):
        assert insidellms("run", "e.yaml", "--run-dir", name, "--replay", "c.jsonl", cwd=folder).code == 0
    assert json.loads((folder / "replay1/telemetry.jsonl").read_text().splitlines()[0])["cached"]
    assert insidellms("diff", "replay1", "replay2", cwd=folder).code == 0
