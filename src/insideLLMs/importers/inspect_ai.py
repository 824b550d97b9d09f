"""inspect_ai's logs: a zip with one entry per sample and epoch, or one JSON document (log format 2)."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from insideLLMs.core.types import Example, JsonValue, Message, Response, ResultStatus
from insideLLMs.importers.fields import Fields, as_words, is_chat, usage
from insideLLMs.importers.foreign import ForeignScore, ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile

_SAMPLE = re.compile(r"samples/.+_epoch_\d+\.json")
_HEADERS = ("header.json", "_journal/start.json")
_GRADES: dict[object, float] = {
    "C": 1.0,
    "I": 0.0,
    "P": 0.5,
    "N": 0.0,
    "yes": 1.0,
    "true": 1.0,
    "no": 0.0,
    "false": 0.0,
}
"""What inspect_ai's own metrics count a grade as: correct, incorrect, partly correct, no answer."""
_REASONS = {"max_tokens": "length", "model_length": "length"}
_ATTACHED = "attachment://"


@dataclass(frozen=True, slots=True)
class _Header:
    task: str
    model: str
    status: str
    samples: int | None


class InspectLog:
    """inspect_ai: .eval, and .json of the same"""

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether it is a zip with samples, or a document with `eval` and `plan`."""
        if log.entries is not None:
            return any(name in log.entries.names for name in _HEADERS)
        return {"eval", "plan", "status"} <= log.keys

    @staticmethod
    def trials(log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield every sample of every epoch."""
        header = _header(log, reading)
        count = 0
        for line, value in _samples(log):
            with log.reading(line):
                trial = _trial(line, Fields(value, reading.left_out, "sample"), header)
            count += 1
            yield trial
        problem = f"it ended as {header.status!r}" if header.status != "success" else None
        if problem is None and header.samples not in {None, count}:
            problem = f"it has {count:,} of {header.samples:,} samples"
        reading.check_finished(log, problem)


def _samples(log: LogFile) -> Iterator[tuple[int, JsonValue]]:
    if log.entries is None:
        yield from log.items("samples")
        return
    for line, name in enumerate(log.entries.names):
        if _SAMPLE.fullmatch(name):
            yield line, log.entries.read(name)


def _header(log: LogFile, reading: Reading) -> _Header:
    if log.entries is not None:
        name = next(name for name in _HEADERS if name in log.entries.names)
        whole = Fields(log.entries.read(name), reading.left_out, "log")
    else:
        whole = Fields({key: log.section(key) for key in ("status", "eval", "results")}, reading.left_out, "log")
    told = whole.inner("eval")
    return _Header(
        task=told.text("task") or "task",
        model=told.text("model") or "model",
        status=whole.text("status") or "started",
        samples=whole.inner("results").count("total_samples"),
    )


def _trial(line: int, sample: Fields, header: _Header) -> ForeignTrial:
    attachments = sample.take("attachments")
    error = sample.take("error")
    asked = _resolve(sample.take("input"), attachments)
    messages = sample.read_chat(_resolve(sample.items("messages"), attachments), "message")
    response, latency_ms = _response(sample, header)
    target = sample.take("target")
    example = Example(
        id=sample.name("id") or "",
        input=sample.read_chat(asked, "input") if is_chat(asked) else as_words(asked),
        expected=tuple(target) if isinstance(target, list) else () if target in (None, "") else (target,),
        fields={**sample.metadata("metadata"), **sample.rest("choices")},
    )
    trial = ForeignTrial(
        line=line,
        example=example,
        dataset=header.task,
        model=header.model,
        repeat=sample.repeat("epoch"),
        status=ResultStatus.ERROR if error is not None else ResultStatus.SUCCESS,
        request=_request(messages, example),
        response=response if error is None or response.text else None,
        scores=tuple(_scores(sample)) if error is None else (),
        failure=as_words(error.get("message") if isinstance(error, dict) else error),
        latency_ms=latency_ms,
        started_at=sample.text("started_at"),
    )
    sample.drop(
        "uuid", "completed_at", "total_time", "working_time", "turn_count", "events_data", "message_count",
        "model_usage", "timelines", "role_usage",
    )  # fmt: skip
    sample.close()
    return trial


def _resolve(value: JsonValue, attachments: JsonValue) -> JsonValue:
    """Put the texts and images back that a log keeps apart from its messages."""
    if isinstance(value, str) and value.startswith(_ATTACHED) and isinstance(attachments, dict):
        return attachments.get(value.removeprefix(_ATTACHED), value)
    if isinstance(value, dict):
        return {key: _resolve(item, attachments) for key, item in value.items()}
    return [_resolve(item, attachments) for item in value] if isinstance(value, list) else value


def _request(messages: tuple[Message, ...], example: Example) -> tuple[Message, ...]:
    """Return what the model was asked last: all before its answer; nothing where that is the input as it stands."""
    asked = messages[:-1] if messages and messages[-1].role == "assistant" else messages
    return () if asked == example.request().messages else asked


def _response(sample: Fields, header: _Header) -> tuple[Response, float | None]:
    output = sample.inner("output")
    choices = output.items("choices")
    first = Fields(choices[0] if choices else {}, sample.left_out, "choice")
    used = sample.peek("model_usage")
    own = used.get(header.model) if isinstance(used, Mapping) else None
    reason = first.text("stop_reason")
    limit = sample.take("limit")
    if isinstance(limit, dict):
        reason = f"limit: {as_words(limit.get('type'))}"
    seconds = output.number("time")
    message = first.inner("message")
    response = Response(
        text=as_words(output.take("completion")),
        finish_reason=_REASONS.get(reason or "", reason),
        usage=usage(Fields(own or output.take("usage") or {}, sample.left_out, "usage")),
        model=output.text("model"),
        reasoning=_reasoning(message.take("content")),
        tool_calls=message.tool_calls(),
    )
    return response, None if seconds is None else 1000 * seconds


def _reasoning(content: JsonValue) -> str | None:
    parts = [part.get("reasoning") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "\n".join(as_words(part) for part in parts if part) or None


def _scores(sample: Fields) -> Iterator[ForeignScore]:
    scores = sample.objects("scores")
    for scorer, value in scores.items():
        score = Fields(value, sample.left_out, "score")
        given, answer = score.take("value"), score.take("answer")
        explanation, details = as_words(score.take("explanation")), score.rest("metadata")
        for name, one in given.items() if isinstance(given, dict) else [("", given)]:
            yield ForeignScore(
                probe=f"{scorer}/{name}" if name else scorer,
                value=_number(one, score),
                label=None if answer is None else as_words(answer),
                explanation=explanation,
                details=details,
            )
        score.drop("history")
        score.close()


def _number(grade: JsonValue, score: Fields) -> float | None:
    """Return what a grade counts as; None for one that its scorer did not give (NaN), or that is no number."""
    if isinstance(grade, bool | int | float):
        return None if math.isnan(grade) else float(grade)
    found = _GRADES.get(grade) if isinstance(grade, str) else None
    if found is None and isinstance(grade, str):
        try:
            found = float(grade)
        except ValueError:
            score.count_left("value (no number)")
    elif found is None and grade is not None:
        score.count_left("value (no number)")
    return found
