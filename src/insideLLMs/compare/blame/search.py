"""The search for who did it: the fall is reproduced, its causes are split off, and each is proved by fresh pairs.

An example is split as delta debugging does it: the shortest row of changes under which it falls ends with one that
takes part; with that one kept, the rows before it are searched again, until what is kept suffices. Of a model that
answers exactly, this is proof. Where answers vary it is a suspicion, and then each change of the suspected set is
taken out and put back on example after example: only such pairs of fresh answers blame it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from insideLLMs.compare.blame.answers import (
    NONE,
    NOTHING_ASKED,
    Ask,
    BudgetEnded,
    Changes,
    FellCount,
    ItemQuestion,
    NoAnswer,
    SeenAnswers,
)
from insideLLMs.compare.blame.proof import PairedProof, Suspicion, add_pairs
from insideLLMs.compare.statistics.distributions import binomial_tail
from insideLLMs.compare.statistics.fair_pairs import FairPairs, share_of_alpha

ALPHA = 0.05
"""The chance that anything innocent is blamed: the provider has a fifth of it, the changes have the rest."""
_PROVIDER_SHARE = 0.2
SUSPICIOUS = 0.3
"""From this share of the fallen on that fall without any change today, the provider is tested."""
SIGN = 0.1
"""Above this p there is no sign of a fall, or of a changed provider: what fell once was bad luck."""
_BATCH = 4
_LEAST_PAIRS = 12
"""Before so many pairs were asked, no fall is called noise."""
_MOST_WRONG_SUSPICIONS = 3
_REST = 8
"""On how many examples the innocent changes are tried together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The examples of a search, by number.

    `fallen` passed in the baseline's run and not in the candidate's, `stubborn` passed in neither, `calm` in both.
    `changes` are those that concern an example. `stubborn`, and `balanced` of the fallen, were drawn in equal shares
    of all that there are, without a look at their answers.
    """

    changes: Sequence[tuple[int, ...]]
    fallen: Sequence[int]
    balanced: Sequence[int] = ()
    stubborn: Sequence[int] = ()
    calm: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A smallest set of changes under which examples fall.

    `p` is None where answers are exact. `fell` counts the fallen examples under this set alone, `without` those of
    the baseline asked again; `calm` are examples that had not fallen, under this set.
    """

    changes: tuple[int, ...]
    p: float | None
    fell: FellCount
    without: FellCount
    calm: FellCount


@dataclass(slots=True, kw_only=True)
class SearchOutcome:
    """What a search came to; `looked_at` of the fallen examples were answered.

    `again` and `before` count the fallen examples asked again under all changes and none; `reproduced_p` is that of
    their first pairs, None where answers are exact. `provider_p` is None where
    the provider was not tested, `provider` whether it is blamed. `rest` counts them with the causes taken out.
    `ended` is whether the search stopped before its end, `gave_up` that it did so after suspicions that did not hold.
    `open_changes` are those among which the search ended, `unexplained` the examples that fall for no cause found.
    """

    causes: list[Found] = field(default_factory=list)
    looked_at: int = 0
    again: FellCount = NOTHING_ASKED
    before: FellCount = NOTHING_ASKED
    rest: FellCount = NOTHING_ASKED
    reproduced: bool = False
    reproduced_p: float | None = None
    provider: bool = False
    provider_p: float | None = None
    ended: bool = False
    gave_up: bool = False
    open_changes: tuple[int, ...] = ()
    unexplained: int = 0
    vary: bool = False


def search(panel: Panel, ask: Ask, *, exact: bool, alpha: float = ALPHA, say: Callable[[str], None]) -> SearchOutcome:
    """Find out who did it. Where answers vary, the chance of blaming an innocent change is `alpha` at most."""
    return _Search(panel, SeenAnswers(ask, exact=exact), exact=exact, alpha=alpha, say=say).run()


class _Search:
    def __init__(
        self, panel: Panel, answers: SeenAnswers, *, exact: bool, alpha: float, say: Callable[[str], None]
    ) -> None:
        self._panel, self._answers, self._exact, self._say = panel, answers, exact, say
        self._provider_alpha, self._alpha = _PROVIDER_SHARE * alpha, (1 - _PROVIDER_SHARE) * alpha
        self._reproduced_alpha = 4 * alpha
        self._tests = self._wrong = 0
        self._causes: dict[Changes, float | None] = {}
        self._settled: set[int] = set()
        self._open: tuple[int, ...] = ()
        self._out = SearchOutcome()

    def run(self) -> SearchOutcome:
        out = self._out
        try:
            self._reproduce()
            if out.reproduced:
                self._find_causes()
                self._try_the_rest()
            self._open = ()
        except BudgetEnded:
            out.ended = True
        out.open_changes = tuple(change for change in self._open if change not in self._blamed())
        fallen = self._panel.fallen
        out.looked_at = sum(self._answers.is_asked(item) for item in fallen)
        out.again = self._sum(fallen, self._all)
        out.before = self._answers.tally(fallen, NONE)
        out.vary = self._answers.vary
        out.causes = [self._described(cause, p) for cause, p in self._causes.items()]
        return out

    def _all(self, item: int) -> Changes:
        return frozenset(self._panel.changes[item])

    def _blamed(self) -> Changes:
        return frozenset(change for cause in self._causes for change in cause)

    def _sum(self, items: Sequence[int], applied: Callable[[int], Changes]) -> FellCount:
        found = [self._answers.tally([item], applied(item)) for item in items]
        return FellCount(sum(one.fell for one in found), sum(one.asked for one in found))

    def _described(self, cause: Changes, p: float | None) -> Found:
        """Count the fallen examples that this set concerns; those that fall under a part of it are that part's."""
        parts = [other for other in self._causes if other < cause]
        concerned = [
            item
            for item in self._panel.fallen
            if cause <= self._all(item) and not any(self._answers.lead(ItemQuestion(item, part)) > 0 for part in parts)
        ]
        return Found(
            changes=tuple(sorted(cause)),
            p=p,
            fell=self._answers.tally(concerned, cause),
            without=self._answers.tally(concerned, NONE),
            calm=self._answers.tally(self._panel.calm, cause),
        )

    # The fall is reproduced, or it was noise, or the provider's doing.

    def _reproduce(self) -> None:
        fallen = self._panel.fallen
        self._say(f"asking {len(fallen)} of the fallen examples again")
        if self._exact:
            self._answers.ask([ItemQuestion(item, NONE) for item in fallen])
            self._out.provider = any(self._falls(item, NONE) for item in fallen)
            self._out.reproduced = next(self._falling(), None) is not None
            return
        pairs, enough = FairPairs(), self._reproduced_alpha
        batches = [fallen[start : start + _BATCH] for start in range(0, len(fallen), _BATCH)]
        for batch in batches * math.ceil(_LEAST_PAIRS / len(fallen)):  # few examples are asked several times
            self._pair(batch, pairs)
            if pairs.p <= enough:
                break
        self._out.reproduced_p = pairs.p
        self._out.reproduced = pairs.p <= enough or next(self._falling(), None) is not None
        self._suspect_provider()

    def _pair(self, items: Sequence[int], pairs: FairPairs) -> None:
        questions = [ItemQuestion(item, changes) for item in items for changes in (self._all(item), NONE)]
        answers = self._answers.ask(questions)
        add_pairs(pairs, zip(answers[::2], answers[1::2], strict=True))

    def _suspect_provider(self) -> None:
        """Test the provider where the baseline falls today: examples that failed in both runs balance the luck of some.

        Examples were chosen by the candidate's answers alone, so of an unchanged provider the baseline's stored
        answers and today's could be swapped: as many pass now that failed then as the other way round.
        """
        before = self._answers.tally(self._panel.fallen, NONE)
        if before.asked == 0 or before.fell < SUSPICIOUS * before.asked:
            return
        balanced, stubborn = self._panel.balanced, self._panel.stubborn
        missing = [item for item in (*balanced, *stubborn) if not self._answers.tally([item], NONE).asked]
        self._answers.ask([ItemQuestion(item, NONE) for item in missing])
        worse = sum(self._answers.first(item) is True for item in balanced)
        better = sum(self._answers.first(item) is False for item in stubborn)
        self._out.provider_p = binomial_tail(worse, worse + better, 0.5) if worse + better else 1.0
        self._out.provider = self._out.provider_p <= self._provider_alpha

    # Its causes are split off, example by example.

    def _find_causes(self) -> None:
        for item in self._falling():
            found = self._shrink(item, self._panel.changes[item])
            if found is None or not self._accept(item, found):
                self._settled.add(item)
                self._out.unexplained += 1
                self._wrong += 1
                if self._wrong >= _MOST_WRONG_SUSPICIONS:
                    self._open = tuple(sorted(self._all(item) - self._blamed()))
                    self._out.gave_up = True
                    raise BudgetEnded
                continue
            if self._exact:
                for other in self._other_causes(item, found):
                    self._causes.setdefault(other, None)

    def _falling(self) -> Iterator[int]:
        """Yield the fallen examples that fall again under all changes, not under none, and for no cause found yet."""
        for item in self._panel.fallen:
            if item in self._settled or self._is_known_to_hold(item) or self._is_explained(item):
                continue
            if self._falls_by_changes(item):
                yield item

    def _is_known_to_hold(self, item: int) -> bool:
        """Whether an example held under all changes, or falls without any: nothing can be learned from it."""
        with_all, with_none = ItemQuestion(item, self._all(item)), ItemQuestion(item, NONE)
        return not self._all(item) or self._answers.lead(with_all) < 0 or self._answers.lead(with_none) > 0

    def _is_explained(self, item: int) -> bool:
        """Whether an example falls under causes known already; where answers vary, only two answers say no."""
        if not self._causes:
            return False
        known = [cause for cause in self._causes if cause <= self._all(item)]
        together = ItemQuestion(item, self._blamed() & self._all(item))
        if not known or any(self._answers.lead(ItemQuestion(item, cause)) > 0 for cause in known):
            return bool(known)
        while not (self._answers.lead(together) > 0 or self._answers.lead(together) <= -self._answers.margin):
            if self._answers.ask([together]) == [None]:
                break
        return self._answers.lead(together) > -self._answers.margin

    def _falls_by_changes(self, item: int) -> bool:
        return self._falls(item, self._all(item)) and not self._falls(item, NONE)

    def _shrink(self, item: int, row: Sequence[int]) -> Changes | None:
        """Return a smallest set of changes of the row under which an example falls; None where that cannot be said."""
        try:
            return self._split(item, row)
        except NoAnswer:
            return None

    def _split(self, item: int, row: Sequence[int]) -> Changes | None:
        kept: Changes = NONE
        rest = tuple(row)
        while not (kept and self._answers.fell(item, kept)):
            if not rest:
                return None
            low, high = 0, len(rest)
            while high - low > 1:
                self._open = (*sorted(kept), *rest[:high])
                middle = (low + high) // 2
                if self._answers.fell(item, kept | frozenset(rest[:middle])):
                    high = middle
                else:
                    low = middle
            kept, rest = kept | {rest[high - 1]}, rest[: high - 1]
        return self._trimmed(item, kept) if self._exact else kept

    def _trimmed(self, item: int, kept: Changes) -> Changes:
        """Take out what is not needed after all: changes may also undo each other."""
        for change in sorted(kept):
            if len(kept) > 1 and self._answers.fell(item, kept - {change}):
                kept -= {change}
        return kept

    def _other_causes(self, item: int, found: Changes) -> Iterator[Changes]:
        """Yield the other smallest sets under which the same example falls: each lacks some change of the first."""
        done: set[Changes] = set()
        todo = [frozenset({change}) for change in sorted(found)]
        known = [found]
        while todo:
            out = todo.pop()
            left = tuple(change for change in self._panel.changes[item] if change not in out)
            if out in done or not left:
                continue
            done.add(out)
            if self._falls(item, frozenset(left)):
                other = next((one for one in known if not one & out), None) or self._shrink(item, left)
                if other is not None:
                    if other not in known:
                        known.append(other)
                        yield other
                    todo += [out | {change} for change in sorted(other)]

    # Each is proved by fresh pairs.

    def _accept(self, item: int, cause: Changes) -> bool:
        """Blame the set, or what of it is proved. Of exact answers the other examples are asked for it."""
        self._open = tuple(sorted(cause))
        if self._exact:
            self._causes[cause] = None
            self._answers.ask([ItemQuestion(other, cause) for other in self._panel.fallen if cause <= self._all(other)])
        else:
            proved = self._prove(item, cause)
            if not proved:
                return False
            cause = proved
        if self._exact:  # one that varies may fall by luck
            self._answers.ask([ItemQuestion(other, cause) for other in self._panel.calm if cause <= self._all(other)])
        return True

    def _prove(self, item: int, cause: Changes) -> Changes:
        """Blame a suspected set or, if only some of its changes seem to take part, these; return what was proved."""
        items = [each for each in self._panel.fallen if cause <= self._all(each)]
        proof = PairedProof(self._answers, Suspicion(cause=cause, first=item, items=items), self._all)
        self._tests += 1
        if proof.succeeds(share_of_alpha(self._alpha, self._tests) / len(cause)):
            self._causes[cause] = proof.p
            return cause
        return self._prove(item, proof.leaning) if NONE < proof.leaning < cause else NONE

    # What is left of the changes is tried together.

    def _try_the_rest(self) -> None:
        """Ask fallen examples with every cause taken out; what still falls is searched for its own cause."""
        other = self._fallen_without_causes()
        while other is not None:
            row = [change for change in self._panel.changes[other] if change not in self._blamed()]
            found = self._shrink(other, row)
            if found is None or not self._accept(other, found):
                self._settled.add(other)
                self._out.unexplained += 1
            other = self._fallen_without_causes()

    def _fallen_without_causes(self) -> int | None:
        blamed = self._blamed()

        def left(item: int) -> Changes:
            return self._all(item) - blamed

        items = [item for item in self._panel.fallen if item not in self._settled and left(item)]
        items = [item for item in items if not self._answers.leaning(ItemQuestion(item, NONE))][:_REST]
        self._open = tuple(sorted({change for item in items for change in left(item)}))
        self._answers.ask([ItemQuestion(item, left(item)) for item in items])
        self._out.rest = self._sum(items, left)
        return next((item for item in items if self._falls_without(item, blamed)), None)

    def _falls_without(self, item: int, blamed: Changes) -> bool:
        left = self._all(item) - blamed
        if self._answers.leaning(ItemQuestion(item, left)) is not True:
            return False
        return self._falls(item, left) and not self._falls(item, NONE)

    def _falls(self, item: int, applied: Changes) -> bool:
        """Whether an example falls; one that is not answered does not."""
        try:
            return self._answers.fell(item, applied)
        except NoAnswer:
            return False
