"""A pool grows by whole runs: an acceptance that was killed leaves nothing that counts, and the next one goes on."""

import json
import os
import shutil

import pytest

from insideLLMs.api.baselines import write_noise
from insideLLMs.compare.gate.evidence import NoiseFloor
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.providers.dummy import DummyModel
from insideLLMs.runner import run_probe
from insideLLMs.store import pool as pools
from insideLLMs.store.integrity.verification import verify
from insideLLMs.store.pool import accept, read_pool
from insideLLMs.store.sealed_run import OUR_FILES
from support.users_code import Ask

SAID = {"on": "2026-11-28", "by": "me", "why": "because"}


@pytest.fixture
def run(tmp_path):
    run_probe(DummyModel(), Ask(), ["a", "b"], run_dir=tmp_path / "run")
    return tmp_path / "run"


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it."""


def kill_at(monkeypatch, place, step):
    calls = []

    def die(*args, **kwargs):
        calls.append(args)
        if len(calls) > step:
            raise Killed
        return original(*args, **kwargs)

    original = getattr(*place)
    monkeypatch.setattr(*place, die)


@pytest.mark.parametrize("step", range(len(OUR_FILES)))
def test_a_copy_that_was_cut_off_counts_for_nothing_and_the_next_acceptance_is_whole(run, tmp_path, monkeypatch, step):
    with monkeypatch.context() as patched:
        kill_at(patched, (os, "fsync"), step)
        try:
            accept(tmp_path / "pool", run, **SAID)
        except Killed:
            assert read_pool(tmp_path / "pool").runs == ()
    target = (
        accept(tmp_path / "pool", run, **SAID) if not read_pool(tmp_path / "pool").runs else tmp_path / "pool" / "run"
    )
    assert target == tmp_path / "pool" / "run"
    assert verify(target).ok
    assert read_pool(tmp_path / "pool").runs == (target,)
    assert sorted(path.name for path in (tmp_path / "pool").iterdir()) == ["ledger.jsonl", "run"]


def test_a_run_that_was_copied_but_not_noted_is_noted_and_not_copied_again(run, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        kill_at(patched, (pools, "append"), 0)
        with pytest.raises(Killed):
            accept(tmp_path / "pool", run, **SAID)
    assert accept(tmp_path / "pool", run, **SAID) == tmp_path / "pool" / "run"
    found = read_pool(tmp_path / "pool")
    assert [path.name for path in found.runs] == ["run"]
    assert [entry.run for entry in found.ledger] == ["run"]


def test_links_in_a_run_or_a_pool_are_not_followed(run, tmp_path):
    (tmp_path / "secret").write_text("{}\n")
    (run / "telemetry.jsonl").unlink()
    (run / "telemetry.jsonl").symlink_to(tmp_path / "secret")
    with pytest.raises(RunDirectoryError, match=r"telemetry\.jsonl is not a regular file"):
        accept(tmp_path / "pool", run, **SAID)
    (run / "telemetry.jsonl").unlink()
    target = accept(tmp_path / "pool", run, **SAID)
    shutil.move(target, tmp_path / "outside")
    target.symlink_to(tmp_path / "outside")
    assert read_pool(tmp_path / "pool").runs == ()
    (tmp_path / "pool" / "ledger.jsonl").unlink()
    (tmp_path / "pool" / "ledger.jsonl").symlink_to(tmp_path / "secret")
    with pytest.raises(RunDirectoryError, match=r"ledger\.jsonl"):
        read_pool(tmp_path / "pool")


def test_an_entry_of_the_ledger_with_a_key_twice_is_named(run, tmp_path):
    accept(tmp_path / "pool", run, **{**SAID, "by": "ann"})
    ledger = tmp_path / "pool" / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"by":"ann"', '"by":"ann","by":"bob"'))
    with pytest.raises(RunDirectoryError, match=r"ledger\.jsonl, line 1: has the key 'by' twice"):
        read_pool(tmp_path / "pool")


def test_the_ledger_names_what_was_accepted(run, tmp_path):
    accept(tmp_path / "pool", run, **SAID)
    (line,) = (tmp_path / "pool" / "ledger.jsonl").read_text().splitlines()
    assert json.loads(line)["run"] == "run"


def test_what_a_pool_writes_follows_no_link_either(run, tmp_path):
    (tmp_path / "pool").mkdir()
    (tmp_path / "outside").write_text("kept")
    for name in ("ledger.jsonl", "noise.json"):
        (tmp_path / "pool" / name).symlink_to(tmp_path / "outside")
    with pytest.raises(RunDirectoryError):
        accept(tmp_path / "pool", run, **SAID)
    write_noise(tmp_path / "pool" / "noise.json", NoiseFloor(runs=("a", "b"), levels={}))
    assert (tmp_path / "outside").read_text() == "kept"
    assert not (tmp_path / "pool" / "noise.json").is_symlink()
