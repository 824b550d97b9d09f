"""Baseline against candidate: align, classify, count, and judge. Pure; no event loop, no network, no disk."""

from insideLLMs.compare.align import Aligned
from insideLLMs.compare.classify import ChangeClass, Finding
from insideLLMs.compare.collect import CompareOptions, compare
from insideLLMs.compare.comparison import Change, Comparison
from insideLLMs.compare.gate import Verdict, judge
from insideLLMs.compare.levels import Level
from insideLLMs.compare.view import Facts, RunView

__all__ = [
    "Aligned",
    "Change",
    "ChangeClass",
    "CompareOptions",
    "Comparison",
    "Facts",
    "Finding",
    "Level",
    "RunView",
    "Verdict",
    "compare",
    "judge",
]
