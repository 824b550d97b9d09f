"""The answers of a run that a person is asked to label: which, in which order, and what is shown of them."""

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
import orjson

from insideLLMs.compare.agreed_labels import AgreedLabel, agreed_labels
from insideLLMs.core.answer_digest import answer_digest, judged_answer
from insideLLMs.core.record_views import AnsweredRecord, TrialOrder, ViewedRecord, trial_order
from insideLLMs.store.labels import LABELS, MOST_DRAWN, Drawn, PersonLabel, latest, read_labels
from insideLLMs.store.sealed_run import SealedRun


class LabelSample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`count` answers, drawn as `drawn` says and in an order that `seed` decides; `shown` is beside each answer.

    Everybody with the same sample gets the same answers in the same order. Equal answers to an example are one.
    """

    drawn: Drawn = "random"
    count: Annotated[int, msgspec.Meta(ge=1, le=MOST_DRAWN)] = 50
    seed: Annotated[str, msgspec.Meta(max_length=100)] = "1"
    shown: tuple[Literal["expected", "model", "verdict"], ...] = ()

    def fits(self, record: AnsweredRecord, agreed: Mapping[str, AgreedLabel], answer: str) -> bool:
        """Whether an answer is one of those that are drawn from."""
        match self.drawn:
            case "failed":
                return record.passed is False
            case "disagree":
                values = record.scores.values if record.scores else {}
                return values.get("agreement", 1.0) < 1.0 or values.get("consistent", 1.0) < 1.0
            case "disputed":
                return answer in agreed and agreed[answer].is_disputed
            case _:
                return True

    def rank(self, answer: str) -> bytes:
        """Return what the answers are ordered by."""
        return hashlib.sha256(f"{self.seed}\n{answer}".encode()).digest()


class SampledAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to be labelled: the Trial that it is taken from, and what people said of it before."""

    answer: str
    trial: ViewedRecord
    said: tuple[PersonLabel, ...]


def draw(run: SealedRun, sample: LabelSample) -> tuple[SampledAnswer, ...]:
    """Draw the answers of a sample, in its order. Raises RunDirectoryError."""
    labels = read_labels(run.path / LABELS)
    chosen = _choose(run, sample, agreed_labels(labels))
    said: dict[str, list[PersonLabel]] = {}
    for label in latest(labels).values():
        said.setdefault(label.answer, []).append(label)
    found = {trial_order(record): record for record in run.records(ViewedRecord) if trial_order(record) in chosen}
    return tuple(
        SampledAnswer(answer=answer, trial=found[place], said=tuple(said.get(answer, ())))
        for place, answer in chosen.items()
    )


def _choose(run: SealedRun, sample: LabelSample, agreed: Mapping[str, AgreedLabel]) -> dict[TrialOrder, str]:
    """Return the answers by the first Trial that has each."""
    seen: dict[str, TrialOrder] = {}
    for record in run.records(AnsweredRecord):
        if record.status == "success":
            answer = answer_digest(record)
            if answer not in seen and sample.fits(record, agreed, answer):
                seen[answer] = trial_order(record)
    return {seen[answer]: answer for answer in heapq.nsmallest(sample.count, seen, key=sample.rank)}


def shown_answers(drawn: Sequence[SampledAnswer], sample: LabelSample, person: str) -> Iterator[dict[str, object]]:
    """Yield what the page gets of each answer: nothing that the person is not to see is in it."""
    decides = sample.drawn == "disputed"
    for each in drawn:
        trial = each.trial
        raw = {"input": trial.example.input, "request": trial.request}
        if "expected" in sample.shown:
            raw["expected"] = trial.example.expected
        if "verdict" in sample.shown:
            raw["scores"] = trial.scores
        mine = next((one for one in each.said if one.by == person and one.decides == decides), None)
        others = [one for one in each.said if decides and not one.decides and one.passed is not None]
        yield {
            "answer": each.answer,
            "example": trial.example_id,
            "probe": trial.probe,
            "model": trial.subject.label if "model" in sample.shown else None,
            "verdict": mine.verdict if mine else "open",
            "note": mine.note if mine else "",
            "counts": mine is not None and (mine.drawn == sample.drawn or sample.drawn not in {"random", "disputed"}),
            "response": msgspec.to_builtins(judged_answer(trial.response)),
            "others": [{"by": one.by, "verdict": one.verdict, "note": one.note} for one in others],
            **{name: orjson.Fragment(bytes(value)) for name, value in raw.items()},
        }


def rubrics_of(run: SealedRun) -> dict[str, str]:
    """Return what probes ask of an answer in words, by id: the rubrics of those that models score."""
    arguments = ((probe.id, probe.identity.get("args")) for probe in run.manifest.probes)
    found = ((name, given.get("rubric")) for name, given in arguments if isinstance(given, dict))
    return {name: rubric for name, rubric in found if isinstance(rubric, str)}
