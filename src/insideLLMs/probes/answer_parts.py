"""The part of an answer that a check names: its value, or scores that say why it is missing."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
import orjson

from insideLLMs.core import canonical
from insideLLMs.core.arguments import nearest, refuse
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.protocols import JudgedProbe, PromptProbe
from insideLLMs.core.types import JsonValue, Response, Scores, as_text
from insideLLMs.scoring.json_values import Parsed, Unparsed

PARTS_VERSION = "of 2"
"""How checks of text read a part that is a mapping: `of 2` without the names of its fields."""


def checked_part(owner: str, of: object, argument: str = "of") -> str:
    """Return the name of a part, or the path into one. Raises ArgumentError for what is neither."""
    from insideLLMs.scoring.json_path import parse_path, rooted  # noqa: PLC0415 - only runs that read parts need it

    try:
        if isinstance(of, str) and parse_path(rooted(of)):
            return of
    except ArgumentError as error:
        raise refuse(owner, argument, of, f"a part's name or a path: {error.message}") from error
    raise refuse(owner, argument, of, "the name of a part of the answer, or a path into one, such as sources[0].title")


def find_part(kept: Mapping[str, JsonValue], of: str) -> Parsed | Unparsed:
    """Return the part that `of` names; one that is null, or could not be stored, is as good as none."""
    from insideLLMs.scoring.json_path import find, rooted  # noqa: PLC0415 - see above

    found = [kept[of]] if of in kept else find(dict(kept), rooted(of))
    if not found:
        names = ", ".join(map(repr, sorted(kept))) or "none at all"
        near = nearest(of, sorted(kept))
        return Unparsed(
            f"the answer has no part {of!r}; it has {names}" + (f"; did you mean {near!r}?" if near else "")
        )
    if found[0] is None:
        return Unparsed(f"the part {of!r} of the answer is null")
    if isinstance(found[0], dict) and found[0].keys() == {"$invalid"}:
        return Unparsed(f"the part {of!r} of the answer is not a JSON value that can be stored")
    return Parsed(found[0])


def names_part(of: str, kept: Collection[str]) -> bool:
    """Whether a part is among those that are `kept`, by their names."""
    from insideLLMs.scoring.json_path import parse_path, rooted  # noqa: PLC0415 - see above

    first = parse_path(rooted(of))[0].selector
    return of in kept or (first in kept if isinstance(first, str) else bool(kept))


def plain_text(value: JsonValue) -> str:
    """Write a value for people and judges: of a list its values, one a line, of a mapping with their names."""
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {plain_text(item)}" for name, item in sorted(value.items()))
    return "\n".join(map(plain_text, value)) if isinstance(value, list | tuple) else as_text(value)


def why_empty(response: Response) -> str:
    """Say that an answer has no text, and of a failed call of an MCP tool why."""
    error = response.kept.get("error") if response.finish_reason == "error" else None
    message = error.get("message") if isinstance(error, Mapping) else None
    return f"the answer is empty: the call failed: {message}" if message else "the answer is empty"


def values_text(value: JsonValue) -> str:
    """Write a value for checks of text: of a list or mapping its values, one a line; names of fields are no text."""
    if isinstance(value, Mapping):
        return "\n".join(values_text(item) for _, item in sorted(value.items()))
    return "\n".join(map(values_text, value)) if isinstance(value, list | tuple) else as_text(value)


def json_text(value: JsonValue) -> str:
    """Write a value for those who read JSON: text as it is, mappings in the order of their keys."""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def scored_response(probe: PromptProbe, response: Response) -> Response | Scores:
    """Return the response that `probe` scores: with the part that it reads for its text, or failed for want of that."""
    if probe.of is None or probe.reads_part == "itself":
        return response
    found = find_part(response.kept, probe.of)
    if isinstance(found, Unparsed):
        return _failed(probe, found.why)
    write = json_text if probe.reads_part == "json" else _text_of(type(probe))
    text = write(found.value)
    return msgspec.structs.replace(response, text=text, value=None, tool_calls=(), reasoning=None)


def _text_of(kind: type) -> Callable[[JsonValue], str]:
    """Return how a probe of text reads a part: a judge is shown the names of its fields, too."""
    return plain_text if issubclass(kind, JudgedProbe) else values_text


def _failed(probe: PromptProbe, why: str) -> Scores:
    """Return the worst scores, where there is a worst; of a judge only those that say how good the answer is."""
    worst = {name: worst for name, (worst, _) in probe.score_ranges.items() if abs(worst) <= canonical.MAX_INTEGER}
    if isinstance(probe, JudgedProbe):
        worst = {name: value for name, value in worst.items() if name in {"correct", "score"}}
    return Scores(values=worst or {"correct": 0.0}, passed=False, explanation=why)


def takes_part(factory: Callable[..., Any]) -> bool:
    """Whether `of` means the part to score for what `factory` makes, and is no argument of its own."""
    is_probe = isinstance(factory, type) and issubclass(factory, PromptProbe) and factory.reads_part != "none"
    return is_probe and "of" not in inspect.signature(factory).parameters


def make_reading_part(
    factory: Callable[..., Any], args: Mapping[str, JsonValue], *, make: Callable[..., Any] | None = None
) -> Any:
    """Make a probe, by `make` where that is another than its class; `of` need not be an argument of it.

    Raises ArgumentError for a part that cannot be named so.
    """
    make = make or factory
    if "of" not in args or not takes_part(factory):
        return make(**args)
    probe = make(**{name: value for name, value in args.items() if name != "of"})
    probe.of = checked_part(probe.name, args["of"])
    if probe.reads_part == "text" and _text_of(type(probe)) is values_text:
        probe.version = f"{probe.version}; {PARTS_VERSION}"
    return probe
