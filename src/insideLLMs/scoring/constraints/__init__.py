"""Verifiable instructions: what a program can check of an answer, after the families of IFEval.

Source of the families and of the loose reading: Zhou et al., "Instruction-Following Evaluation for Large
Language Models", arXiv 2311.07911. Language detection is left out: it is a model's guess, not a check; `script`
checks the writing instead.
"""

from insideLLMs.scoring.constraints.constraint import (
    Constraint,
    ConstraintResult,
    Family,
    check_constraints,
    loose_readings,
)
from insideLLMs.scoring.constraints.parse import FAMILIES, parse_constraint

__all__ = [
    "FAMILIES",
    "Constraint",
    "ConstraintResult",
    "Family",
    "check_constraints",
    "loose_readings",
    "parse_constraint",
]
