"""What was asked for a blame, and what came of it: every answer counts for looking, fresh pairs alone for proving."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Changes = frozenset[int]
"""Which of the changes are applied to the baseline's experiment, by their numbers."""
NONE: Changes = frozenset()


class ItemQuestion(NamedTuple):
    """One example, asked of the baseline's experiment with some of the changes."""

    item: int
    applied: Changes


Ask = Callable[[Sequence[ItemQuestion]], Sequence[bool | None]]
"""Asks again, and says of each whether it fell; None is no answer. Raises BudgetEnded."""


class BudgetEnded(Exception):  # noqa: N818 - no fault: the search stops here
    """No more may be asked."""


class NoAnswer(Exception):  # noqa: N818 - no fault of the search: an example is left out
    """An example was not answered, however often it was asked."""


class FellCount(NamedTuple):
    """How many of the answers fell."""

    fell: int
    asked: int


NOTHING_ASKED = FellCount(0, 0)


@dataclass(slots=True)
class _Seen:
    fell: int = 0
    held: int = 0


_MARGIN = 3
"""By how many answers one side leads before a varying example counts as fallen or not."""
_MOST_DRAWS = 7
_TRIES = 3
"""How often an example is asked in a row that is not answered: a timeout says nothing of the changes."""


class SeenAnswers:
    """All answers until now; one is enough of a model that answers `exact`, several where answers vary."""

    def __init__(self, ask: Ask, *, exact: bool) -> None:
        self._ask = ask
        self._exact = exact
        self.margin = 1 if exact else _MARGIN
        self._seen: dict[ItemQuestion, _Seen] = {}
        self._first: dict[int, bool] = {}

    def ask(self, questions: Sequence[ItemQuestion]) -> list[bool | None]:
        """Ask all of them once more, and remember."""
        if self._exact:
            new = [question for question in dict.fromkeys(questions) if question not in self._seen]
            self._take(new)
            return [self.leaning(question) for question in questions]
        return self._take(questions)

    def _take(self, questions: Sequence[ItemQuestion]) -> list[bool | None]:
        answers = list(self._ask(questions)) if questions else []
        for question, fell in zip(questions, answers, strict=True):
            if fell is None:
                continue
            seen = self._seen.setdefault(question, _Seen())
            seen.fell += fell is True
            seen.held += fell is False
            if question.applied == NONE:
                self._first.setdefault(question.item, fell)
        return answers

    def first(self, item: int) -> bool | None:
        """Whether the first answer without any change fell; None where there is none."""
        return self._first.get(item)

    def is_asked(self, item: int) -> bool:
        """Whether an example was answered under any changes."""
        return any(question.item == item for question in self._seen)

    def lead(self, question: ItemQuestion) -> int:
        """Return by how many answers it fell more often than it held."""
        seen = self._seen.get(question, _Seen())
        return seen.fell - seen.held

    def leaning(self, question: ItemQuestion) -> bool | None:
        """Whether it fell more often than not, as far as is known; None where that is open."""
        lead = self.lead(question)
        return None if lead == 0 else lead > 0

    def fell(self, item: int, applied: Changes) -> bool:
        """Whether an example falls under some changes; asks until that is clear enough. Raises NoAnswer."""
        question = ItemQuestion(item, applied)
        most = 1 if self._exact else _MOST_DRAWS
        unanswered = 0
        while abs(self.lead(question)) < self.margin and self.tally([item], applied).asked < most:
            (answer,) = self._take([question])
            unanswered = unanswered + 1 if answer is None else 0
            if unanswered == _TRIES:
                raise NoAnswer
        return self.lead(question) > 0

    def tally(self, items: Sequence[int], applied: Changes) -> FellCount:
        """Count the answers of these examples under exactly these changes."""
        found = [self._seen[question] for item in items if (question := ItemQuestion(item, applied)) in self._seen]
        fell = sum(each.fell for each in found)
        return FellCount(fell, fell + sum(each.held for each in found))

    @property
    def vary(self) -> bool:
        """Whether some example was answered both ways under the same changes."""
        return any(each.fell and each.held for each in self._seen.values())
