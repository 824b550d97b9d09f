"""What a run asks: Trials that need the same answer, found as the datasets stream by.

A *place* is one example under one subject and repeat: the Trials of all probes there. Those of its PromptProbes that
ask the same make one question, which the first of them asks. What an earlier place has asked, in the order in which
datasets are read, is answered by that.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.protocols import ConversingProbe, PromptProbe
from insideLLMs.core.types import Request, Response
from insideLLMs.core.user_code import calling_user_code
from insideLLMs.execute.sink import Sink, StoredAnswer
from insideLLMs.execute.work import Work
from insideLLMs.plan import Trial

MOST_REMEMBERED = 50_000
"""So many requests of a run are remembered, in some 7 MB, to know them again at a later place."""
_encode = msgspec.json.Encoder(order="deterministic").encode
_DIGEST_BYTES = 16
_NOWHERE = -1
_YIELD_EVERY = 32


class ModelQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Trials without a record that need one answer, in the order of the plan.

    `asker` is the Trial that asks, the first of its place that needs the answer; it may have its record. The answer
    is that of Trial number `earlier` where an earlier place has asked. `request` is the error where the probe could
    make none, and None for a probe that calls the model itself. `place` has the numbers of all Trials of the place.
    """

    trials: tuple[Trial, ...]
    asker: Trial
    request: Request | InsideLLMsError | None
    place: tuple[int, ...]
    earlier: int = _NOWHERE

    @property
    def is_asked_earlier(self) -> bool:
        """Whether an earlier place has asked."""
        return self.earlier != _NOWHERE


IsDone = Callable[[int], bool]


def questions_of(work: Work, model: str, is_done: IsDone = lambda _: False) -> Iterator[ModelQuestion]:
    """Yield what one model is to be asked for the Trials that are not done."""
    return _all_of(_Questions(work, model, is_done), work, model)


def shared_requests(work: Work, model: str, tell: Callable[[int, int], None]) -> frozenset[bytes]:
    """Return digests of what one model is asked at several places; `tell` gets who asks again, and who asked."""
    found = _Questions(work, model, lambda _: False)
    for question in _all_of(found, work, model):
        if question.is_asked_earlier:
            tell(question.asker.index, question.earlier)
    return frozenset(found.repeated)


def _all_of(found: "_Questions", work: Work, model: str) -> Iterator[ModelQuestion]:
    plan = work.plan
    subjects = plan.subjects_of(model)
    for source in dict.fromkeys(group.source for group in plan.groups):
        members = [group for group in plan.groups if group.source == source]
        for rank, example in work.datasets[source].examples():
            digest = ""
            for numbers in zip(*[plan.indexes(group, rank, subjects) for group in members], strict=True):
                if found.are_needless(numbers):
                    continue
                digest = digest or example.digest()
                named = zip(members, numbers, strict=True)
                yield from found.at([plan.trial(group, number, example, digest) for group, number in named])


def request_of(work: Work, trial: Trial) -> Request:
    """Return what the PromptProbe of a Trial asks, with the prompt and the system message.

    Raises UserCodeError or TemplateError.
    """
    probe = work.probes[trial.probe]
    assert isinstance(probe, PromptProbe)
    with calling_user_code(f"{probe.name}.request()"):
        request = probe.request(trial.example)
    return work.models[trial.model].sent(work.wrapped(request, trial.prompt, trial.example), trial.example)


def request_or_error(work: Work, trial: Trial) -> Request | InsideLLMsError | None:
    """Return what a ModelQuestion has as its `request`."""
    probe = work.probes[trial.probe]
    if not isinstance(probe, PromptProbe) or isinstance(probe, ConversingProbe) or probe.runs(trial.example):
        return None
    try:
        return request_of(work, trial)
    except InsideLLMsError as error:
        return error


def find_stored(sink: Sink, question: ModelQuestion, *, is_resumed: bool) -> StoredAnswer | None:
    """Return an answer from before.

    It may be that of another Trial there: the probes may have changed, or the asker's own scorer failed. Of a
    conversation it is what was said so far.
    """
    if question.request is None:
        return sink.pending_answer(question.asker.index)
    if not isinstance(question.request, Request):
        return None
    for index in question.place if is_resumed else (question.asker.index,):
        stored = sink.pending_answer(index)
        if stored is None or _is_conversation(stored.response):
            continue
        if canonical.line(stored.request) == canonical.line(question.request):
            return stored
    return None


def _is_conversation(response: Response) -> bool:
    from insideLLMs.core.conversation import Conversation  # noqa: PLC0415 - few runs have conversations

    return Conversation.of(response) is not None


class Unhurried:
    """Yields questions, and lets the loop turn now and then: an instant model and a quick disk never would.

    Nothing may come between taking a question and asking it: one that needs the same answer would find it not begun.
    """

    def __init__(self, questions: Iterator[ModelQuestion]) -> None:
        self._questions = questions
        self._taken = 0

    def __aiter__(self) -> "Unhurried":
        return self

    async def __anext__(self) -> ModelQuestion:
        self._taken += 1
        if self._taken % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
        for question in self._questions:
            return question
        raise StopAsyncIteration


class _Questions:
    """Finds the questions of one model place by place, and remembers what was asked."""

    def __init__(self, work: Work, model: str, is_done: IsDone) -> None:
        self._work = work
        self._known = work.repeated.get(model)
        self.repeated: set[bytes] = set()
        self._is_done = is_done
        self._shares = work.sharing == "shared"
        most = MOST_REMEMBERED // len(work.plan.models) if self._known is None else len(self._known)
        self._room = most if self._shares else 0
        self._asked: dict[bytes, int] = {}

    def are_needless(self, numbers: Sequence[int]) -> bool:
        """Whether a place has nothing to ask, and nothing that a later one must know."""
        return len(self._asked) >= self._room and all(map(self._is_done, numbers))

    def at(self, trials: Sequence[Trial]) -> list[ModelQuestion]:
        """Return the questions of one place."""
        questions: list[ModelQuestion] = []
        place = tuple([trial.index for trial in trials])
        same: dict[bytes, tuple[Request | InsideLLMsError | None, list[Trial]]] = {}
        for trial in trials:
            request = request_or_error(self._work, trial)
            key = self._digest(request, trial) or b"%d" % trial.index
            same.setdefault(key, (request, []))[1].append(trial)
        for key, (request, members) in same.items():
            earlier = self._earlier(key, members[0].index) if len(key) == _DIGEST_BYTES else _NOWHERE
            missing = tuple([trial for trial in members if not self._is_done(trial.index)])
            if missing:
                questions.append(
                    ModelQuestion(trials=missing, asker=members[0], request=request, place=place, earlier=earlier)
                )
        return questions

    def _digest(self, request: Request | InsideLLMsError | None, trial: Trial) -> bytes | None:
        """Return what is equal for equal requests; None where the answer is not shared."""
        if not self._shares or not isinstance(request, Request):
            return None
        try:
            return hashlib.blake2b(_encode((trial.prompt, trial.repeat, request)), digest_size=_DIGEST_BYTES).digest()
        except (TypeError, ValueError):
            return None  # it has no canonical form, as storing it will say

    def _earlier(self, key: bytes, index: int) -> int:
        """Return the number of the Trial that asked this before; remember it where there is none."""
        found = self._asked.get(key, _NOWHERE)
        if found != _NOWHERE:
            self.repeated.add(key)
        elif len(self._asked) < self._room and (self._known is None or key in self._known):
            self._asked[key] = index
        return found
