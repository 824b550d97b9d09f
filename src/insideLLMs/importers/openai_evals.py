"""OpenAI evals' event logs (`oaieval`), one event a line: the events of a sample stand anywhere in the file."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.types import Example, JsonValue, Message, Response, ResultStatus
from insideLLMs.importers.fields import Fields, as_words, is_chat, usage
from insideLLMs.importers.foreign import ForeignScore, ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile


@dataclass(slots=True)
class _Sample:
    """What was seen of a sample: its events by type, the line of the first, and how many are still to come."""

    line: int
    left: int
    events: dict[str, list[JsonValue]] = field(default_factory=dict)


class OpenAIEvalsLog:
    """OpenAI evals: the .jsonl of events that oaieval records"""

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether it begins with the `spec` of an eval."""
        return log.is_lines and log.keys == {"spec"}

    @staticmethod
    def trials(log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield a sample when all of its events were seen."""
        overview = _overview(log)
        reading.check_finished(log, overview.problem)
        samples: dict[str, _Sample] = {}
        for line, row in log.rows():
            with log.reading(line):
                event = Fields(row, Counter(), "event")
                name = event.text("sample_id")
                if name is None:
                    continue
                sample = samples.setdefault(name, _Sample(line, overview.events[name]))
                sample.events.setdefault(event.text("type") or "event", []).append(event.take("data"))
                sample.left -= 1
            if sample.left == 0:
                del samples[name]
                with log.reading(sample.line):
                    trial = _trial(name, sample, overview, reading)
                yield trial


@dataclass(slots=True)
class _Overview:
    """What a first look at a log finds: the eval, its model, how many events each sample has, and its report."""

    name: str = "eval"
    model: str = "model"
    events: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    reported_tokens: int | None = None
    is_finished: bool = False

    @property
    def problem(self) -> str | None:
        """What says that events are missing."""
        if not self.is_finished:
            return "it has no final report"
        if self.reported_tokens not in {None, self.tokens}:
            return f"its final report counts {self.reported_tokens:,} tokens, its events {self.tokens:,}"
        return None


def _overview(log: LogFile) -> _Overview:
    found = _Overview()
    for line, row in log.rows():
        with log.reading(line):
            event = Fields(row, Counter(), "event")
            report = event.take("final_report")
            if report is not None:
                found.is_finished = True
                found.reported_tokens = Fields(report, Counter(), "report").count("usage_total_tokens")
            name = event.text("sample_id")
            found.events.update([name] if name is not None else [])
            given = event.inner("spec")
            found.name = given.text("base_eval", "eval_name") or found.name
            found.model = ",".join(map(as_words, given.items("completion_fns"))) or found.model
            data = event.take("data")
            if isinstance(data, dict) and isinstance(data.get("usage"), dict) and event.take("type") == "sampling":
                found.tokens += Fields(data["usage"], Counter(), "usage").count("total_tokens") or 0
    return found


def _trial(name: str, sample: _Sample, overview: _Overview, reading: Reading) -> ForeignTrial:
    events = {
        kind: [Fields(one or {}, reading.left_out, kind) for one in found] for kind, found in sample.events.items()
    }
    matches, errors = events.pop("match", []), events.pop("error", [])
    sampled = events.pop("sampling", [])
    for earlier in sampled[:-1]:
        earlier.count_left("(before the last)")
    asked, response = _response(sampled, matches)
    expected = [one.take("expected") for one in matches]
    scores = (*_verdicts(matches), *_metrics(events.pop("metrics", [])))
    for kind, others in events.items():
        if kind != "raw_sample":
            for other in others:
                other.close()
    answered = bool(sampled or matches) and not (errors and not scores)
    example = Example(id=name, input=asked, expected=tuple(_accepted(expected)))
    return ForeignTrial(
        line=sample.line,
        example=example,
        dataset=overview.name,
        model=overview.model,
        repeat=0,
        status=ResultStatus.SUCCESS if answered else ResultStatus.ERROR,
        response=response if answered else None,
        scores=scores if answered else (),
        failure="; ".join(as_words(one.take("message", "error")) for one in errors),
    )


def _response(sampled: list[Fields], matches: list[Fields]) -> tuple[str | tuple[Message, ...], Response]:
    """Return what was asked last, and the answer: where no call was recorded, what was matched."""
    if not sampled:
        picked = next((one.peek("sampled") or one.peek("picked") for one in matches), "")
        return "", Response(text=as_words(picked))
    last = sampled[-1]
    prompt, answer = last.take("prompt"), last.take("sampled")
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    response = Response(text=as_words(answer), model=last.text("model"), usage=usage(last.inner("usage")))
    last.close()
    return (last.read_chat(prompt, "prompt") if is_chat(prompt) else as_words(prompt)), response


def _accepted(expected: list[JsonValue]) -> list[JsonValue]:
    first = expected[0] if expected else None
    return first if isinstance(first, list) else [] if first is None else [first]


def _verdicts(matches: list[Fields]) -> Iterator[ForeignScore]:
    for number, match in enumerate(matches):
        picked = match.take("picked")
        passed = match.flag("correct")
        match.drop("sampled", "options", "score")
        details = match.rest()
        yield ForeignScore(
            probe="match" if not number else f"match {number + 1}",
            passed=passed,
            label=as_words(picked) if picked is not None else None,
            details=details,
        )


def _metrics(metrics: list[Fields]) -> Iterator[ForeignScore]:
    """Yield each number; words beside them, such as the choice of a model that graded, belong to each."""
    found: dict[str, ForeignScore] = {}
    for one in metrics:
        values = one.rest()
        words = {key: value for key, value in values.items() if not isinstance(value, bool | int | float)}
        for key, value in values.items():
            if key in found:
                raise DatasetError(f"metric {key!r} is recorded twice for one sample")
            if key not in words:
                passed = value if isinstance(value, bool) else None
                number = None if isinstance(value, bool) else float(value)
                found[key] = ForeignScore(probe=key, value=number, passed=passed, details=words)
        if words and len(words) == len(values):
            found.update({key: ForeignScore(probe=key, label=as_words(value)) for key, value in words.items()})
    yield from found.values()
