"""A run that comes to nothing leaves what was there; one that replaces another removes it only for something."""

import contextlib

import pytest

from insideLLMs.core.errors import InterruptedRunError, OptionError
from insideLLMs.core.types import Telemetry
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.held_folder import HeldFolder
from insideLLMs.store.integrity.verification import verify
from insideLLMs.store.sealed_run import MARKER, MARKER_TEXT
from support.command import write_files
from support.stored_trials import header, record, write_run


def tree(folder):
    return {path: path.is_dir() or path.read_bytes() for path in folder.rglob("*")}


BEFORE = {
    "nothing": lambda path: None,
    "an empty folder": lambda path: path.mkdir(parents=True),
    "an empty folder of ours": lambda path: write_files(path, {MARKER: MARKER_TEXT}),
    "a sealed run": write_run,
    "an unfinished run": lambda path: write_run(path, order=(0,), sealed=False),
    "a run in shards": lambda path: write_run(
        path, order=(), sealed=False, shards=lambda: write_run(path / "shards" / "1-of-2")
    ),
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("error", [OptionError("no"), InterruptedRunError("stop"), KeyboardInterrupt()])
def test_a_run_that_ends_before_it_has_anything_leaves_all_as_it_was(tmp_path, before, error):
    path = tmp_path / "new" / "deep" / "run"
    BEFORE[before](path)
    there = tree(tmp_path)
    with pytest.raises(type(error)), RunDirectory.open(path, header(), overwrite="run" in before):
        raise error
    assert tree(tmp_path) == there
    assert getattr(error, "run_dir", None) is None


@pytest.mark.parametrize("before", BEFORE)
def test_a_run_that_stops_with_an_answer_keeps_it_and_nothing_of_the_run_that_it_replaced(tmp_path, before):
    path = tmp_path / "run"
    BEFORE[before](path)
    stopped = OptionError("no")
    with (  # noqa: PT012 - the block is what stops
        pytest.raises(OptionError),
        RunDirectory.open(path, header(), overwrite="run" in before) as directory,
    ):
        directory.journal.append_record(1, record(1), Telemetry())
        raise stopped
    assert {file.name for file in path.rglob("*")} == {MARKER, "journal.jsonl"}
    assert stopped.run_dir == path
    write_run(path, order=(0, 2), resume=True)
    assert verify(path).ok


class Killed(BaseException):
    """Nothing is done after it: every later step raises it, too."""


@contextlib.contextmanager
def killed_at(step, monkeypatch):
    steps = iter(range(1000))

    def stepping(original):
        def stepped(*args, **kwargs):
            if next(steps) >= step:
                raise Killed
            return original(*args, **kwargs)

        return stepped

    with monkeypatch.context() as patch:
        for name in ("move", "remove", "subfolder", "remove_subfolder"):
            patch.setattr(HeldFolder, name, stepping(getattr(HeldFolder, name)))
        with contextlib.suppress(Killed, OptionError):
            yield


@pytest.mark.parametrize("step", range(20))
def test_a_process_that_is_killed_while_it_replaces_a_run_is_in_nobodys_way(tmp_path, step, monkeypatch):
    path = tmp_path / "run"
    write_run(path)
    with killed_at(step, monkeypatch), RunDirectory.open(path, header(), overwrite=True):
        pass
    write_run(path, overwrite=True)
    write_run(tmp_path / "reference")
    assert {file.name for file in path.rglob("*")} == {file.name for file in (tmp_path / "reference").rglob("*")}
    assert verify(path).ok


@pytest.mark.parametrize("before", ["a sealed run", "an unfinished run"])
@pytest.mark.parametrize("step", range(0, 90, 3))
def test_a_run_outlives_a_kill_and_a_second_replacement_that_comes_to_nothing(tmp_path, before, step, monkeypatch):
    path = tmp_path / "run"
    BEFORE[before](path)
    there = tree(path)
    with killed_at(step, monkeypatch), RunDirectory.open(path, header(), overwrite=True):
        raise OptionError("no")
    with pytest.raises(OptionError), RunDirectory.open(path, header(), overwrite=True):
        raise OptionError("no")
    assert tree(path) == there
