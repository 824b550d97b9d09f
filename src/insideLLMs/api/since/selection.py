"""Which Trials are asked, and which take a stored answer: decided once, before anything is paid."""

import hashlib
import heapq
from array import array
from dataclasses import dataclass
from enum import IntEnum

from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.since.baseline import NOWHERE, StoredAnswers
from insideLLMs.compare.statistics.canaries import ENOUGH, WIDEN_BY
from insideLLMs.core.since import ALWAYS_ASKED, Begun
from insideLLMs.core.types import ImagePart, Request
from insideLLMs.execute.questions import ModelQuestion, questions_of
from insideLLMs.execute.work import request_key

_NEW = 2.0
"""In the place of a draw, which is at most 1."""


class ReuseKind(IntEnum):
    """What a Trial is, in the order in which they are asked; what comes after the last that was asked is reused."""

    CHANGED = 0
    RETRIED = 1
    CANARY = 2
    WIDER = 3
    """Asked again if the canaries look as if something changed."""
    REST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ReusePlan:
    """The kind of each Trial by its number, and where the baseline has its answer, and its own record; -1 is nowhere.

    `draws` are equal for Trials whose answers are to one request, repeats included. `calls` counts requests by kind,
    each once. `led` Trials are of probes that lead the talk themselves, so what they ask is not known before.
    """

    kinds: bytearray
    draws: "array[float]"
    answers: "array[int]"
    records: "array[int]"
    calls: dict[ReuseKind, int]
    led: int

    def count(self, kind: ReuseKind) -> int:
        """Count the Trials of a kind."""
        return self.kinds.count(kind)

    def is_reused(self, trial: int) -> bool:
        """Whether a Trial takes a stored answer, unless the canaries surprise."""
        return self.kinds[trial] > ReuseKind.CANARY

    @property
    def counts(self) -> dict[str, int]:
        """How many calls are made for what, and how many Trials take a stored answer."""
        asked = (ReuseKind.CHANGED, ReuseKind.CANARY, ReuseKind.RETRIED)
        calls = {f"calls_{kind.name.lower()}": self.calls[kind] for kind in asked}
        led = {"led_trials": self.led} if self.led else {}
        return {**calls, **led, "reused_trials": sum(map(self.is_reused, range(len(self.kinds))))}

    @property
    def words(self) -> str:
        """The same in words."""
        counts = self.counts
        failed = f", {counts['calls_retried']:,} that failed there" if counts["calls_retried"] else ""
        led = f"; {self.led:,} trials are {ALWAYS_ASKED}" if self.led else ""
        return (
            f"calls: {counts['calls_changed'] - self.led:,} new since that run, {counts['calls_canary']:,} of the rest "
            f"asked again{failed}{led}; {counts['reused_trials']:,} trials take its answers"
        )


def plan_reuse(prepared: Prepared, stored: StoredAnswers, begun: Begun) -> ReusePlan:
    """Hold every request against the baseline's; one that cannot be made is left to the run, which says so."""
    planning = _Planning(prepared, stored, begun.seed)
    for model in prepared.plan.models:
        for question in questions_of(prepared, model):
            planning.add(question)
    return planning.result(begun.canary)


class _Planning:
    def __init__(self, prepared: Prepared, stored: StoredAnswers, seed: str) -> None:
        total = prepared.plan.total
        self._prepared, self._stored, self._seed = prepared, stored, seed
        self._is_independent = prepared.sharing == "independent"
        self._is_alike = stored.run.experiment.independent_answers == self._is_independent
        self._draws = array("d", [_NEW]) * total
        self._answers = array("q", [NOWHERE]) * total
        self._records = array("q", [NOWHERE]) * total
        self._asks, self._is_due = bytearray(total), bytearray(total)
        self._led = 0

    def add(self, question: ModelQuestion) -> None:
        """Find the stored answer that the Trials of a question need, and draw for them."""
        request = question.request
        self._led += len(question.trials) if request is None else 0
        self._asks[question.trials[0].index] = not question.is_asked_earlier
        if not (self._is_alike and isinstance(request, Request) and self._is_reusable(question, request)):
            return
        asker = question.asker
        own = asker if self._is_independent else None
        digest = self._prepared.models[asker.model].digest
        key = request_key(digest, request, asker.repeat, own)
        answer = self._stored.answer_at(key, asker.subject)
        if answer == NOWHERE and not self._stored.has_failed(key, asker.subject):
            return
        drawn = self._draw(f"{request_key(digest, request, 0, own)}\n{asker.subject.label}")
        for trial in question.trials:
            self._answers[trial.index] = answer
            self._records[trial.index] = self._stored.trial_at(trial.key)
            self._draws[trial.index] = drawn
            self._is_due[trial.index] = answer != NOWHERE and self._stored.is_due(answer)

    def result(self, share: float) -> ReusePlan:
        """Give each Trial its kind: `share` of what is unchanged is drawn, among what is due, and at least one.

        If that is not enough to tell anything, the next ones drawn are those that make it enough.
        """
        known = [index for index, drawn in enumerate(self._draws) if drawn != _NEW]
        unchanged = [index for index in known if self._answers[index] != NOWHERE]
        due = [index for index in unchanged if self._is_due[index]] or unchanged
        kinds = bytearray(len(self._draws))
        for index in known:
            kinds[index] = ReuseKind.RETRIED if self._answers[index] == NOWHERE else ReuseKind.REST
        bound = share * len(unchanged) / max(1, len(due))
        least = heapq.nsmallest(ENOUGH, {self._draws[index] for index in due}) if share else []
        for index in due:
            drawn = self._draws[index]
            if drawn < bound or drawn in least[:1]:
                kinds[index] = ReuseKind.CANARY
            elif drawn < bound * WIDEN_BY or drawn in least:
                kinds[index] = ReuseKind.WIDER
        calls = dict.fromkeys(ReuseKind, 0)
        for index, kind in enumerate(kinds):
            calls[ReuseKind(kind)] += self._asks[index]
        return ReusePlan(
            kinds=kinds, draws=self._draws, answers=self._answers, records=self._records, calls=calls, led=self._led
        )

    def _is_reusable(self, question: ModelQuestion, request: Request) -> bool:
        """Whether what is sent decides the answer: no hidden inputs of the model, no picture that is elsewhere."""
        if not self._prepared.models[question.asker.model].reusable:
            return False
        contents = (message.content for message in request.messages if not isinstance(message.content, str))
        parts = (part for content in contents for part in content)
        return not any(isinstance(part, ImagePart) and not part.url.startswith("data:") for part in parts)

    def _draw(self, item: str) -> float:
        """Return a number from 0 to 1 that the seed and the item decide: a larger share holds a smaller one."""
        return int.from_bytes(hashlib.sha256(f"{self._seed}\n{item}".encode()).digest()[:8]) / 2.0**64
