"""What an answer counts as at one level of comparison: two answers are the same there if their labels are equal."""

from collections.abc import Hashable

import orjson

from insideLLMs.compare.json_paths import parse_answer
from insideLLMs.compare.levels import normalise, response_of
from insideLLMs.core import canonical
from insideLLMs.core.gate_spec import TextLevel
from insideLLMs.core.record_views import Facts
from insideLLMs.core.types import JsonValue

LEVELS: tuple[TextLevel, ...] = ("verdict", "structured", "normalised", "exact")
Label = Hashable


def label_of(facts: Facts, level: TextLevel) -> Label | None:
    """Return the label of a Trial; None where it was not answered.

    Verdict: pass or fail with what was extracted. Structured: the JSON value, or the normalised text where it is
    none. Normalised: the text aside from blanks and Unicode form. Exact: the text. Below the verdict a called tool,
    a value and how the answer ended (refused, cut off) are part of the label too.
    """
    if not facts.answered:
        return None
    scores = facts.scores
    verdict = None if scores is None else (scores.passed, scores.label, _marks(facts))
    if level == "verdict":
        return verdict
    response = response_of(facts)
    calls = tuple((call.name, canonical.line(call.arguments)) for call in response.tool_calls)
    value = None if response.value is None else canonical.line(response.value)
    return (response.finish_reason, calls, value, _text_label(response.text, level))


def _marks(facts: Facts) -> tuple[tuple[str, float], ...]:
    """Return the scores where there is no verdict to go by."""
    if facts.scores is None or facts.scores.passed is not None:
        return ()
    return tuple(sorted(facts.scores.values.items()))


def _text_label(text: str, level: TextLevel) -> tuple[str, bytes | str]:
    if level == "exact":
        return "text", text
    parsed: JsonValue | None = parse_answer(text) if level == "structured" else None
    if parsed is not None:
        return "json", orjson.dumps(_equal_numbers(parsed), option=orjson.OPT_SORT_KEYS)
    return "text", normalise(text)


def _equal_numbers(value: JsonValue) -> JsonValue:
    """Spell 1 and 1.0 alike."""
    if isinstance(value, dict):
        return {name: _equal_numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_equal_numbers(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
