"""A request of a trace -> the trial that it was: question, answer, what the application did, and what it came with."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property

import msgspec

from insideLLMs.core.errors import TrajectoryError
from insideLLMs.core.types import Example, JsonValue, Message, Response, ResultStatus
from insideLLMs.importers.blanking import Blanking
from insideLLMs.importers.fields import as_words, asked_in, count_left, named_by_content, storable
from insideLLMs.importers.foreign import ALONE, ForeignScore, ForeignTrial, Traffic
from insideLLMs.importers.traces.calls import (
    answer_of_span,
    documents_of,
    finish_of,
    is_chat,
    model_of,
    question_of,
    status_of,
    usage_of,
)
from insideLLMs.importers.traces.requests import ServedRequest
from insideLLMs.trajectories import read_trajectory
from insideLLMs.trajectories.chats import Turn, turns
from insideLLMs.trajectories.span import Span, SpanKind, kind_of
from insideLLMs.trajectories.spans import messages_of

_ROUTES = ("http.route", "url.path", "http.target", "rpc.method")
_TEMPLATES = (
    "llm.prompt_template.version", "traceloop.prompt.key", "gen_ai.prompt.name", "llm.prompt_template.template",
)  # fmt: skip
_PERSONS = (
    "user.id", "user.name", "user.full_name", "user.email", "enduser.id",
    "traceloop.association.properties.user_id", "traceloop.association.properties.user_name",
)  # fmt: skip
_EVALUATION = "gen_ai.evaluation.result"
_EARLIEST, _LATEST = 31_536_000, 7_258_118_400
"""Seconds since 1970 that are taken for a time: the years 1971 to 2199."""
_LONGEST_NAME = 200
_MOST_STEPS = 200
"""Calls of models and tools in one trajectory: each model's call tells the whole history before it."""
_UNREADABLE = (TrajectoryError, TypeError, RecursionError)  # of integers beyond 64 bits, and values nested too deeply
_NO_ANSWER = "the trace has no answer"


def trial_of(request: ServedRequest, left_out: Counter[str]) -> ForeignTrial | None:
    """Return the trial; None for a request whose question is not in the trace, which is counted."""
    chats = _Chats(request, left_out)
    asked = chats.asked()
    if not asked:
        count_left(left_out, "request (without its question)")
        return None
    answered, value = chats.answer()
    response = _response(request, chats, answered, value)
    has_answer = bool(answered or response.tool_calls or value is not None)
    status = _status(request) or (ResultStatus.SUCCESS if has_answer else ResultStatus.ERROR)
    worked = status is ResultStatus.SUCCESS
    trial = ForeignTrial(
        line=request.top.place[1],
        example=Example(id="", input=asked),
        model=_model(request),
        status=status,
        request=chats.sent if len(request.calls) == 1 else (),
        response=response if has_answer else None,
        scores=_scores(request) if worked else (),
        failure="" if worked else _failure(request),
        latency_ms=_latency(request),
        started_at=_time(request.top.start_ns),
        traffic=_traffic(request, chats),
    )
    secrets = sorted({secret for span in request.spans for secret in span.secrets})
    return named(Blanking(secrets).of(trial) if secrets else trial)


def named(trial: ForeignTrial) -> ForeignTrial:
    """Name the example of a request by its content, as the same question of another day is named."""
    example = named_by_content(msgspec.structs.replace(trial.example, id=""))
    return msgspec.structs.replace(trial, example=msgspec.structs.replace(example, id=_name(example.id)))


def _name(text: str) -> str:
    """Return a name that can be stored, whatever a trace calls itself."""
    return text[:_LONGEST_NAME].replace("\0", "\ufffd")


class _Chats:
    """The chats that the spans of a request tell: `sent` is what its first call was given."""

    def __init__(self, request: ServedRequest, left_out: Counter[str]) -> None:
        self._request = request
        self._left_out = left_out
        self._entry = request.entry
        self.sent = self._read(turns(request.calls[0], "input")) if request.calls else ()
        self.entered = self._read(turns(self._entry, "input")) if self._entry else ()

    def asked(self) -> str | tuple[Message, ...]:
        """Return what was asked: the chat without instructions, as text where it is one question."""
        if self._entry is not None and not self.entered and (given := self._plain(question_of(self._entry))):
            return given
        if asked := _question(self.entered or self.sent):
            return asked
        return self._plain(question_of(self._request.calls[0])) if self._request.calls else ""

    def _plain(self, given: JsonValue) -> str | tuple[Message, ...]:
        """Return what a span was given apart from chats, which may be one all the same."""
        if is_chat(given):
            return _question(self._read(given))
        return asked_in(storable({"": given}, self._left_out, "input").get("")).strip()

    def answer(self) -> tuple[str, JsonValue]:
        """Return the answer as text, and its value where it is no text."""
        given = answer_of_span(self._entry) if self._entry is not None else None
        last = self.last
        if given is None and last is None and self._request.calls:
            given = answer_of_span(self._request.calls[-1])
        if given is None or isinstance(given, str):
            return as_words(given) or (last.text if last is not None else ""), None
        if is_chat(given):
            said = [message for message in self._read(given) if message.role == "assistant"]
            return (said[-1].text if said else ""), None
        value = storable({"": given}, self._left_out, "output").get("")
        return asked_in(value), value

    @cached_property
    def last(self) -> Message | None:
        """Return the last message that the application or its model gave."""
        spans = [*([self._entry] if self._entry is not None else []), *reversed(self._request.calls)]
        for span in spans:
            said = [message for message in self._read(turns(span, "output")) if message.role == "assistant"]
            if said:
                return said[-1]
        return None

    def steps(self) -> tuple[Message, ...]:
        """Return what the application did, where that was more than one answer."""
        request = self._request
        called = self.last is not None and self.last.tool_calls
        tools = [span for span in request.spans if kind_of(span) is SpanKind.TOOL]
        if len(request.calls) < 2 and not called and not tools:
            return ()
        if len(request.calls) + len(tools) > _MOST_STEPS:
            count_left(self._left_out, f"trajectory (of more than {_MOST_STEPS} calls)")
            return ()
        try:
            told = read_trajectory(messages_of(request.spans))
        except _UNREADABLE:
            return ()
        return tuple(message for message in told if message.role != "system")

    def _read(self, given: Sequence[Turn]) -> tuple[Message, ...]:
        """Read the messages that can be read; the others are counted."""
        read: list[Message] = []
        for turn in given:
            try:
                read += read_trajectory([turn])
            except _UNREADABLE:
                count_left(self._left_out, "message (that cannot be read)")
        return tuple(read)


def _question(chat: tuple[Message, ...]) -> str | tuple[Message, ...]:
    """Return a chat as an example asks it: without instructions, which are the prompt's; text if it is one question."""
    asked = tuple(message for message in chat if message.role != "system")
    if len(asked) == 1 and asked[0].role == "user" and isinstance(asked[0].content, str):
        return asked[0].content
    return asked if any(message.content or message.tool_calls for message in asked) else ()


def _response(request: ServedRequest, chats: _Chats, text: str, value: JsonValue) -> Response:
    last = chats.last
    documents = [document for span in request.spans for document in documents_of(span)]
    final = request.calls[-1] if request.calls else request.top
    return Response(
        text=text,
        value=value,
        finish_reason=finish_of(final),
        usage=usage_of(request.calls),
        model=final.text("gen_ai.response.model") or None,
        tool_calls=last.tool_calls if last is not None and not text else (),
        trajectory=chats.steps(),
        kept={"documents": documents} if documents else {},
    )


def _model(request: ServedRequest) -> str:
    """Return the model whose call ended the request."""
    return next((_name(model) for call in reversed(request.calls) if (model := model_of(call))), ALONE)


def _status(request: ServedRequest) -> ResultStatus | None:
    """Return how a request failed; None where it did not: a call that failed and was tried again is no failure."""
    ends = [request.top, *([request.entry] if request.entry is not None else request.calls[-1:])]
    if all(span.error is None for span in ends):
        return None
    return status_of([*ends, *request.calls[-1:]])


def _failure(request: ServedRequest) -> str:
    return next((span.error for span in (request.top, *reversed(request.spans)) if span.error), _NO_ANSWER)


def _latency(request: ServedRequest) -> float | None:
    span = request.top
    return (span.end_ns - span.start_ns) / 1e6 if span.start_ns and span.end_ns else None


def _time(nanoseconds: int) -> str | None:
    seconds = nanoseconds // 10**9
    return datetime.fromtimestamp(seconds, UTC).isoformat() if _EARLIEST <= seconds < _LATEST else None


def _scores(request: ServedRequest) -> tuple[ForeignScore, ...]:
    """Return what was evaluated while the request was served; of two results of one name the last."""
    found: dict[str, ForeignScore] = {}
    for span in request.spans:
        for name, read in span.events:
            probe = read.get("gen_ai.evaluation.name")
            if name == _EVALUATION and isinstance(probe, str) and probe:
                found[probe] = _score(_name(probe), read)
    return tuple(found.values())


def _score(probe: str, read: dict[str, JsonValue]) -> ForeignScore:
    value, label = read.get("gen_ai.evaluation.score.value"), read.get("gen_ai.evaluation.score.label")
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return ForeignScore(
        probe=probe,
        value=float(value) if is_number and value is not None else None,
        label=label if isinstance(label, str) else None,
        explanation=as_words(read.get("gen_ai.evaluation.explanation")),
    )


def _traffic(request: ServedRequest, chats: _Chats) -> Traffic:
    spans = [request.top, *request.spans]
    persons = {text for span in spans for name in _PERSONS if (text := span.text(name))}
    return Traffic(
        trace=request.top.trace,
        span=request.top.id,
        route=next((found for span in spans if (found := span.text(*_ROUTES))), request.top.name),
        template=next((found for span in spans if (found := span.text(*_TEMPLATES))), _instructions(chats)),
        conversation=request.conversation,
        feedback=next((found for span in spans if (found := _feedback(span))), ""),
        persons=tuple(sorted(persons)),
    )


def _instructions(chats: _Chats) -> str:
    """Return the instructions of the first call, which tell templates apart where none is named."""
    return "\n".join(message.text for message in chats.sent if message.role == "system")


def _feedback(span: Span) -> str:
    named = (value for name, value in span.attributes.items() if "feedback" in name or "rating" in name)
    return next((as_words(value) for value in named if isinstance(value, str | int | float)), "")
