"""The tools of an MCP server in the hands of an agent: what the model is shown, and what its calls give."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.arguments import nearest, refuse, text_list
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.experiment import ModelSpec
from insideLLMs.core.types import JsonValue, Message, Request, ToolCall

SERVER = "tools"
"""What the server is called among the models of the probe."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_MOST_LISTED = 10
_SHAPE = "a list of tools, or {mcp: {command: [...]}} with `only: [NAME, ...]` if need be"


class ToolServer(msgspec.Struct, frozen=True):
    """An MCP server whose tools a model gets: all of them, or those that are named in `only`."""

    spec: ModelSpec
    only: tuple[str, ...]

    def names(self, served: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Return the names under which a model sees the tools that the server lists. Raises InsideLLMsError."""
        self.check(served)
        return tuple(shown_name(tool["name"]) for tool in served if not self.only or tool["name"] in self.only)

    def check(self, served: Sequence[Mapping[str, Any]]) -> None:
        """Raise InsideLLMsError for a tool in `only` that the server does not list."""
        listed = [tool["name"] for tool in served]
        missing = [name for name in self.only if name not in listed]
        if missing:
            near = nearest(missing[0], listed)
            hint = f"did you mean {near!r}?" if near else f"it has {', '.join(listed[:_MOST_LISTED])}"
            raise InsideLLMsError(f"the MCP server has no tool {missing[0]!r}", fix=f"check `only`: {hint}")

    def open(self, model: Any) -> "ServerTools":
        """Return the tools for one task; `model` is what the probe is given to ask."""
        return ServerTools(model, self)


def read_server(tools: object) -> ToolServer | None:
    """Return the server that `tools` names; None for a list of tools. Raises ArgumentError for what is neither."""
    if not isinstance(tools, Mapping):
        return None
    only = text_list(tools.get("only", ()))
    args = tools.get("mcp")
    if not isinstance(args, Mapping) or only is None or not set(tools) <= {"mcp", "only"}:
        raise refuse("agent", "tools", tools, _SHAPE)
    return ToolServer(ModelSpec(type="mcp", id=SERVER, args=dict(args)), only)


class ServerTools:
    """The tools of one task: it keeps what was called, as what a tool gives may depend on that.

    A name that chat completions do not take is shown with `_` for each character that they refuse.
    """

    def __init__(self, model: Any, server: ToolServer) -> None:
        self._model = model
        listed = model.respond_to(Request.of("tools/list"), by=SERVER).kept["tools"]
        server.check(listed)
        chosen = [tool for tool in listed if not server.only or tool["name"] in server.only]
        self._names = {shown_name(tool["name"]): tool["name"] for tool in chosen}
        if len(self._names) < len(chosen):
            raise InsideLLMsError(
                "two tools of the MCP server get the same name for the model", fix="name some in `only`"
            )
        self.shown: list[Mapping[str, JsonValue]] = [_shown(tool) for tool in chosen]
        self._done: list[JsonValue] = []

    def call(self, name: str, arguments: dict[str, Any]) -> JsonValue:
        """Call a tool; an error is a result that the model sees. Raises ModelError for a server that fails."""
        call = ToolCall(name=self._names[name], arguments=arguments)
        # equal calls of one task are two calls, and each has its own place in a cassette
        after = {"after": canonical.identity("calls/1", self._done)} if self._done else {}
        request = Request(messages=(Message(role="assistant", tool_calls=(call,)),), options=after)
        response = self._model.respond_to(request, by=SERVER)
        error = response.kept.get("error")
        result = response.text if error is None else {"error": error["message"]}
        self._done.append([call.name, arguments, result])
        return result


def shown_name(name: str) -> str:
    """Return the name of a tool as chat completions take it."""
    return _NOT_IN_NAMES.sub("_", name)


def _shown(tool: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return a tool as chat completions write it."""
    function = {
        "name": shown_name(tool["name"]),
        "description": tool.get("description") or "",
        "parameters": tool["inputSchema"],
    }
    return {"type": "function", "function": function}
