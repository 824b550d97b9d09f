"""What the marks of a test say, checked: a misspelt argument must not turn a promise into nothing."""

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import OptionError
from insideLLMs.core.types import JsonValue
from insideLLMs.remote.copies import local_file
from insideLLMs.remote.url import is_url


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmMark:
    """``@pytest.mark.llm``: the test runs `repeats` times, and `at_least` this share of them must pass."""

    repeats: int = 1
    at_least: float = 1.0
    model: Any = None  # a mapping as in an experiment, or a ready-made model


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetMark:
    """``@pytest.mark.llm_dataset``: the test runs for each example of a dataset, asked in a template or as it is.

    `settings` are further keys of an experiment's `dataset`.
    """

    path: str
    template: JsonValue = None
    system: str | None = None
    model: Any = None  # as above
    settings: Mapping[str, JsonValue] = field(default_factory=dict)


def llm_mark(item: pytest.Item) -> LlmMark | None:
    """Return the mark that is closest to a test. Raises OptionError for one that promises nothing."""
    mark = item.get_closest_marker("llm")
    if mark is None:
        return None
    _check(mark, ("repeats", "at_least", "model"), positional=0)
    found = LlmMark(**mark.kwargs)
    if isinstance(found.repeats, bool) or not isinstance(found.repeats, int) or found.repeats < 1:
        raise OptionError(f"llm: repeats is {found.repeats!r}", fix="give a whole number of at least 1")
    share = found.at_least
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise OptionError(f"llm: at_least is {share!r}", fix="give a share above 0 and at most 1: 0.8")
    return found


def dataset_mark(node: pytest.Item | pytest.Metafunc) -> DatasetMark | None:
    """Return the mark that is closest to a test. Raises OptionError for one without a path."""
    definition = node.definition if isinstance(node, pytest.Metafunc) else node
    mark = definition.get_closest_marker("llm_dataset")
    if mark is None:
        return None
    own = ("template", "system", "model")
    settings = {name: value for name, value in mark.kwargs.items() if name not in own}
    _check(mark, (*own, "name", "format", "field_names", "on_error", "sha256", "args"), positional=1)
    if len(mark.args) != 1 or not isinstance(mark.args[0], str | os.PathLike):
        raise OptionError("llm_dataset names no file", fix='@pytest.mark.llm_dataset("evals/cases.csv")')
    chosen = {name: mark.kwargs[name] for name in own if name in mark.kwargs}
    return DatasetMark(path=os.fspath(mark.args[0]), settings=settings, **chosen)


def static_skip(item: pytest.Item) -> bool:
    """Whether a test's marks say that it does not run, as far as that can be told before it starts."""
    if item.get_closest_marker("skip"):
        return True
    conditions = (mark.args[0] if mark.args else mark.kwargs.get("condition") for mark in item.iter_markers("skipif"))
    if any(not isinstance(condition, str) and condition for condition in conditions):
        return True
    return any(mark.kwargs.get("run") is False for mark in item.iter_markers("xfail"))


def find_path(path: str, root: Path, test: Path) -> Path:
    """Return a file that a test names, relative to the root. Raises OptionError saying where it may be."""
    if is_url(path):
        return local_file(path)
    found = root / path
    if found.exists():
        return found
    beside = test.parent / path
    hint = f"paths are relative to {root}"
    if beside.exists():
        hint = f"paths are relative to {root}, so write {os.path.relpath(beside, root)!r}"
    raise OptionError(f"there is no file {path!r}", fix=hint)


def _check(mark: pytest.Mark, known: tuple[str, ...], *, positional: int) -> None:
    if len(mark.args) > positional:
        unnamed = ", ".join(map(repr, mark.args[positional:]))
        raise OptionError(
            f"{mark.name} has {unnamed} without a name", fix=f"write NAME=VALUE; known: {', '.join(known)}"
        )
    for name in mark.kwargs:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(known)}"
            raise OptionError(f"{mark.name} takes no argument {name!r}", fix=hint)


def is_async(function: object) -> bool:
    """Whether a test function is a coroutine function, which cannot be repeated."""
    return inspect.iscoroutinefunction(inspect.unwrap(function)) if callable(function) else False
