"""Faults that answers can have, made on purpose, to see which checks notice them."""

from insideLLMs.scoring.damages.answer import IntactAnswer
from insideLLMs.scoring.damages.table import DAMAGES, Damage

__all__ = ["DAMAGES", "Damage", "IntactAnswer"]
