"""Verifiable instructions: what a program can check of an answer, after the families of IFEval.

Source of the families and of the loose reading: Zhou et al., "Instruction-Following Evaluation for Large
Language Models", arXiv 2311.07911. Language detection is left out: it is a model's guess, not a check; `script`
checks the writing instead.
"""

from insideLLMs.scoring.constraints.model import Constraint, Family
from insideLLMs.scoring.constraints.parse import FAMILIES, parse_constraint
from insideLLMs.scoring.constraints.verdict import Verdict, judge, loose_readings

__all__ = ["FAMILIES", "Constraint", "Family", "Verdict", "judge", "loose_readings", "parse_constraint"]
