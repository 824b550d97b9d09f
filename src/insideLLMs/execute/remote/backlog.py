"""What one model is still to be asked, by whichever worker is next."""

from collections import deque
from collections.abc import Iterator

import msgspec

from insideLLMs.execute.questions import ModelQuestion, questions_of
from insideLLMs.execute.sink import Sink
from insideLLMs.execute.work import Work

_MOST_WAITING = 10_000
"""So many questions wait for the answers of others before no further ones are read."""


class Backlog:
    """Questions in the order of the plan. One that an earlier place has asked comes once that has its record."""

    def __init__(self, work: Work, model: str, sink: Sink) -> None:
        self._sink = sink
        self._stream: Iterator[ModelQuestion] = questions_of(work, model, sink.is_done)
        self._ready: deque[ModelQuestion] = deque()
        self._waiting: dict[int, list[ModelQuestion]] = {}
        self._count_waiting = 0
        self._is_read = False
        self.taken = 0

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left, not even with a worker."""
        return self._is_read and not (self._ready or self._waiting or self.taken)

    def take(self, most: int) -> list[ModelQuestion]:
        """Hand out at most so many questions."""
        found: list[ModelQuestion] = []
        while len(found) < most and (question := self._next()) is not None:
            found.append(question)
        self.taken += len(found)
        return found

    def _next(self) -> ModelQuestion | None:
        if self._ready:
            return self._ready.popleft()
        while not self._is_read and self._count_waiting < _MOST_WAITING:
            question = next(self._stream, None)
            if question is None:
                self._is_read = True
            elif question.is_asked_earlier and not self._sink.is_done(question.earlier):
                self._waiting.setdefault(question.earlier, []).append(question)
                self._count_waiting += 1
            else:
                return question
        return None

    def settle(self, index: int) -> bool:
        """Release the questions that waited for the record of a Trial; say whether there are any."""
        released = self._waiting.pop(index, [])
        self._count_waiting -= len(released)
        self._ready.extend(released)
        return bool(released)

    def give_back(self, question: ModelQuestion) -> None:
        """Take back what a lost worker had, but for the Trials that have their record."""
        self.taken -= 1
        missing = tuple(trial for trial in question.trials if not self._sink.is_done(trial.index))
        if missing:
            self._ready.appendleft(msgspec.structs.replace(question, trials=missing))
