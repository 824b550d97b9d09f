"""The run directory: whose it is, what state it is in, and sealing that survives a crash at any step."""

import pytest

from insideLLMs.core import canonical
from insideLLMs.core.errors import LockedError, PlanMismatchError, RunDirectoryError, StorageError
from insideLLMs.core.types import Example, Record, Response, ResultStatus, Telemetry
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.run_draft import RunDraft
from insideLLMs.store.sealed_run import OUR_FILES, SealedRun, State, read_lines, state_of, verify

RUN = "a" * 64


def record(index, status=ResultStatus.SUCCESS, text="yes"):
    return canonical.line(
        Record(
            probe="p",
            dataset="d",
            example_id=f"{index:03}",
            model="m",
            repeat=0,
            key=f"{index:064x}",
            example_digest="0" * 64,
            example=Example(id=f"{index:03}", input="?"),
            status=status,
            response=Response(text=text),
        )
    )


def seal(directory):
    with directory.sealing():
        draft = RunDraft(directory.path, directory.journal, has_telemetry=True)
        assert all(draft.take_rest())
        draft.write("summary.json", b"{}")
        manifest = Manifest(
            run_id=RUN,
            name="x",
            library={},
            models=(),
            probes=(),
            datasets=(),
            repeats=1,
            max_examples=None,
            trials=3,
            statuses=draft.statuses,
            records_root=draft.root(),
            files=draft.digests(),
        )
        draft.publish(manifest)
        return manifest


def write_run(path, *, order=(2, 0, 1), sealed=True, statuses=None, **options):
    with RunDirectory.open(path, run_id=RUN, total=3, **options) as directory:
        for index in order:
            if not directory.journal.is_done(index):
                status = (statuses or {}).get(index, ResultStatus.SUCCESS)
                directory.journal.append_record(index, record(index, status), Telemetry(attempts=1))
        return seal(directory) if sealed else None


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


@pytest.mark.parametrize("step", range(6))
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
    with monkeypatch.context() as patch, pytest.raises(Crash):  # noqa: PT012 - the crash is in the last step
        kind = type(path)
        with RunDirectory.open(path, run_id=RUN, total=3) as directory:
            for index in range(3):
                directory.journal.append_record(index, record(index), Telemetry(attempts=1))
            patch.setattr(kind, "replace", crash_at_step(kind.replace))
            patch.setattr(kind, "unlink", crash_at_step(kind.unlink))
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
    with RunDirectory.open(tmp_path / "run", run_id=RUN, total=3, resume=True) as directory:
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
        RunDirectory.open(tmp_path / "run", run_id="b" * 64, total=3, resume=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_one_writer_at_a_time(tmp_path):
    with (
        RunDirectory.open(tmp_path / "run", run_id=RUN, total=3),
        pytest.raises(LockedError, match="another process"),
    ):
        RunDirectory.open(tmp_path / "run", run_id=RUN, total=3, resume=True)


def test_a_foreign_folder_is_never_touched_even_with_overwrite(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "records.jsonl").write_text("mine")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(RunDirectoryError, match="not a run directory"):
            RunDirectory.open(tmp_path / "mine", run_id=RUN, total=3, **options)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["records.jsonl"]


def test_overwriting_removes_our_files_and_leaves_strangers(tmp_path):
    write_run(tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with RunDirectory.open(tmp_path / "run", run_id=RUN, total=3, overwrite=True):
        left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left & set(OUR_FILES) == {"journal.jsonl"}
    assert "notes.txt" in left


def test_a_disk_that_fills_while_sealing_is_a_clear_error_and_loses_nothing(tmp_path):
    path = tmp_path / "run"
    with RunDirectory.open(path, run_id=RUN, total=3) as directory:
        for index in range(3):
            directory.journal.append_record(index, record(index), Telemetry())
        (path / "records.jsonl.tmp").symlink_to("/dev/full")
        with pytest.raises(StorageError, match="No space left"):
            seal(directory)
        (path / "records.jsonl.tmp").unlink()
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
    with RunDirectory.open(tmp_path / "run", run_id=RUN, total=3) as directory:
        for index, stored in enumerate([0, 1, 1]):
            directory.journal.append_record(index, record(stored), Telemetry())
        with pytest.raises(RunDirectoryError, match="trial 2 is out of order or double"):
            seal(directory)
    assert state_of(tmp_path / "run") is State.UNFINISHED
