"""The run directory: whose it is, what state it is in, and sealing that survives a crash at any step."""

import io
import shutil

import msgspec
import pytest

from insideLLMs.core.errors import LockedError, PlanMismatchError, RunDirectoryError, StorageError
from insideLLMs.core.record_views import RecordIdentity
from insideLLMs.core.types import ResultStatus, Telemetry
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.held_folder import HeldFolder
from insideLLMs.store.integrity.verification import verify
from insideLLMs.store.journal_line import JournalHeader
from insideLLMs.store.run_draft import RunDraft
from insideLLMs.store.sealed_run import OUR_FILES, SealedRun, State, read_lines, state_of
from support.stored_trials import header, record, seal, write_run


def test_sealing_sorts_and_the_result_verifies(tmp_path):
    write_run(tmp_path / "run")
    assert list(read_lines(tmp_path / "run" / "records.jsonl")) == [record(0), record(1), record(2)]
    assert state_of(tmp_path / "run") is State.SEALED
    assert verify(tmp_path / "run").ok


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_finishing_changes_no_byte(tmp_path, order):
    write_run(tmp_path / "run", order=order)
    write_run(tmp_path / "reference")
    for name in ("records.jsonl", "manifest.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "reference" / name).read_bytes()


@pytest.mark.parametrize("step", range(13))
def test_a_crash_while_sealing_leaves_a_run_that_resumes_to_the_same_bytes(tmp_path, step, monkeypatch):
    write_run(tmp_path / "reference")

    class Crash(Exception):
        pass

    calls = iter(range(100))

    def crash_at_step(original):
        def stepping(*args, **kwargs):
            if next(calls) == step:
                raise Crash
            return original(*args, **kwargs)

        return stepping

    path = tmp_path / "run"
    with (  # noqa: PT012 - the crash is in the last step
        monkeypatch.context() as patch,
        pytest.raises(Crash),
        RunDirectory.open(path, header()) as directory,
    ):
        for index in range(3):
            directory.journal.append_record(index, record(index), Telemetry(attempts=1))
        for name in ("rename", "remove"):
            patch.setattr(HeldFolder, name, crash_at_step(getattr(HeldFolder, name)))
        seal(directory)
        raise Crash
    if state_of(path) is State.UNFINISHED:
        write_run(path, order=(), resume=True)
    assert (path / "manifest.json").read_bytes() == (tmp_path / "reference" / "manifest.json").read_bytes()
    assert verify(path).ok
    assert not list(path.glob("*.tmp"))


def test_a_sealed_run_with_failures_reopens_for_them_alone(tmp_path):
    write_run(tmp_path / "run", statuses={1: ResultStatus.TIMEOUT})
    assert SealedRun.open(tmp_path / "run").manifest.statuses["timeout"] == 1
    with RunDirectory.open(tmp_path / "run", header(), resume=True) as directory:
        assert [directory.journal.is_done(i) for i in range(3)] == [True, False, True]
        directory.journal.append_record(1, record(1), Telemetry(attempts=2))
        seal(directory)
    write_run(tmp_path / "reference")
    for name in ("records.jsonl", "manifest.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "reference" / name).read_bytes()


@pytest.mark.parametrize("sealed", [True, False])
def test_another_run_is_refused_and_nothing_is_touched(tmp_path, sealed):
    write_run(tmp_path / "run", sealed=sealed)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(PlanMismatchError):
        RunDirectory.open(tmp_path / "run", JournalHeader(run_id="b" * 64, trials=3), resume=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_one_writer_at_a_time(tmp_path):
    with (
        RunDirectory.open(tmp_path / "run", header()),
        pytest.raises(LockedError, match="another process"),
    ):
        RunDirectory.open(tmp_path / "run", header(), resume=True)


def test_a_foreign_folder_is_never_touched_even_with_overwrite(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "records.jsonl").write_text("mine")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(RunDirectoryError, match="not a run directory"):
            RunDirectory.open(tmp_path / "mine", header(), **options)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["records.jsonl"]


def test_overwriting_removes_our_files_and_leaves_strangers(tmp_path):
    write_run(tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with RunDirectory.open(tmp_path / "run", header(), overwrite=True):
        left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left & set(OUR_FILES) == {"journal.jsonl"}
    assert "notes.txt" in left


def test_a_disk_that_fills_while_sealing_is_a_clear_error_and_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "run"
    with RunDirectory.open(path, header()) as directory, monkeypatch.context() as patch:
        for index in range(3):
            directory.journal.append_record(index, record(index), Telemetry())
        patch.setattr(HeldFolder, "create", lambda *_: io.FileIO("/dev/full", "wb"))
        with pytest.raises(StorageError, match="No space left"):
            seal(directory)
    assert state_of(path) is State.UNFINISHED
    assert write_run(path, order=(), resume=True).trials == 3


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: data.replace(b'"yes"', b'"no!"', 1), "sha256"),
        (lambda data: b"\n".join(reversed(data.splitlines())) + b"\n", "out of order"),
        (lambda data: data[: len(data) // 2], "records"),
        (lambda data: data.replace(b'"model":"m"', b'"model" :"m"', 1), "canonical"),
        (lambda data: data.replace(b'"repeat":0', b'"repeat":"zero"', 1), "line 1"),
    ],
)
def test_verify_finds_what_was_tampered_with(tmp_path, damage, says):
    write_run(tmp_path / "run")
    path = tmp_path / "run" / "records.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    found = verify(tmp_path / "run")
    assert not found.ok
    assert says in "\n".join(found.problems)


@pytest.mark.parametrize("missing", range(3))
def test_a_run_is_not_sealed_while_a_trial_has_no_record(tmp_path, missing):
    order = [index for index in range(3) if index != missing]
    with pytest.raises(RunDirectoryError, match=f"trial {missing} of 3 has no record"):
        write_run(tmp_path / "run", order=order)
    assert state_of(tmp_path / "run") is State.UNFINISHED
    write_run(tmp_path / "run", order=(missing,), resume=True)
    assert verify(tmp_path / "run").ok


def test_a_run_is_not_sealed_with_one_trial_twice(tmp_path):
    with RunDirectory.open(tmp_path / "run", header()) as directory:
        for index, stored in enumerate([0, 1, 1]):
            directory.journal.append_record(index, record(stored), Telemetry())
        with pytest.raises(RunDirectoryError, match="trial 2 is out of order or duplicated"):
            seal(directory)
    assert state_of(tmp_path / "run") is State.UNFINISHED


def open_run(path, **options):
    return RunDirectory.open(path, header(), **options)


def fill(directory):
    for index in range(3):
        directory.journal.append_record(index, record(index), Telemetry(attempts=1))
    directory.journal.flush()


def test_a_run_whose_folder_was_removed_says_that_its_answers_are_lost(tmp_path):
    with open_run(tmp_path / "run") as directory:
        fill(directory)
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(StorageError, match="removed while the run went on: 3 of 3 answers were in it") as caught:
            seal(directory)
        assert "nothing needs to be asked again" not in str(caught.value.fix)
    assert not (tmp_path / "run").exists()


def test_a_removed_journal_is_noticed_while_the_run_goes_on(tmp_path):
    with open_run(tmp_path / "run") as directory:
        fill(directory)
        (tmp_path / "run" / "journal.jsonl").unlink()
        with pytest.raises(StorageError, match="3 of 3 answers were in it, and they are lost"):
            directory.journal.sync()
        with pytest.raises(StorageError, match="removed"):
            directory.journal.close()


def test_a_run_in_the_place_of_a_removed_one_is_never_touched_by_the_first(tmp_path):
    first = open_run(tmp_path / "run")
    fill(first)
    shutil.rmtree(tmp_path / "run")
    with open_run(tmp_path / "run") as second:
        fill(second)
        draft = RunDraft(second, view=RecordIdentity, has_telemetry=True)
        with pytest.raises(StorageError, match="removed while the run went on"):
            seal(first)
        draft.drop()
        seal(second)
    assert verify(tmp_path / "run").ok


def test_a_run_is_never_sealed_in_a_folder_that_took_the_place_of_its_own(tmp_path):
    with open_run(tmp_path / "run") as directory:
        fill(directory)
        (tmp_path / "run").rename(tmp_path / "moved")
        write_run(tmp_path / "run")
        before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
        with pytest.raises(StorageError, match="was moved while the run went on"):
            seal(directory)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    write_run(tmp_path / "moved", order=(), resume=True)
    assert verify(tmp_path / "moved").ok


def test_a_run_whose_marker_was_removed_says_how_to_go_on(tmp_path):
    path = tmp_path / "run"
    with open_run(path) as directory:
        fill(directory)
        (path / ".insidellms-run").unlink()
        with pytest.raises(StorageError, match=r"\.insidellms-run was removed") as caught:
            seal(directory)
    assert "touch" in caught.value.fix
    (path / ".insidellms-run").touch()
    write_run(path, order=(), resume=True)
    assert verify(path).ok


@pytest.mark.parametrize("name", ["journal.jsonl", ".insidellms-run"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_link_in_a_run_directory_is_not_followed(tmp_path, name, resume):
    (tmp_path / "mine").write_text("mine\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".insidellms-run").touch()
    (tmp_path / "run" / name).unlink(missing_ok=True)
    (tmp_path / "run" / name).symlink_to(tmp_path / "mine")
    with pytest.raises(RunDirectoryError):
        write_run(tmp_path / "run", resume=resume)
    assert (tmp_path / "mine").read_text() == "mine\n"


def test_drafts_that_are_links_are_replaced_and_what_they_name_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".insidellms-run").touch()
    for name in ("records.jsonl", "telemetry.jsonl", "summary.json", "manifest.json"):
        (tmp_path / "run" / f"{name}.tmp").symlink_to(tmp_path / "mine")
        (tmp_path / "run" / name).symlink_to(tmp_path / "mine")
    (tmp_path / "run" / "manifest.json").unlink()
    write_run(tmp_path / "run")
    assert (tmp_path / "mine").read_text() == "mine"
    assert verify(tmp_path / "run").ok


DAMAGE = {
    "a line removed": lambda lines: lines[1:],
    "a line doubled": lambda lines: [lines[0], *lines],
    "lines swapped": lambda lines: [lines[1], lines[0], *lines[2:]],
    "a line edited": lambda lines: [lines[0].replace(b'"yes"', b'"no!"'), *lines[1:]],
    "a line doubled in place of another": lambda lines: [lines[0], lines[0], lines[2]],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_sealed_run_that_was_changed_is_not_reopened_and_not_touched(tmp_path, damage):
    path = tmp_path / "run"
    write_run(path, statuses={1: ResultStatus.TIMEOUT})
    lines = (path / "records.jsonl").read_bytes().splitlines(keepends=True)
    (path / "records.jsonl").write_bytes(b"".join(DAMAGE[damage](lines)))
    before = {each.name: each.read_bytes() for each in path.iterdir()}
    with pytest.raises(RunDirectoryError):
        open_run(path, resume=True)
    assert {each.name: each.read_bytes() for each in path.iterdir()} == before


def test_a_reopened_run_keeps_each_trials_telemetry_where_a_line_of_it_is_missing(tmp_path):
    path = tmp_path / "run"
    with open_run(path) as directory:
        for index in range(3):
            directory.journal.append_record(index, record(index), Telemetry(attempts=index + 1))
        seal(directory)
    lines = (path / "telemetry.jsonl").read_bytes().splitlines(keepends=True)
    (path / "telemetry.jsonl").write_bytes(b"".join(lines[1:]))
    with open_run(path, resume=True) as directory:
        kept = [msgspec.json.decode(entry.telemetry).get("attempts") for entry in directory.journal.entries()]
    assert kept == [None, 2, 3]


def test_a_run_that_ended_while_another_waited_for_its_folder_is_not_overwritten(tmp_path, monkeypatch):
    path = tmp_path / "run"
    taken = HeldFolder.__init__

    def take_late(folder, at):
        with monkeypatch.context() as patch:
            patch.setattr(HeldFolder, "__init__", taken)
            write_run(path)
        taken(folder, at)

    monkeypatch.setattr(HeldFolder, "__init__", take_late)
    with pytest.raises(RunDirectoryError, match="already holds a finished run"):
        open_run(path)
    monkeypatch.undo()
    assert verify(path).ok
