"""In what two identities differ: path by path, texts word by word."""

import re
from collections.abc import Mapping
from typing import Any

from insideLLMs.compare.differences.word_diff import marked, word_diff
from insideLLMs.core import canonical

_SHOWN_LETTERS, _CUT_LETTERS = 40, 160
_SHA256, _DIGEST_LETTERS = re.compile("[0-9a-f]{64}"), 12


def differences(baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> tuple[str, ...]:
    """Say in what two identities differ: path, value before, value after; of long texts the words that differ."""
    before, after = dict(leaves(baseline, "")), dict(leaves(candidate, ""))
    return tuple(
        f"{path} {_move(before.get(path), after.get(path))}"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path) and (before.get(path) or after.get(path)) not in ({}, [], ())
    )


def leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    """Return the values that a value holds, each with its path."""
    if isinstance(value, Mapping) and value:
        return [leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}".lstrip("."))]
    if isinstance(value, list | tuple) and value:
        return [leaf for at, inner in enumerate(value) for leaf in leaves(inner, f"{path}[{at}]")]
    return [(path, value)]


def _move(before: Any, after: Any) -> str:
    texts = isinstance(before, str) and isinstance(after, str) and not _SHA256.fullmatch(after)
    if texts and len(before + after) > _SHOWN_LETTERS:
        diff = word_diff(before, after)
        if diff is not None:
            return repr(marked(diff))
    return f"{shown_value(before)} -> {shown_value(after)}"


def shown_value(value: Any) -> str:
    """Write a value for a message: long texts cut, digests short."""
    if value is None:
        return "not set"
    if isinstance(value, str) and len(value) > _CUT_LETTERS:
        return f"{value[:_CUT_LETTERS]!r}… ({len(value):,} letters)"
    if isinstance(value, str) and _SHA256.fullmatch(value):
        return value[:_DIGEST_LETTERS]
    return repr(value) if isinstance(value, str) else canonical.line(value).decode()
