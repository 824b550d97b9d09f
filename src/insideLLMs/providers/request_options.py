"""What a user asks of every API in one spelling: tools, which of them to call, JSON output, images, a seed.

The spelling is OpenAI's, as most people know it; each codec writes it in its API's own.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from insideLLMs.core.errors import RequestRefusedError
from insideLLMs.core.types import ImagePart, JsonValue, Message, Request, Role, TextPart

Choice = Literal["auto", "none", "required", "named"]
RESERVED = {
    "model": "set model_name",
    "messages": "the probe makes the messages",
    "stream": "whether answers are streamed is an argument of the model, where its API is read so",
    "n": "use repeats",
}
"""Body fields that are ours to fill in, and what to do instead of setting them."""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may call; `parameters` is its JSON Schema."""

    name: str
    description: str | None
    parameters: Mapping[str, JsonValue]

    def written(self, schema_key: str) -> dict[str, JsonValue]:
        """Write it flat, its schema under `schema_key`."""
        described = {"description": self.description} if self.description else {}
        return {"name": self.name, **described, schema_key: dict(self.parameters)}


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a tool must be called; `name` says which, if `kind` is "named"."""

    kind: Choice
    name: str | None = None


class JsonFormat(msgspec.Struct, frozen=True, kw_only=True):
    """JSON output; `schema` is None where any object will do."""

    schema: Mapping[str, JsonValue] | None
    name: str = "answer"


def read_tools(tools: JsonValue) -> list[Tool]:
    """Read ``{"type": "function", "function": {name, description, parameters}}``, or the inner mapping alone."""
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        raise RequestRefusedError("tools must be a list", fix="write tools as OpenAI's chat completions do")
    return [_read_tool(tool) for tool in tools]


def _read_tool(tool: JsonValue) -> Tool:
    inner = tool.get("function", tool) if isinstance(tool, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
        raise RequestRefusedError("a tool has no name", fix='write {"name": ..., "parameters": {JSON Schema}}')
    parameters = inner.get("parameters")
    return Tool(
        name=inner["name"],
        description=inner.get("description"),
        parameters=parameters if isinstance(parameters, Mapping) else {"type": "object", "properties": {}},
    )


def read_choice(choice: JsonValue) -> ToolChoice:
    """Read `auto`, `none`, `required`, or ``{"type": "function", "function": {"name": ...}}``."""
    match choice:
        case "auto" | "none" | "required":
            return ToolChoice(kind=choice)
        case {"function": {"name": str(name)}} | {"name": str(name)}:
            return ToolChoice(kind="named", name=name)
        case _:
            raise RequestRefusedError(
                f"tool_choice is {choice!r}", fix="write auto, none, required, or name a function as OpenAI does"
            )


def read_format(wanted: JsonValue) -> JsonFormat | None:
    """Read a `response_format`; None for plain text."""
    match wanted:
        case {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return JsonFormat(schema=None)
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **rest}}:
            return JsonFormat(schema=schema, name=str(rest.get("name") or "answer"))
        case _:
            raise RequestRefusedError(
                "response_format is not a known one",
                fix='write {"type": "json_schema", "json_schema": {"name": ..., "schema": {...}}}',
            )


def split_system(messages: Iterable[Message]) -> tuple[str, list[Message]]:
    """Return the text of the system messages, and the other messages, for APIs that want them apart."""
    system, turns = [], []
    for message in messages:
        if message.role == "system":
            system.append(message.text)
        else:
            turns.append(message)
    return "\n\n".join(system), turns


def join_turns(messages: Iterable[Message]) -> list[tuple[Role, list[Message]]]:
    """Join neighbours into turns of user and assistant; results of tools belong to the user's turn."""
    turns: list[tuple[Role, list[Message]]] = []
    for message in messages:
        role: Role = "user" if message.role == "tool" else message.role
        if turns and turns[-1][0] == role:
            turns[-1][1].append(message)
        else:
            turns.append((role, [message]))
    return turns


def parts_of(message: Message) -> tuple[TextPart | ImagePart, ...]:
    """Return the content as parts; none for empty text."""
    if isinstance(message.content, str):
        return (TextPart(text=message.content),) if message.content else ()
    return message.content


def inline_image(image: ImagePart) -> tuple[str, str] | None:
    """Return media type and base64 text of an image given as a data URL; None for any other URL."""
    head, comma, data = image.url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return head.removeprefix("data:").removesuffix(";base64"), data


def required_inline(image: ImagePart, provider: str) -> tuple[str, str]:
    """Return media type and base64 text. Raises RequestRefusedError for an image that is only linked to."""
    inline = inline_image(image)
    if inline is None:
        raise RequestRefusedError(
            f"{provider} does not accept links to images", fix="give the image itself, as data:image/png;base64,..."
        )
    return inline


def merge_options(fields: Mapping[str, JsonValue], request: Request, repeat: int) -> dict[str, JsonValue]:
    """Return `fields` with the options of a request over them. Raises RequestRefusedError for one that is ours."""
    options = dict(fields)
    if request.options:
        for name, value in request.options.items():
            if name in RESERVED:
                raise RequestRefusedError(f"a request cannot set {name!r}", fix=RESERVED[name])
            options[name] = value
        options = {name: value for name, value in options.items() if value is not None}
    if isinstance(options.get("seed"), int):
        asked = "seed" in request.options  # a probe that asks for a seed gets that one
        options["seed"] = options["seed"] + repeat if asked else own_seed(options["seed"], repeat, request)
    return options


def own_seed(seed: int, repeat: int, request: Request) -> int:
    """Return 31 bits of SHA-256 over the seed, the repeat and the messages.

    One seed for all requests would draw the same luck for every example of a run: runs with different seeds
    then differ as wholes, and a comparison takes that for a change.
    """
    drawn = "\0".join((str(seed), str(repeat), *(f"{turn.role}:{turn.text}" for turn in request.messages)))
    return int.from_bytes(hashlib.sha256(drawn.encode("utf-8", "replace")).digest()[:4]) >> 1
