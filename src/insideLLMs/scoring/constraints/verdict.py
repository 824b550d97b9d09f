"""An answer against its constraints, read strictly and loosely."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from insideLLMs.scoring.constraints.model import Constraint

_EMPHASIS = re.compile(r"\*+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one constraint says: `why` the answer as it stands fails (or None), and whether a loose reading keeps it."""

    constraint: Constraint
    why: str | None
    loose: bool

    @property
    def strict(self) -> bool:
        """Whether the answer as it stands keeps the constraint."""
        return self.why is None


def loose_readings(answer: str) -> tuple[str, ...]:
    """Return the answer as IFEval reads it loosely: with and without its first line, last line, and asterisks."""
    lines = answer.split("\n")
    cuts = (lines, lines[1:], lines[:-1], lines[1:-1])
    readings = ["\n".join(cut).strip() for cut in cuts]
    readings += [_EMPHASIS.sub("", reading) for reading in readings]
    return tuple(dict.fromkeys(reading for reading in readings if reading))


def judge(answer: str, constraints: Sequence[Constraint]) -> tuple[Verdict, ...]:
    """Check every constraint; an answer of nothing but space keeps none."""
    if not answer.strip():
        return tuple(Verdict(constraint=one, why="the answer is empty", loose=False) for one in constraints)
    readings = loose_readings(answer)
    verdicts = []
    for constraint in constraints:
        why = constraint.failing(answer)
        loose = why is None or any(constraint.failing(reading) is None for reading in readings)
        verdicts.append(Verdict(constraint=constraint, why=why, loose=loose))
    return tuple(verdicts)
