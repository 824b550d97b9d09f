"""Is a difference between runs real? Pure functions of observed values, in the standard library alone."""

from insideLLMs.compare.statistics.assess import Assessment, assess
from insideLLMs.compare.statistics.evidence import Evidence, Missing
from insideLLMs.compare.statistics.gate_error import Branch
from insideLLMs.compare.statistics.items import Item, Tally
from insideLLMs.compare.statistics.noise import Agreement, RunDrift, agreement
from insideLLMs.compare.statistics.settings import Settings, Weights
from insideLLMs.compare.statistics.verdict import Note

__all__ = [
    "Agreement",
    "Assessment",
    "Branch",
    "Evidence",
    "Item",
    "Missing",
    "Note",
    "RunDrift",
    "Settings",
    "Tally",
    "Weights",
    "agreement",
    "assess",
]
