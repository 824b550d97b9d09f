"""Labels of people on the answers of imported runs, written as the labelling page writes them."""

import random

from insideLLMs.core.answer_digest import answer_digest
from insideLLMs.core.record_views import AnsweredRecord
from insideLLMs.store.labels import PersonLabel, append_label
from insideLLMs.store.sealed_run import SealedRun


def label(answer="a" * 64, by="ann", verdict="pass", at="2026-01-01T00:00:00.000000Z", **given):
    """Make a label; what is not given is of some Trial."""
    names = {"probe": "p", "dataset": "d", "example_id": "e", "model": "m", "repeat": 0, **given}
    return PersonLabel(answer=answer, by=by, verdict=verdict, at=at, **names)


def label_of(record, by, *, passed, **given):
    """Make a person's label of the answer in a record."""
    names = {name: getattr(record, name) for name in ("probe", "dataset", "example_id", "model", "prompt", "repeat")}
    answer = answer_digest(record)
    return label(answer, by, "pass" if passed else "fail", **{**names, **given})


def answers(run_dir):
    """Return the records of a run as labels are held against them."""
    return list(SealedRun.open(run_dir).records(AnsweredRecord))


def label_run(run_dir, by, said, *, count=60, **given):
    """Label `count` answers of a run, drawn at random: `said` maps an example's id to the verdict."""
    for record in random.Random("people").sample(answers(run_dir), count):
        append_label(run_dir, label_of(record, by, passed=said(record.example_id), **given))
