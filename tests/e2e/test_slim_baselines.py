"""`baseline accept --slim` and `--if-changed`: what git should not have is left out, and compares the same."""

import json

import pytest

from insideLLMs.store.integrity.verification import verify
from support.command import insidellms, write_files

EXPERIMENT = """
name: e
model: {type: dummy, id: m, args: {canned_response: good, failures: {WORSE: error}}}
probe: {type: contains}
dataset: {path: q.jsonl}
execution: {max_attempts: 1}
"""
ROWS = [{"id": f"i{n:02}", "question": f"item i{n:02}?", "answer": "good"} for n in range(30)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs `one`, `again` with equal answers and `two`, which is worse; the first one is accepted whole and slim."""
    folder = tmp_path_factory.mktemp("slim")
    write_files(folder, {"q.jsonl": ROWS, "e.yaml": EXPERIMENT, "bad.yaml": EXPERIMENT.replace("WORSE", "item i0")})
    for name in ("one", "again"):
        assert insidellms("run", "e.yaml", "--run-dir", name, cwd=folder).code == 0
    assert insidellms("run", "bad.yaml", "--run-dir", "two", cwd=folder).code == 0
    for pool, args in (("whole", ()), ("slim", ("--slim",))):
        done = insidellms("baseline", "accept", "one", "--pool", pool, "--why", "first", *args, cwd=folder)
        assert done.code == 0, done.err
    return folder


def test_a_slim_baseline_has_no_page_and_no_telemetry_and_is_intact(folder):
    names = sorted(path.name for path in (folder / "slim" / "one").iterdir())
    assert names == [
        ".insidellms-run",
        "config.resolved.yaml",
        "leaves.jsonl",
        "manifest.json",
        "records.jsonl",
        "summary.json",
    ]
    assert verify(folder / "slim" / "one").ok
    for name in ("config.resolved.yaml", "records.jsonl", "summary.json"):
        assert (folder / "slim" / "one" / name).read_bytes() == (folder / "one" / name).read_bytes()


@pytest.mark.parametrize("candidate", ["again", "two"])
def test_a_slim_baseline_compares_the_same(folder, candidate):
    whole, slim = (
        insidellms("diff", "--pool", pool, candidate, "--errors-as", "fail", "--json", cwd=folder)
        for pool in ("whole", "slim")
    )
    assert (slim.code, slim.json) == (whole.code, whole.json)
    assert slim.code == {"again": 0, "two": 3}[candidate]


def test_what_needs_a_file_that_was_left_out_says_so(folder):
    done = insidellms("report", "slim/one", "--telemetry", cwd=folder)
    assert (done.code, "accepted with --slim" in done.err) == (1, True)
    done = insidellms("diff", "--pool", "slim", "again", "--max-growth", "latency_ms=0.5", cwd=folder)
    assert (done.code, "`--slim`" in done.out) == (4, True), done.out
    done = insidellms("report", "slim/one", cwd=folder)
    assert (done.code, "--html FILE" in done.out) == (0, True)
    assert insidellms("report", "slim/one", "--html", "again.html", cwd=folder).code == 0
    assert (folder / "again.html").read_bytes() == (folder / "one" / "report.html").read_bytes()


def test_the_same_run_is_not_accepted_twice_with_if_changed(folder):
    again = ("baseline", "accept", "--pool", "slim", "--why", "again", "--slim", "--if-changed")
    done = insidellms(*again, "one", cwd=folder)
    assert (done.code, "nothing was accepted" in done.out) == (0, True)
    assert len((folder / "slim" / "ledger.jsonl").read_bytes().splitlines()) == 1
    first = insidellms("baseline", "accept", "one", "--pool", "new", "--why", "x", "--if-changed", cwd=folder)
    assert (first.code, (folder / "new" / "one").is_dir()) == (0, True)
    other = insidellms("baseline", "accept", "two", "--pool", "new", "--why", "x", "--if-changed", cwd=folder)
    assert (other.code, (folder / "new" / "two").is_dir()) == (0, True)


def test_slim_goes_with_a_run_and_not_with_waived_examples(folder):
    done = insidellms("baseline", "accept", "one", "--why", "x", "--slim", "--example", "i00", cwd=folder)
    assert (done.code, "not with --example" in done.err) == (1, True)


@pytest.mark.parametrize("pool", ["nowhere", "empty"])
def test_without_a_baseline_the_gate_is_inconclusive_and_says_what_to_do(folder, pool):
    (folder / "empty").mkdir(exist_ok=True)
    done = insidellms("diff", "--pool", pool, "one", cwd=folder)
    assert done.code == 4
    assert f"there is no baseline yet: {pool} holds no run" in done.err
    assert f"insidellms baseline accept RUN --pool {pool} --slim" in done.err


def test_a_slim_baseline_of_a_killed_acceptance_is_noted_and_not_copied_again(folder, tmp_path):
    accept = ("baseline", "accept", folder / "one", "--pool", tmp_path / "pool", "--why", "x", "--slim")
    assert insidellms(*accept, cwd=folder).code == 0
    (tmp_path / "pool" / "ledger.jsonl").unlink()
    assert insidellms(*accept, cwd=folder).code == 0
    (line,) = (tmp_path / "pool" / "ledger.jsonl").read_bytes().splitlines()
    assert json.loads(line)["run"] == "one"
