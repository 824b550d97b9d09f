"""What a span was for, and what it says of a call: model, tokens, question and answer, documents that were found."""

import re
from collections.abc import Mapping, Sequence

from insideLLMs.core.foreign_json import decoded
from insideLLMs.core.types import JsonValue, ResultStatus, Usage
from insideLLMs.importers.fields import as_words
from insideLLMs.trajectories.span import Span

_NEITHER = {"embeddings", "embedding", "retriever", "reranker", "guardrail", "evaluator", "retrieval"}
_INPUTS = ("input.value", "traceloop.entity.input", "ai.prompt", "gen_ai.prompt")
_OUTPUTS = ("output.value", "traceloop.entity.output", "final_result", "gen_ai.completion", "ai.response.object")
_MODELS = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "ai.model.id", "llm.request.model")
_TOKENS = {
    "input_tokens": (
        "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "llm.usage.prompt_tokens",
        "ai.usage.promptTokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
        "llm.usage.completion_tokens", "ai.usage.completionTokens",
    ),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens", "llm.token_count.completion_details.reasoning"),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
}  # fmt: skip
_HOLDERS = ("messages", "inputs", "kwargs", "args", "input")
_DOCUMENT = re.compile(r"retrieval\.documents\.(\d{1,6})\.document\.content")
_DEEPEST = 6
_TIMEOUT = re.compile(r"timed?.?out|deadline", re.IGNORECASE)
_LIMIT = re.compile(r"rate.?limit|\b429\b|too many requests|resource.?exhausted", re.IGNORECASE)


def is_apart(span: Span) -> bool:
    """Whether a span is beside the question: an embedding, a retriever, a guardrail, a judge."""
    said = span.text("gen_ai.operation.name", "llm.request.type", "openinference.span.kind")
    return said.lower() in _NEITHER


def question_of(span: Span) -> JsonValue:
    """Return what a span was given, apart from chats: text, a chat as objects, or None."""
    return _content(span, _INPUTS)


def answer_of_span(span: Span) -> JsonValue:
    """Return what a span gave, apart from chats: text, another JSON value, or None."""
    return _content(span, _OUTPUTS)


def _content(span: Span, names: tuple[str, ...]) -> JsonValue:
    given = next((span.attributes[name] for name in names if span.attributes.get(name) not in (None, "")), None)
    return given if given is None else _unwrapped(decoded(given), 0)


def _unwrapped(value: JsonValue, depth: int) -> JsonValue:
    """Take a value out of what frameworks put around it: arguments by name, or an object or a list with one thing."""
    if isinstance(value, dict) and depth < _DEEPEST:
        filled = {name: inner for name, inner in value.items() if inner not in (None, "", [], {})}
        held = next((filled[name] for name in _HOLDERS if name in filled), None)
        alone = next(iter(filled.values())) if len(filled) == 1 else held if set(filled) <= set(_HOLDERS) else None
        if alone is not None and isinstance(alone, str | Mapping | list):
            return _unwrapped(alone, depth + 1)
    if isinstance(value, list) and len(value) == 1 and depth < _DEEPEST and not _is_turn(value[0]):
        return _unwrapped(value[0], depth + 1)
    return value


def is_chat(value: JsonValue) -> bool:
    """Whether a value is a list of messages."""
    return isinstance(value, list) and bool(value) and all(map(_is_turn, value))


def _is_turn(value: JsonValue) -> bool:
    return isinstance(value, dict) and "role" in value and ("content" in value or "parts" in value)


def model_of(span: Span) -> str:
    """Return the model that was asked for; "" where the span does not say."""
    given = decoded(span.attributes.get("llm.invocation_parameters"))
    asked = given.get("model") if isinstance(given, dict) else None
    return span.text(_MODELS[0]) or (asked if isinstance(asked, str) else "") or span.text(*_MODELS)


def usage_of(spans: Sequence[Span]) -> Usage | None:
    """Return the tokens that calls took together; None where none says."""
    counts = {
        field: [count for span in spans if (count := _count(span, names)) is not None]
        for field, names in _TOKENS.items()
    }
    known = {field: sum(found) for field, found in counts.items() if found}
    return Usage(**known) if known else None


def _count(span: Span, names: tuple[str, ...]) -> int | None:
    given = next((span.attributes[name] for name in names if name in span.attributes), None)
    whole = isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < 1 << 40
    return int(given) if whole and given is not None else None


def finish_of(span: Span) -> str | None:
    """Return why the answer ended."""
    given = decoded(span.attributes.get("gen_ai.response.finish_reasons"))
    first = given[0] if isinstance(given, list) and given else given
    return (first if isinstance(first, str) else "") or span.text(
        "llm.finish_reason", "gen_ai.completion.0.finish_reason", "ai.response.finishReason"
    ) or None  # fmt: skip


def documents_of(span: Span) -> list[str]:
    """Return the documents that a retriever found, in their order."""
    found = {
        int(place[1]): as_words(value)
        for name, value in span.attributes.items()
        if (place := _DOCUMENT.fullmatch(name))
    }
    return [found[number] for number in sorted(found)]


def status_of(spans: Sequence[Span]) -> ResultStatus:
    """Return how spans failed, by their words."""
    words = " ".join(f"{span.text('error.type')} {span.error or ''}" for span in spans)
    if _LIMIT.search(words):
        return ResultStatus.RATE_LIMITED
    return ResultStatus.TIMEOUT if _TIMEOUT.search(words) else ResultStatus.ERROR
