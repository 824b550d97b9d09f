"""What an MCP server is asked and what it answers, in our types."""

from collections.abc import Mapping, Sequence
from typing import Any

from insideLLMs.core.errors import RequestRefusedError
from insideLLMs.core.types import JsonValue, Request, Response, ToolCall
from insideLLMs.providers.applications.answer_paths import json_text

LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
"""The methods that list something, with the name under which a server answers it."""
_LARGEST = 2**53 - 1
METHODS = ("initialize", *LISTS, "shutdown")
"""What an input that is a text may ask, beside the calls of tools."""
_TOOL = {
    "name": "name",
    "title": "title",
    "description": "description",
    "inputSchema": "parameters",
    "outputSchema": "returns",
    "annotations": "annotations",
}


def read_request(request: Request) -> ToolCall | str:
    """Return the call that the last message makes, or the method that it names. Raises RequestRefusedError."""
    last = request.messages[-1]
    if last.role == "assistant" and len(last.tool_calls) == 1:
        return last.tool_calls[0]
    if last.text in METHODS and not last.tool_calls:
        return last.text
    raise RequestRefusedError(
        "an MCP server answers one call of a tool at a time, or a method",
        fix=f"give the example `tool` and `arguments`, or one of these as its input: {', '.join(METHODS)}",
    )


def read_tools(listed: Sequence[Mapping[str, JsonValue]]) -> list[dict[str, JsonValue]]:
    """Return tools as they enter an identity, in the order of their names."""
    tools = [{ours: tool[theirs] for theirs, ours in _TOOL.items() if tool.get(theirs) is not None} for tool in listed]
    return sorted(tools, key=lambda tool: str(tool.get("name")))


def in_range(value: JsonValue) -> JsonValue:
    """Return what a server lists with each whole number that is too large for some JSON readers as they read it.

    A schema may bound an argument by the largest number of 64 bits.
    """
    if isinstance(value, dict):
        return {name: in_range(item) for name, item in value.items()}
    if isinstance(value, list):
        return [in_range(item) for item in value]
    return float(value) if isinstance(value, int) and abs(value) > _LARGEST else value


def read_result(result: Mapping[str, Any], complaint: str = "") -> Response:
    """Return what a tool gives; `complaint` says how it breaks the tool's own output schema."""
    blocks = [block for block in result.get("content") or () if isinstance(block, dict)]
    text = "\n".join(told for block in blocks if (told := _text(block)) is not None)
    others = [block for block in blocks if block.get("type") != "text"]
    structured = result.get("structuredContent")
    if result.get("isError"):
        return failed({"message": text or json_text(structured) if structured is not None else text, "in": "result"})
    if result.get("resultType") == "input_required":
        return failed({"message": "the tool asks for further input, which a run cannot give", "in": "result"})
    if complaint:
        return failed({"message": complaint, "in": "schema"}, structured=structured, content=blocks)
    return Response(
        text=text if text or structured is None else json_text(structured),
        finish_reason="stop",
        kept={
            **({} if structured is None else {"structured": structured}),
            **({"content": others} if others else {}),
        },
    )


def _text(block: Mapping[str, Any]) -> str | None:
    """Return the text of a block, or of the resource that it holds."""
    held = block.get("resource") if block.get("type") == "resource" else block
    if block.get("type") not in ("text", "resource") or not isinstance(held, Mapping):
        return None
    text = held.get("text", "" if block.get("type") == "text" else None)
    return None if text is None else str(text)


def failed(error: dict[str, JsonValue], **others: JsonValue) -> Response:
    """Return the answer of a call that failed: no text passes for a success.

    `in` says where the error stands: in the result, as isError; in the protocol, with a `code`; or against the schema.
    """
    kept = {name: value for name, value in others.items() if value}
    return Response(finish_reason="error", kept={"error": error, **kept})


def schema_complaint(schema: Mapping[str, JsonValue] | None, result: Mapping[str, Any]) -> str:
    """Say how a result breaks the output schema of its tool; "" if it does not, or the tool has no schema.

    Not for the thread of an event loop.
    """
    if schema is None or result.get("isError") or result.get("resultType") == "input_required":
        return ""
    if "structuredContent" not in result:
        return "the tool has an output schema, and gave no structured content"
    from insideLLMs.scoring.tools.schemas import bounded_complaints  # noqa: PLC0415 - slow, and seldom needed

    found = bounded_complaints(schema, result["structuredContent"])
    return f"the structured content breaks the output schema: {found[0]}" if found else ""
