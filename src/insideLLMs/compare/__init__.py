"""Baseline against candidate: align, classify, count, and decide. Pure; no event loop, no network, no disk.

What this exports loads when first asked for: a run needs the summary, not the whole comparison.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insideLLMs.compare.align import Aligned
    from insideLLMs.compare.classify import ChangeClass, Finding
    from insideLLMs.compare.comparing import CompareOptions, compare
    from insideLLMs.compare.comparison import Change, Comparison
    from insideLLMs.compare.gate import Verdict, decide
    from insideLLMs.compare.levels import Level
    from insideLLMs.compare.view import RunView

_HOMES = {
    "Aligned": "align",
    "Change": "comparison",
    "ChangeClass": "classify",
    "CompareOptions": "comparing",
    "Comparison": "comparison",
    "Finding": "classify",
    "Level": "levels",
    "RunView": "view",
    "Verdict": "gate",
    "compare": "comparing",
    "decide": "gate",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"insideLLMs.compare.{_HOMES[name]}"), name)


__all__ = [
    "Aligned",
    "Change",
    "ChangeClass",
    "CompareOptions",
    "Comparison",
    "Finding",
    "Level",
    "RunView",
    "Verdict",
    "compare",
    "decide",
]
