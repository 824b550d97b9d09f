"""Verifiable instructions: what a program can check of an answer, after the families of IFEval.

Source of the families and of the loose reading: Zhou et al., "Instruction-Following Evaluation for Large
Language Models", arXiv 2311.07911. `response_language` is a detector's guess; `script` checks the writing alone.
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
