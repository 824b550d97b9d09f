"""A model at work with tools that the example gives: asked turn by turn, until it answers without a call."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from insideLLMs.core.errors import ArgumentError, InsideLLMsError
from insideLLMs.core.protocols import as_messages
from insideLLMs.core.thoughts import answer_of
from insideLLMs.core.types import JsonValue, Message, Request, Response, ToolCall, as_text
from insideLLMs.probes.base import asked_text
from insideLLMs.scoring.tools.argument_matchers import same_json
from insideLLMs.scoring.triggers import calls_in_text

PROTOCOLS = ("native", "text")
Environment = Callable[[str, dict[str, Any]], Any]
Tool = Mapping[str, JsonValue]
_TEXT_PROTOCOL = (
    "You can call these tools. To call one, answer with one line of JSON and nothing else: "
    '{"name": TOOL, "arguments": {...}}. When no tool is needed any more, answer in words.\nTools:\n'
)


class ToolPlay(msgspec.Struct, frozen=True):
    """How a model is asked with tools, and what the tools give; `fields` are those of the example."""

    fields: Mapping[str, JsonValue]
    tools: Sequence[Tool]
    environment: Environment | None
    max_turns: int
    protocol: str

    def run(self, model: Any, options: dict[str, Any]) -> Response:
        """Go on until the model answers without a call; an agent that brings its own trajectory is asked once."""
        messages = self._opening()
        begun = len(messages)
        for turn in range(1, self.max_turns + 1):
            response = self._ask(model, messages, options)
            if response.trajectory:
                return response
            calls = response.tool_calls or (tuple(calls_in_text(response.text)) if self.protocol == "text" else ())
            said = Message(role="assistant", content=response.text, tool_calls=_named(calls, turn))
            messages.append(said)
            if not calls:
                return Response(text=response.text, trajectory=tuple(messages[begun:]))
            messages += (self._told(call) for call in said.tool_calls)
            if self.fields.get("only_calls") is True:
                break
        return Response(trajectory=tuple(messages[begun:]))

    def _opening(self) -> list[Message]:
        given = self.fields.get("messages")
        opening = list(as_messages(given)) if given else [Message(role="user", content=asked_text(self.fields) or "")]
        if self.protocol == "text":
            opening.insert(0, Message(role="system", content=_TEXT_PROTOCOL + "\n".join(map(json.dumps, self.tools))))
        return opening

    def _ask(self, model: Any, messages: Sequence[Message], options: dict[str, Any]) -> Response:
        respond = getattr(model, "respond_to", None)
        takes = getattr(model, "takes_option", None)
        native = self.protocol == "native" and (takes is None or takes("tools"))
        if respond is not None:
            sent = tuple(messages if native else _in_words(messages))
            offered = {"tools": list(self.tools)} if native else {}
            response: Response = respond(Request(messages=sent, options={**offered, **options}))
            if native or response.trajectory or self.protocol == "text":
                return response
        elif self.protocol == "text":
            said = model.chat([{"role": one.role, "content": one.text} for one in _in_words(messages)], **options)
            return Response(text=answer_of(said, model))
        raise InsideLLMsError(
            "this model gives only text, no tool calls",
            fix="set protocol: text, use a provider, or let it return its messages",
        )

    def _told(self, call: ToolCall) -> Message:
        return Message(role="tool", content=as_text(self._result(call)), tool_call_id=call.id)

    def _result(self, call: ToolCall) -> JsonValue:
        if call.name not in {tool_name(tool) for tool in self.tools}:
            return {"error": f"there is no tool {call.name}"}
        if self.environment is not None:
            return self.environment(call.name, dict(call.arguments))
        scripted = self.fields.get("environment")
        answer = scripted.get(call.name) if isinstance(scripted, Mapping) else None
        if isinstance(answer, list) and all(isinstance(one, Mapping) and "returns" in one for one in answer):
            fitting = [one for one in answer if _fits(one.get("when", {}), call.arguments)]
            return fitting[0]["returns"] if fitting else {"error": "nothing found"}
        return "done" if answer is None else answer


def _named(calls: Sequence[ToolCall], turn: int) -> tuple[ToolCall, ...]:
    """Return calls that all have ids, by which the results are given."""
    return tuple(
        call if call.id else msgspec.structs.replace(call, id=f"call_{turn}_{number}")
        for number, call in enumerate(calls)
    )


def _in_words(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield messages for a model that has no tools of its own: what a tool gave as what the user says."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    for message in messages:
        if message.role == "tool":
            yield Message(role="user", content=f"{names.get(message.tool_call_id)} returned: {message.text}")
        else:
            yield msgspec.structs.replace(message, tool_calls=())


def tool_name(tool: Tool) -> str:
    """Return a tool's name. Raises ArgumentError for one without."""
    function = tool.get("function", tool) if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        raise ArgumentError(f"the tool {tool!r} has no name", fix="write tools as OpenAI's chat completions do")
    return name


def tool_schema(tool: Tool) -> Mapping[str, JsonValue]:
    """Return the JSON Schema of a tool's parameters, empty where it has none."""
    schema = tool.get("function", tool).get("parameters")
    return schema if isinstance(schema, Mapping) else {}


def _fits(when: Mapping[str, JsonValue], arguments: Mapping[str, JsonValue]) -> bool:
    return all(name in arguments and same_json(arguments[name], value) for name, value in when.items())
