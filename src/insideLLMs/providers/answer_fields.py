"""What every API's answers have in common, read with care: texts, counts, tool arguments, log probabilities."""

from typing import Any

import orjson

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError
from insideLLMs.core.types import JsonValue, TokenLogprob, Usage


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
    if isinstance(value, float) and value.is_integer():  # Cohere counts in floats
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= canonical.MAX_INTEGER:
        return value
    return None


def read_usage(counts: object, **names: str) -> Usage | None:
    """Return the counts that an answer holds under `names` (our name -> theirs); None if there are none at all."""
    if not isinstance(counts, dict):
        return None
    return Usage(**{ours: read_count(counts.get(theirs)) for ours, theirs in names.items()})


def add_counts(*counts: int | None) -> int | None:
    """Add up counts; None where none is known."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def read_arguments(arguments: object) -> dict[str, JsonValue]:
    """Decode a tool call's arguments; a model may write broken JSON, which is kept as text under ``$invalid``."""
    try:
        value = orjson.loads(arguments or "{}") if isinstance(arguments, str | None) else arguments
        canonical.check(value)
    except (orjson.JSONDecodeError, CanonicalError):
        return {"$invalid": str(arguments)}
    return value if isinstance(value, dict) else {"$invalid": str(arguments)}


def read_logprobs(tokens: object, *, token: str = "token", logprob: str = "logprob") -> tuple[TokenLogprob, ...]:  # noqa: S107 - a field's name
    """Read a list of objects that hold a token and its log probability; what is none of them is left out."""
    return tuple(
        TokenLogprob(token=item[token], logprob=float(item[logprob]))
        for item in read_list(tokens)
        if isinstance(item, dict) and isinstance(item.get(token), str) and _is_number(item.get(logprob))
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= canonical.MAX_INTEGER
