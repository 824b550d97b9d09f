"""How often a gate fails where some of a run's examples have a fault: by drawing which ones, and asking the gate."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from insideLLMs.compare.gate.policies import POLICIES, Rule
from insideLLMs.compare.statistics.distributions import chi_square_quantile
from insideLLMs.compare.statistics.evidence import POWER, minimum_detectable_drop

SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
DRAWS = 400
_FIRST_DRAWS = 30
_NO_CHANCE = 1e-9
_MOST_DECISIONS = 120
"""How many different outcomes of one share are put to the gate: where each example counts otherwise, fewer draws."""
_MOST_NOISY = 60
"""Draws where each is another outcome, as the other answers vary: the standard error is 6.5 points at most."""

Kind = Hashable
"""What an example comes to with the fault, as the gate sees it; examples of one kind stand for each other."""
Decide = Callable[[Sequence[int], int], bool]
"""Whether the gate fails where these examples have the fault; the number tells the draws of one share apart."""


class CatchRate(msgspec.Struct, frozen=True, kw_only=True):
    """The chance that the gate fails where `examples`, a `share` of all, have the fault.

    It is the part of `draws` choices of them; exact where there are none, as all that are lost are alike.
    """

    share: float
    examples: int
    caught: float
    draws: int


@dataclass(slots=True)
class KnownDecisions:
    """What the gate decided: by outcome, and of one kind alone the most that passed and the least that failed."""

    outcomes: dict[Kind, bool] = field(default_factory=dict)
    bounds: dict[Kind, tuple[float, float]] = field(default_factory=dict)


class CatchRates:
    """Draws examples and asks `decide`, of outcomes that are alike once.

    More of one and the same loss never turns a gate from red to green, so that what lies between two decisions that
    agree is not asked again. Where the other answers vary too (`known` is None), each draw is another outcome.
    """

    def __init__(self, decide: Decide, known: KnownDecisions | None) -> None:
        self._decide = decide
        self._known = known

    def of(self, kinds: Sequence[Kind | None], seed: str, shares: Sequence[float] = SHARES) -> tuple[CatchRate, ...]:
        """Return the rate for each share of examples; `kinds` has one for each, None where it comes to no loss."""
        if self._known is None:
            return self._nested(kinds, seed, shares)
        found: dict[int, CatchRate] = {}
        whole = self._rate(kinds, len(kinds), seed)
        certain = 0.0 if whole.caught == 0.0 else None
        for share in shares:
            size = max(1, round(share * len(kinds)))
            if certain is not None:
                found[size] = CatchRate(share=share, examples=size, caught=certain, draws=whole.draws)
            elif size not in found:
                found[size] = whole if size == len(kinds) else self._rate(kinds, size, seed)
                certain = 1.0 if found[size].caught == 1.0 else None
        sizes = {share: max(1, round(share * len(kinds))) for share in shares}
        return tuple(msgspec.structs.replace(found[sizes[share]], share=share) for share in shares)

    def _rate(self, kinds: Sequence[Kind | None], size: int, seed: str) -> CatchRate:
        assert self._known is not None  # else the draws are nested
        lost = [place for place, kind in enumerate(kinds) if kind is not None]
        if len({kinds[place] for place in lost}) < 2:
            caught = math.fsum(
                chance
                for count, chance in enumerate(_chances(len(kinds), len(lost), size))
                if chance > _NO_CHANCE and self._failed(kinds, lost[:count], self._known)[0]
            )
            return CatchRate(share=size / len(kinds), examples=size, caught=min(1.0, caught), draws=0)
        return self._drawn(kinds, size, seed, self._known)

    def _nested(self, kinds: Sequence[Kind | None], seed: str, shares: Sequence[float]) -> tuple[CatchRate, ...]:
        """Draw an order of the examples; of each share its first ones have the fault.

        As a gate that fails stays red with more losses, only the least share at which it fails is looked for, from
        where the last draw had it.
        """
        sizes = [max(1, round(share * len(kinds))) for share in shares]
        firsts: list[int] = []
        for number in range(_MOST_NOISY):
            losses = _losses(kinds, sizes, f"{seed}|{number}")
            fails = partial(self._fails, losses, number)
            firsts.append(_first(fails, firsts[-1] if firsts else len(sizes) // 2, len(sizes)))
            if len(firsts) == _FIRST_DRAWS and len(set(firsts)) == 1:
                break
        caught = [sum(first <= place for first in firsts) / len(firsts) for place in range(len(sizes))]
        return tuple(
            CatchRate(share=share, examples=size, caught=part, draws=len(firsts))
            for share, size, part in zip(shares, sizes, caught, strict=True)
        )

    def _fails(self, losses: Sequence[Sequence[int]], number: int, place: int) -> bool:
        return self._decide(losses[place], number)

    def _drawn(self, kinds: Sequence[Kind | None], size: int, seed: str, known: KnownDecisions) -> CatchRate:
        caught = decisions = draws = 0
        for chosen in _choices(len(kinds), size, seed):
            lost = [place for place in chosen if kinds[place] is not None]
            failed, is_new = self._failed(kinds, lost, known)
            caught, decisions, draws = caught + failed, decisions + is_new, draws + 1
            if decisions >= _MOST_DECISIONS or (decisions >= _FIRST_DRAWS and caught in (0, draws)):
                break
        return CatchRate(share=size / len(kinds), examples=size, caught=caught / draws, draws=draws)

    def _failed(self, kinds: Sequence[Kind | None], chosen: Sequence[int], known: KnownDecisions) -> tuple[bool, bool]:
        """Return whether the gate fails, and whether it had to be asked."""
        if not chosen:
            return False, False
        counts = Counter(kinds[place] for place in chosen)
        outcome = frozenset(counts.items())
        if outcome in known.outcomes:
            return known.outcomes[outcome], False
        alone = next(iter(counts)) if len(counts) == 1 else None
        passed, failed = known.bounds.get(alone, (0, math.inf)) if alone is not None else (0, math.inf)
        if len(chosen) <= passed or len(chosen) >= failed:
            return len(chosen) >= failed, False
        known.outcomes[outcome] = found = self._decide(chosen, 0)
        if alone is not None:
            known.bounds[alone] = (passed, len(chosen)) if found else (len(chosen), failed)
        return found, True


def _losses(kinds: Sequence[Kind | None], sizes: Sequence[int], seed: str) -> list[list[int]]:
    """Draw an order of the examples, and return for each size which of its first ones are lost."""
    draw = random.Random(seed)  # noqa: S311 - draws, not secrets
    order = draw.sample(range(len(kinds)), len(kinds))
    return [[place for place in order[:size] if kinds[place] is not None] for size in sizes]


def _first(fails: Callable[[int], bool], guess: int, end: int) -> int:
    """Return the first place that fails, where all after it do; `end` if none does. Places near `guess` are tried."""
    if guess < end and not fails(guess):
        return next((place for place in range(guess + 1, end) if fails(place)), end)
    while guess > 0 and fails(guess - 1):
        guess -= 1
    return guess


def _chances(n: int, lost: int, size: int) -> list[float]:
    """Return the chances that of `size` of `n` examples so many are among the `lost` ones: hypergeometric."""
    return [
        math.exp(_log_ways(lost, count) + _log_ways(n - lost, size - count) - _log_ways(n, size))
        for count in range(min(lost, size) + 1)
    ]


def _log_ways(n: int, size: int) -> float:
    """Return the logarithm of the number of choices of `size` of `n`."""
    if not 0 <= size <= n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(size + 1) - math.lgamma(n - size + 1)


def _choices(n: int, size: int, seed: str) -> Iterable[Sequence[int]]:
    """Yield every choice of `size` of `n` where they are few, else drawn ones."""
    if math.comb(n, size) <= DRAWS:
        return itertools.combinations(range(n), size)
    draw = random.Random(f"{seed}|{size}")  # noqa: S311 - draws, not secrets
    return (draw.sample(range(n), size) for _ in range(DRAWS))


_MOST_EXAMPLES = 10_000_000


def examples_needed(rule: Rule | None, drop: float, probe: str) -> int | None:
    """Return about how many examples it takes until a rule fails at a `drop` of the pass rate 4 times out of 5.

    None where it is not known. A counting rule fails beyond its tolerance, of which so many losses are Poisson's.
    """
    if rule is None or drop <= 0.0:
        return None
    if rule.assessment is None:
        losses = chi_square_quantile(POWER, 2.0 * (rule.tolerance + 1)) / 2.0
        return math.ceil(losses / drop) if POLICIES[rule.fail_on].blames else None
    shares = [branch.share for branch in rule.assessment.branches if branch.probe in (None, probe)]
    found = rule.assessment.overall
    low, high = 0, _MOST_EXAMPLES
    while shares and high - low > 1:
        middle = (low + high) // 2
        seen = minimum_detectable_drop(middle, 0.0, repeats=found.repeats or 1.0, alpha=max(shares), power=POWER)
        low, high = (low, middle) if seen is not None and seen <= drop else (middle, high)
    return high if shares and high < _MOST_EXAMPLES else None
