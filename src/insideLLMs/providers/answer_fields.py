"""What every API's answers have in common, read with care: texts, counts, tool arguments, log probabilities."""

from collections.abc import Mapping
from typing import Any

from insideLLMs.core import canonical
from insideLLMs.core.types import TokenLogprob, Usage


def read_text(value: object) -> str | None:
    """Return a text that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def read_mapping(value: object) -> dict[str, Any]:
    """Return a JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def read_list(value: object) -> list[Any]:
    """Return a JSON list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def read_count(value: object) -> int | None:
    """Return a number of tokens, else None."""
    if type(value) is int and 0 <= value <= canonical.MAX_INTEGER:  # almost all of them
        return value
    if isinstance(value, float) and value.is_integer():  # Cohere counts in floats
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= canonical.MAX_INTEGER:
        return value
    return None


def read_cost(value: object) -> float | None:
    """Return a number of dollars, else None."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= canonical.MAX_INTEGER else None


_NAMES = {
    "input": ("prompt_tokens", "input_tokens", "inputTokens", "promptTokenCount", "prompt_eval_count"),
    "output": ("completion_tokens", "output_tokens", "outputTokens", "candidatesTokenCount", "eval_count"),
    "total": ("total_tokens", "totalTokens", "totalTokenCount"),
    "reasoning": ("reasoning_tokens", "thoughtsTokenCount"),
    "cached": (
        "cached_tokens",
        "cache_read_input_tokens",
        "cacheReadInputTokens",
        "prompt_cache_hit_tokens",
        "cachedContentTokenCount",
        "cache_read_tokens",
    ),
    "cache_write": (
        "cache_creation_input_tokens",
        "cacheWriteInputTokens",
        "cache_write_tokens",
        "cache_creation_tokens",
    ),
    "tools": ("toolUsePromptTokenCount",),
}
"""What the counts are called; the first that an answer has is read."""
_MEANINGS = {name: (kind, place) for kind, names in _NAMES.items() for place, name in enumerate(names)}
_DETAILS = ("prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details")
_BESIDE = frozenset(
    {"cache_read_input_tokens", "cacheReadInputTokens", "cache_creation_input_tokens", "cacheWriteInputTokens"}
)
"""Counts of the cache that, with these names, stand beside the input rather than within it."""


def read_usage(counts: object) -> Usage | None:
    """Read the token counts of any API; None if it holds none.

    Input has all that the model read, output all that it wrote, thoughts and cache included. Where an API counts
    these apart, its total or the name of the count says so.
    """
    if not isinstance(counts, dict):
        return None
    flat = dict(counts)
    for detail in _DETAILS:
        if detail in counts:
            for name, value in read_mapping(counts[detail]).items():
                flat.setdefault(name, value)
    known = _by_kind(flat).get
    given, written, total, tools = known("input"), known("output"), known("total"), known("tools")
    reasoning, cached, cache_write = known("reasoning"), known("cached"), known("cache_write")
    if given is written is total is reasoning is cached is cache_write is None:
        return None
    if given is not None and written is not None and reasoning is cached is cache_write is tools is None:
        return Usage(input_tokens=given, output_tokens=written)
    cache, thoughts = (cached or 0) + (cache_write or 0), reasoning or 0
    rest = None if total is None else total - (given or 0) - (written or 0) - (tools or 0)
    cache_beside = not _BESIDE.isdisjoint(flat) and (
        "prompt_tokens" not in flat if rest is None else rest > 0 and rest in {cache, cache + thoughts}
    )
    thoughts_beside = "thoughtsTokenCount" in flat or (
        thoughts > (written or 0) if rest is None else thoughts > 0 and rest == thoughts + cache * cache_beside
    )
    return Usage(
        input_tokens=add_counts(given, tools, cache if cache_beside else None),
        output_tokens=add_counts(written, thoughts if thoughts_beside else None),
        reasoning_tokens=reasoning,
        cached_tokens=cached,
        cache_write_tokens=cache_write,
    )


def _by_kind(counts: Mapping[str, object]) -> dict[str, int]:
    """Return the counts by what they count: of several names, the one that _NAMES has first."""
    found: dict[str, int] = {}
    places: dict[str, int] = {}
    for name, value in counts.items():
        if name not in _MEANINGS:
            continue
        kind, place = _MEANINGS[name]
        count = read_count(value)
        if count is not None and place < places.get(kind, len(_MEANINGS)):
            found[kind], places[kind] = count, place
    return found


def add_counts(*counts: int | None) -> int | None:
    """Add up counts; None where none is known."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def read_logprobs(tokens: object, *, logprob: str = "logprob") -> tuple[TokenLogprob, ...]:
    """Read a list of objects that hold a token and its log probability; what is none of them is left out."""
    return tuple(
        TokenLogprob(token=item["token"], logprob=float(item[logprob]))
        for item in read_list(tokens)
        if isinstance(item, dict) and isinstance(item.get("token"), str) and _is_number(item.get(logprob))
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= canonical.MAX_INTEGER
