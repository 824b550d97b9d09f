"""How the tools of two runs differ: by their names, apart from what else the models and probes differ in."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from insideLLMs.compare.differences.identities import differences
from insideLLMs.scoring.hidden_text import hidden_in_tool

Tool = Mapping[str, Any]
_OURS = {"inputSchema": "parameters", "input_schema": "parameters", "outputSchema": "returns"}
_SHOWN = 4


def without_tools(identity: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[Tool]]]:
    """Return an identity without its lists of tools, and these by where they stand in it."""
    found: dict[str, list[Tool]] = {}

    def left(value: Any, path: str) -> Any:
        if not isinstance(value, Mapping):
            return value
        kept = {}
        for name, item in value.items():
            place = f"{path}.{name}".lstrip(".")
            tools = _read(item) if name == "tools" else None
            if tools is None:
                kept[name] = left(item, place)
            else:
                found[place] = tools
        return kept

    return left(identity, ""), found


def tool_moves(before: Mapping[str, Sequence[Tool]], after: Mapping[str, Sequence[Tool]]) -> Iterator[str]:
    """Say which tools were added, removed and renamed, and what of the others changed; new texts that hide something.

    A description that changed under the same name is what a poisoned server does once it is trusted.
    """
    for place in sorted({*before, *after}):
        yield from _moves(before.get(place, ()), after.get(place, ()))


def _moves(before: Sequence[Tool], after: Sequence[Tool]) -> Iterator[str]:
    ours, theirs = ({str(tool["name"]): tool for tool in tools} for tools in (before, after))
    gone, new = ([name for name in first if name not in other] for first, other in ((ours, theirs), (theirs, ours)))
    renamed = dict(_renamed({name: ours[name] for name in gone}, {name: theirs[name] for name in new}))
    yield from (f"{old!r} is renamed to {name!r}" for old, name in renamed.items())
    yield from (f"{name!r} is gone" for name in gone if name not in renamed)
    for name in new:
        if name not in renamed.values():
            yield f"{name!r} is new{_hidden({}, theirs[name])}"
    for name, tool in ours.items():
        other = theirs.get(renamed.get(name, name))
        if other is not None and (told := list(differences(_unnamed(tool), _unnamed(other)))):
            more = f" and {len(told) - _SHOWN:,} more" if len(told) > _SHOWN else ""
            yield f"{name!r} changed: {'; '.join(told[:_SHOWN])}{more}{_hidden(tool, other)}"
    names, others = ([tool["name"] for tool in tools] for tools in (before, after))
    if names != others and not gone and not new:
        yield "the same tools in another order" if sorted(names) == sorted(others) else "a name is there twice"


def _renamed(gone: Mapping[str, Tool], new: Mapping[str, Tool]) -> Iterator[tuple[str, str]]:
    """Pair each tool that is gone with a new one that is the same but for its name, else with one of its schema."""
    left = dict(new)
    for same in (_unnamed, lambda tool: tool.get("parameters")):
        for old, tool in gone.items():
            alike = [name for name, other in left.items() if same(other) == same(tool)]
            rivals = [name for name, other in gone.items() if same(other) == same(tool)]
            has_schema = bool((tool.get("parameters") or {}).get("properties"))
            if len(alike) == len(rivals) == 1 and (same is _unnamed or has_schema):
                del left[alike[0]]
                yield old, alike[0]


def _hidden(before: Tool, after: Tool) -> str:
    """Warn of what a tool hides now, and did not hide before."""
    known = set(hidden_in_tool(before))
    found = [one for one in hidden_in_tool(after) if one not in known]
    return f" - WARNING: its {'; its '.join(found)}" if found else ""


def _unnamed(tool: Tool) -> dict[str, Any]:
    return {name: value for name, value in tool.items() if name != "name"}


def _read(value: object) -> list[Tool] | None:
    """Return a list of tools in our spelling, as OpenAI, Anthropic and MCP write them; None for anything else."""
    if not isinstance(value, list | tuple) or not value:
        return None
    tools = [one.get("function", one) if isinstance(one, Mapping) else None for one in value]
    if not all(isinstance(tool, Mapping) and isinstance(tool.get("name"), str) for tool in tools):
        return None
    return [{_OURS.get(name, name): item for name, item in tool.items()} for tool in tools if tool is not None]
