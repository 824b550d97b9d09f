"""What a blame came to, as values that every report reads."""

from typing import Literal

import msgspec

from insideLLMs.compare.blame.factors import Factor
from insideLLMs.compare.blame.search import SIGN, SearchOutcome
from insideLLMs.core.errors import ExitCode

SCHEMA_VERSION: Literal["insidellms/blame/1"] = "insidellms/blame/1"
Guilt = Literal["did it", "did not", "took part", "no sign", "not decided"]
BlameState = Literal["found", "provider", "not_reproduced", "undecided", "nothing_fell"]


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How many of so many answers fell."""

    fell: int
    asked: int


class BlamedCause(msgspec.Struct, frozen=True, kw_only=True):
    """A smallest set of changes that makes examples fall; more than one did it together.

    `p` holds over all looks; None where answers are exact. `fell` counts fallen examples asked with these changes
    alone, `without` those of the baseline asked again, `calm` examples that had not fallen, with these changes alone.
    """

    factors: tuple[int, ...]
    p: float | None
    fell: Share
    without: Share
    calm: Share


class FactorVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in which the experiments differ, and whether it did it."""

    factor: Factor
    guilt: Guilt


class BlameReport(msgspec.Struct, frozen=True, kw_only=True):
    """Who did it, on what evidence, and at which price.

    `fallen` fell in all, of which `looked_at` were asked again: `again` under all changes, `before` under none, `rest`
    under all but the causes; `unanswered` have no answer of the candidate, so they may have fallen, too. `exact` is
    whether equal questions were taken to have equal answers. `calls` counts all answers, `earlier_calls` those that an
    earlier start had asked. `unasked` are differences that cannot be asked.
    """

    state: BlameState
    baseline: str
    candidate: str
    exact: bool
    alpha: float
    fallen: int
    unanswered: int
    looked_at: int
    again: Share
    before: Share
    rest: Share
    factors: tuple[FactorVerdict, ...]
    causes: tuple[BlamedCause, ...]
    provider: Guilt
    provider_p: float | None
    open_factors: tuple[int, ...]
    unexplained: int
    unasked: tuple[str, ...]
    remarks: tuple[str, ...]
    calls: int
    earlier_calls: int
    max_calls: int
    budget_ended: bool
    rounds: str | None
    schema_version: Literal["insidellms/blame/1"] = SCHEMA_VERSION

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with: an answer that is none is inconclusive."""
        return ExitCode.INCONCLUSIVE if self.state == "undecided" else ExitCode.OK


class BlamePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a blame would look at, before anything is asked."""

    baseline: str
    candidate: str
    exact: bool
    fallen: int
    looked_at: int
    factors: tuple[Factor, ...]
    unasked: tuple[str, ...]
    max_calls: int


def state_of_outcome(outcome: SearchOutcome) -> BlameState:
    """Say in one word what a search came to."""
    if _is_noise(outcome):
        return "not_reproduced"
    if outcome.causes:
        return "found"
    if outcome.ended:
        return "undecided"
    return "provider" if outcome.provider else "undecided"


def _is_noise(outcome: SearchOutcome) -> bool:
    """Whether nothing fell again, or as often under no change as under all, without a sign of the provider."""
    if outcome.causes or outcome.provider or (outcome.ended and not outcome.gave_up):
        return False
    is_calm = outcome.provider_p is None or outcome.provider_p >= SIGN
    falls = outcome.unexplained and (outcome.reproduced_p is None or outcome.reproduced_p < SIGN)
    return is_calm and not falls


def judged(factors: tuple[Factor, ...], outcome: SearchOutcome) -> tuple[FactorVerdict, ...]:
    """Say of each factor whether it did it, alone or with others; of none before the search has ended."""
    alone = {cause.changes[0] for cause in outcome.causes if len(cause.changes) == 1}
    together = {change for cause in outcome.causes for change in cause.changes} - alone
    state = state_of_outcome(outcome)
    is_open = state == "undecided" or outcome.ended or outcome.unexplained
    rest: Guilt = "not decided" if is_open else "did not"
    if state == "not_reproduced":
        rest = "did not" if outcome.reproduced_p is None else "no sign"
    return tuple(
        FactorVerdict(factor=factor, guilt="did it" if at in alone else "took part" if at in together else rest)
        for at, factor in enumerate(factors)
    )
