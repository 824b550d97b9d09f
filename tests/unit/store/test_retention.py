"""Which runs of a folder may go: none that anything refers to or somebody writes, and none half."""

import itertools
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from insideLLMs.core.errors import LockedError, RunDirectoryError, StorageError
from insideLLMs.core.part import Part
from insideLLMs.core.protocols import Model
from insideLLMs.core.shard import Shard
from insideLLMs.core.types import Telemetry
from insideLLMs.runner import run_probe
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.integrity.verification import verify
from insideLLMs.store.journal_line import JournalHeader
from insideLLMs.store.pool import LedgerEntry, accept, append
from insideLLMs.store.retention import LocalRoot, RetentionLimits, decide, pools_near, references_of
from insideLLMs.store.run_root import TRASH, empty_trash, look, remove, run_paths, runs_below, trash_in
from insideLLMs.store.sealed_run import OUR_FILES, SealedRun, State
from support.stored_trials import header, record
from support.users_code import Ask

DAY_S = 86_400
SAID = {"on": "2026-11-28", "by": "me", "why": "because"}
ALL = RetentionLimits(keep_last=0)


class Moody(Model):
    """Answers otherwise each time, and says nothing of it."""

    def generate(self, prompt, **options):
        return f"{prompt} {next(MOODS)}"


MOODS = itertools.count()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Four runs of one experiment and id, which came to different records."""
    folder = tmp_path_factory.mktemp("made")
    for number in range(4):
        run_probe(Moody("m"), Ask(), ["a", "b"], run_dir=folder / f"r{number}")
    return folder


@pytest.fixture
def root(made, tmp_path):
    """The runs in a folder of their own: r3 is new, and r0 is 3 days old."""
    shutil.copytree(made, tmp_path / "runs")
    for days, name in enumerate(["r3", "r2", "r1", "r0"]):
        age(tmp_path / "runs" / name, days)
    return tmp_path / "runs"


def age(run, days):
    for path in run.iterdir():
        os.utime(path, (time.time() - days * DAY_S,) * 2)


def gone(root, limits, *, pools=(), **more):
    """Return the names of the runs that would go, and why the others stay."""
    found = decide(runs_below(root), limits, references_of(pools_near(root, pools)), now_s=time.time(), **more)
    return {each.run.path.name for each in found if each.goes}, {
        each.run.path.name: each.why for each in found if not each.goes
    }


def size_of(root, *names):
    return sum(path.stat().st_size for name in names for path in (root / name).iterdir())


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        ({"keep_last": 0}, "r0 r1 r2 r3"),
        ({"keep_last": 1}, "r0 r1 r2"),
        ({"older_than": DAY_S * 3 // 2}, "r0 r1"),
        ({"older_than": DAY_S * 3 // 2, "keep_last": 3}, "r0"),
        ({"older_than": 5 * DAY_S}, ""),
        ({"max_size": 0}, "r0 r1 r2 r3"),
        ({"max_size": 0, "older_than": DAY_S * 3 // 2}, "r0 r1"),
    ],
)
def test_a_run_goes_that_exceeds_every_limit(root, limits, names):
    assert gone(root, RetentionLimits(**limits))[0] == set(names.split())


def test_the_newest_of_each_experiment_are_kept(root):
    runs = list(runs_below(root))
    runs[0] = replace(runs[0], manifest=replace(runs[0].manifest, name="another"))
    found = decide(runs, RetentionLimits(keep_last=1), (), now_s=time.time())
    assert [each.run.path.name for each in found if not each.goes] == ["r0", "r3"]


def test_each_shard_is_kept_as_an_experiment_of_its_own(root):
    def shard(run, number):
        part = Part(trials=1, of_trials=2, shard=Shard(number, 2))
        return replace(run, manifest=replace(run.manifest, part=part))

    runs = [shard(run, 1 + place % 2) for place, run in enumerate(runs_below(root))]
    found = decide(runs, RetentionLimits(keep_last=1), (), now_s=time.time())
    assert [each.run.path.name for each in found if not each.goes] == ["r2", "r3"]


def test_the_oldest_go_until_the_rest_is_small_enough(root):
    keep = size_of(root, "r1", "r2", "r3")
    assert gone(root, RetentionLimits(max_size=keep))[0] == {"r0"}
    assert gone(root, RetentionLimits(max_size=keep - 1))[0] == {"r0", "r1"}
    _, stay = gone(root, RetentionLimits(max_size=keep))
    assert stay["r1"] == "the older ones are enough"


def test_a_run_that_a_pool_accepted_stays_also_by_another_name_or_as_a_slim_copy(root, tmp_path):
    accept(tmp_path / "pool", root / "r0", **SAID)
    accept(root / "slim", root / "r1", **SAID, slim=True)
    found, stay = gone(root, ALL)
    assert found == {"r2", "r3"}
    assert "pool accepted it" in stay["r0"]
    (root / "r0").rename(root / "renamed")
    assert gone(root, ALL)[0] == {"r2", "r3"}


def test_a_pool_elsewhere_counts_when_it_is_named(root, tmp_path):
    accept(tmp_path / "far" / "away" / "pool", root / "r0", **SAID)
    assert "r0" in gone(root, ALL)[0]
    assert "r0" not in gone(root, ALL, pools=[tmp_path / "far" / "away" / "pool"])[0]
    with pytest.raises(RunDirectoryError, match="is not a folder"):
        gone(root, ALL, pools=[tmp_path / "nowhere"])
    with pytest.raises(RunDirectoryError, match="away is not a baseline pool"):  # the pool is in it
        gone(root, ALL, pools=[tmp_path / "far" / "away"])


def test_a_pool_counts_beside_a_link_to_the_runs_beside_where_it_leads_and_here(root, tmp_path, monkeypatch):
    accept(tmp_path / "pool", root / "r0", **SAID)
    accept(tmp_path / "project" / "baselines", root / "r1", **SAID)
    (tmp_path / "project" / "runs").symlink_to(root)
    assert gone(tmp_path / "project" / "runs", ALL)[0] == {"r2", "r3"}
    assert gone(root, ALL)[0] == {"r1", "r2", "r3"}
    monkeypatch.chdir(tmp_path / "project")
    assert gone(root, ALL)[0] == {"r2", "r3"}
    monkeypatch.chdir(tmp_path / "project" / "baselines")
    assert gone(root, ALL)[0] == {"r2", "r3"}


def test_a_ledger_that_is_a_link_stops_everything(root, tmp_path):
    accept(tmp_path / "pool", root / "r0", **SAID)
    (tmp_path / "pool" / "ledger.jsonl").rename(tmp_path / "elsewhere.jsonl")
    (tmp_path / "pool" / "ledger.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    with pytest.raises(RunDirectoryError, match=r"ledger.jsonl cannot be read"):
        gone(root, ALL)


def test_a_run_that_a_waiver_names_stays(root, tmp_path):
    run_id = SealedRun.open(root / "r1").manifest.run_id
    append(tmp_path / "pool", LedgerEntry(action="waive", **SAID, run="r1", run_id=run_id, example_id="x"))
    found, stay = gone(root, ALL)
    assert "waiver" in stay["r1"]
    assert "r2" in found
    (root / "r1").rename(root / "renamed")
    assert "r1" not in gone(root, ALL)[0]
    assert "renamed" not in gone(root, ALL)[0]


def test_a_ledger_that_cannot_be_read_stops_everything(root, tmp_path):
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "ledger.jsonl").write_text("{}\n")
    with pytest.raises(RunDirectoryError, match="not an entry of a ledger"):
        gone(root, ALL)


@pytest.mark.parametrize("name", ["tape.jsonl", "signatures.dsse.json", "notes.txt", "records.jsonl.sig"])
def test_a_run_with_files_of_others_stays(root, name):
    (root / "r0" / name).write_text("mine")
    assert gone(root, ALL)[1]["r0"] == f"holds {name}, which only you may remove"


def test_a_link_or_a_folder_in_the_place_of_a_file_of_ours_is_not_ours(root, tmp_path):
    (root / "r0" / "report.html").unlink()
    (root / "r0" / "report.html").symlink_to(tmp_path / "precious")
    (root / "r1" / "telemetry.jsonl").unlink()
    (root / "r1" / "telemetry.jsonl").mkdir()
    assert {"r0", "r1"} <= set(gone(root, ALL)[1])


def test_only_run_directories_right_below_are_looked_at(root, tmp_path):
    (root / "link").symlink_to("r0")
    (root / "foreign").mkdir()
    (root / "foreign" / "records.jsonl").write_text("{}")
    shutil.copytree(root / "r0", root / "deeper" / "r0")
    shutil.copytree(root / "r0", root / ".hidden")
    assert [path.name for path in run_paths(root)] == ["r0", "r1", "r2", "r3"]
    with pytest.raises(RunDirectoryError, match="is a run itself"):
        run_paths(root / "r0")


def test_an_unfinished_run_with_answers_stays_and_one_without_may_go(root):
    for name in ("answered", "bare", "torn", "garbled"):
        with RunDirectory.open(root / name, header()) as directory:
            if name != "bare":
                directory.journal.append_record(0, record(0), Telemetry())
    journal = root / "torn" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])
    (root / "garbled" / "journal.jsonl").write_bytes(b"\0" * 900)
    found, stay = gone(root, ALL)
    assert "bare" in found
    assert all("can be resumed" in stay[name] for name in ("answered", "torn", "garbled"))


@pytest.mark.parametrize("name", ["batches.jsonl", "records.jsonl", "shards/1"])
def test_an_unfinished_run_that_may_have_answers_elsewhere_stays(root, name):
    with RunDirectory.open(root / "sent", header()):
        pass
    (root / "sent" / name).parent.mkdir(exist_ok=True)
    (root / "sent" / name).write_text("")
    assert f"holds {name.partition('/')[0]}" in gone(root, ALL)[1]["sent"]


def test_a_run_that_an_unfinished_one_goes_on_from_stays(root):
    manifest = SealedRun.open(root / "r0").manifest
    part = {"trials": 1, "of_trials": 2, "failed_in": manifest.run_id}
    described = {"manifest": {**msgspec.to_builtins(manifest), "part": part}, "config": ""}
    with RunDirectory.open(root / "going", JournalHeader(run_id="f" * 64, trials=1, described=described)) as directory:
        directory.journal.append_record(0, record(0), Telemetry())
    assert "going goes on from it" in gone(root, ALL)[1]["r0"]


def test_a_run_that_cannot_be_read_stays(root):
    (root / "r0" / "manifest.json").write_text('{"run_id": 1}')
    assert "cannot be read" in gone(root, ALL)[1]["r0"]


def test_what_does_not_fit_stays_and_still_counts_as_one_of_the_newest(root):
    found, stay = gone(root, RetentionLimits(keep_last=1), fits=lambda run: run.path.name == "r0")
    assert found == {"r0"}
    assert stay["r1"] == "left out by --experiment, --model or --state"


def test_a_run_that_is_written_is_not_removed(root):
    facts = look(root / "r0")
    with RunDirectory.open(root / "r0", header(), overwrite=True), pytest.raises(LockedError):
        remove(facts)
    with pytest.raises(RunDirectoryError, match="changed meanwhile"):
        remove(facts)
    assert look(root / "r0").state is State.UNFINISHED


def test_two_removals_at_once_remove_a_run_once(root):
    facts = look(root / "r0")
    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda _: end_of(facts), range(4)))
    assert ends.count("removed") == 1
    assert set(ends) <= {"removed", "it is gone already", "it has changed meanwhile", "another process is writing it"}
    assert not (root / "r0").exists()
    assert trash_in(root) == ()


def end_of(facts):
    try:
        remove(facts)
    except RunDirectoryError as error:
        return error.message
    return "removed"


def test_a_run_that_may_not_be_looked_into_stays_and_hides_no_other(root, monkeypatch):
    def scandir(path):
        if path == root / "r1":
            raise PermissionError(13, "Permission denied")
        return original(path)

    original = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    found, stay = gone(root, ALL)
    assert found == {"r0", "r2", "r3"}
    assert "Permission denied" in stay["r1"]


def test_what_may_be_a_pool_and_may_not_be_looked_into_is_named(root, tmp_path, monkeypatch):
    def lstat(path, **options):
        if path.parent == tmp_path / "pool":
            raise PermissionError(13, "Permission denied")
        return original(path, **options)

    accept(tmp_path / "pool", root / "r0", **SAID)
    assert LocalRoot(root).closed() == []
    original = Path.lstat
    monkeypatch.setattr(Path, "lstat", lstat)
    assert LocalRoot(root).closed() == [tmp_path / "pool"]


def test_a_run_that_the_disk_does_not_let_go_keeps_its_name(root, monkeypatch):
    def unlink(*_, **__):
        raise PermissionError(13, "Permission denied")

    facts = look(root / "r0")
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", unlink)
        with pytest.raises(StorageError, match=r"cannot remove .*r0: Permission denied"):
            remove(facts)
    assert verify(root / "r0").ok
    assert trash_in(root) == ()
    remove(look(root / "r0"))


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it."""


STEPS = 2 + 2 * len(OUR_FILES) + 1  # a rename, every file and its draft, the marker, the folder


def kill_after(monkeypatch, steps):
    """Die before the next change of the disk, after `steps` of them."""
    left = iter(range(steps))
    for name in ("rename", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, _dying(getattr(os, name), left))


def _dying(change, left):
    def changing(*args, **options):
        if next(left, None) is None:
            raise Killed
        return change(*args, **options)

    return changing


@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_a_removal_that_is_killed_leaves_a_whole_run_or_none(root, monkeypatch, steps):
    facts = look(root / "r0")
    with monkeypatch.context() as patched:
        kill_after(patched, steps)
        if steps < STEPS:
            with pytest.raises(Killed):
                remove(facts)
        else:
            remove(facts)
    assert (root / "r0").exists() == (steps == 0)
    assert steps or verify(root / "r0").ok
    assert {path.name for path in run_paths(root)} == {"r1", "r2", "r3"} | ({"r0"} if steps == 0 else set())
    for path in trash_in(root):
        empty_trash(path)
    assert not [path for path in root.iterdir() if path.name.startswith(TRASH)]


def test_what_somebody_put_into_the_trash_stays_and_is_told(root):
    trash = root / f"{TRASH}r9"
    trash.mkdir()
    (trash / "mine").write_text("x")
    with pytest.raises(StorageError, match="cannot remove"):
        empty_trash(trash)
    assert (trash / "mine").exists()


def test_a_run_stays_that_one_which_stays_is_since_or_has_answers_of(root):
    runs = {run.path.name: run for run in runs_below(root)}
    records = {name: run.manifest.records_root for name, run in runs.items()}

    def since(name, baseline, *sources):
        reused = [{"run": records[source], "run_id": records[source], "trials": 1} for source in sources]
        facts = {"run": records[baseline], "canary": 0.1, "seed": "s", "sources": reused}
        runs[name] = replace(runs[name], manifest=replace(runs[name].manifest, notes={"since": facts}))

    since("r3", "r2")
    since("r2", "r1")
    since("r1", "r0")
    for sources, going in ((), {"r0", "r1"}), (("r0",), {"r1"}):
        since("r3", "r2", *sources)
        found = decide(runs.values(), RetentionLimits(keep_last=1), (), now_s=time.time())
        assert {each.run.path.name for each in found if each.goes} == going
    assert "r3 is since it, or has answers of it" in next(each.why for each in found if each.run.path.name == "r2")


def test_a_run_that_stays_and_does_not_say_what_it_is_since_stops_everything_by_name(root):
    manifest = json.loads((root / "r3" / "manifest.json").read_bytes())
    (root / "r3" / "manifest.json").write_text(json.dumps(manifest | {"notes": {"since": {"run": 5}}}))
    with pytest.raises(RunDirectoryError, match="r3: the manifest's note 'since' cannot be read"):
        gone(root, RetentionLimits(keep_last=1))


def test_a_run_of_a_clock_that_is_ahead_is_new_and_says_so(root):
    age(root / "r3", -9)
    found, stay = gone(root, RetentionLimits(older_than=DAY_S * 3 // 2))
    assert found == {"r0", "r1"}
    assert stay["r3"] == "not old enough: changed in the future, by this clock"
    assert stay["r2"] == "not old enough: unchanged for 1.0 days"
