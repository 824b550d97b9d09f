"""Runs since another, in process: what judges said is kept, and a run that was cut off anywhere ends with its bytes."""

import asyncio
import subprocess
import sys
from collections import Counter

import pytest

from insideLLMs.api.preparation.prepared import Parts
from insideLLMs.api.run import RunOptions, arun
from insideLLMs.api.since.baseline import open_baseline
from insideLLMs.api.since.rounds import RunSince, SinceOptions
from insideLLMs.core.errors import InsideLLMsError, StorageError
from insideLLMs.core.experiment import DatasetSpec, Experiment, ModelSpec, ProbeSpec
from insideLLMs.core.since import since_facts
from insideLLMs.core.types import Response
from insideLLMs.plugins import model_registry
from insideLLMs.providers.dummy import DummyModel
from insideLLMs.store.journal import Journal
from insideLLMs.store.sealed_run import SealedRun
from support.command import canonical_bytes, records_of
from support.documents import ROOT

CALLS = Counter()


class CountedModel(DummyModel):
    """Counts its calls by its name; a judge of that name gives everything the best grade."""

    __module__ = "insideLLMs.providers.counted"  # as one of ours

    async def respond(self, request, *, repeat=0):
        CALLS[self.model_id] += 1
        if self.model_id == "judge":
            return Response(text='{"reason": "fine", "score": 5}')
        return await super().respond(request, repeat=repeat)


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    CALLS.clear()
    monkeypatch.setitem(model_registry._targets, "counted", CountedModel)


def experiment(*, rubric="Is it right?", flaky=0.0, probes=None, rows=12):
    judge = {"judges": {"type": "counted", "args": {"name": "judge"}}, "rubric": rubric, "threshold": 3}
    return Experiment(
        name="since",
        models=(ModelSpec(type="counted", id="m", args={"name": "model", "canned_response": "yes", "flaky": flaky}),),
        probes=probes
        or (
            ProbeSpec(type="judge", id="judge", args=judge, datasets=("d",)),
            ProbeSpec(type="contains", id="contains", args={"any": ["yes"]}, datasets=("d",)),
        ),
        datasets=(
            DatasetSpec(
                name="d", format="inline", examples=tuple({"id": f"e{i:02}", "input": f"q{i}"} for i in range(rows))
            ),
        ),
    )


def run(given, path, **options):
    asyncio.run(arun(given, folder=path.parent, options=RunOptions(run_dir=path, **options), parts=Parts()))
    return SealedRun.open(path)


def run_since(given, path, base, *, canary=0.0, resume=False):
    rounds = RunSince(
        SinceOptions(
            baseline=open_baseline(base), today="2026-01-01", say=lambda _: None, canary=canary, seed="s", resume=resume
        )
    )
    return run(given, path, rounds=rounds.rounds, begin=rounds.begin, resume=resume)


def test_what_judges_said_is_kept_where_they_and_what_they_see_are_the_same(tmp_path):
    run(experiment(), tmp_path / "base")
    CALLS.clear()
    run_since(experiment(), tmp_path / "same", tmp_path / "base")
    assert not CALLS
    run_since(experiment(rubric="Is it kind?"), tmp_path / "other", tmp_path / "base")
    assert CALLS == {"judge": 12}


def test_a_canary_is_judged_again(tmp_path):
    run(experiment(), tmp_path / "base")
    CALLS.clear()
    run_since(experiment(), tmp_path / "pr", tmp_path / "base", canary=1.0)
    assert CALLS == {"model": 12, "judge": 12}


@pytest.mark.parametrize("written", range(1, 24, 4))
def test_a_run_that_was_cut_off_anywhere_ends_with_the_same_bytes(tmp_path, monkeypatch, written):
    run(experiment(), tmp_path / "base")
    whole = run_since(experiment(), tmp_path / "whole", tmp_path / "base", canary=0.3)
    append, left = Journal.append_record, [written]

    def failing(self, *args, **marks):
        if not left[0]:
            raise StorageError("the disk is full", fix="make room")
        left[0] -= 1
        append(self, *args, **marks)

    monkeypatch.setattr(Journal, "append_record", failing)
    with pytest.raises(InsideLLMsError):
        run_since(experiment(), tmp_path / "cut", tmp_path / "base", canary=0.3)
    monkeypatch.setattr(Journal, "append_record", append)
    CALLS.clear()
    run_since(experiment(), tmp_path / "cut", tmp_path / "base", resume=True, canary=None)
    assert canonical_bytes(tmp_path / "cut") == canonical_bytes(whole.path)
    assert CALLS["model"] <= since_facts(whole.manifest.notes).canaries


def test_no_answer_is_asked_again_twice_before_the_others_were_once(tmp_path):
    last, drawn = tmp_path / "base", []
    root = run(experiment(rows=30), last).manifest.records_root
    while not drawn or root in since_facts(SealedRun.open(last).manifest.notes).due:
        path = tmp_path / f"run-{len(drawn)}"
        run_since(experiment(rows=30), path, last, canary=0.25)
        drawn.append({line["example_id"] for line in records_of(path) if line["since"]["answer"] == "canary"})
        last = path
    assert Counter(name for names in drawn for name in names) == {f"e{i:02}": 1 for i in range(30)}


def test_no_edit_of_a_sample_leads_to_a_stale_answer():
    """Some of the thousand edits of the benchmark; it exits with 1 for a stale answer, and for a call too many."""
    script = ROOT / "benchmarks" / "since_edits.py"
    done = subprocess.run(
        [sys.executable, str(script), "--edits", "12", "--seed", "7"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "runs with a stale answer or score: 0" in done.stdout
