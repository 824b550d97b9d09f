"""deepeval's test runs: the JSON file that it writes to its results folder."""

import re
from collections.abc import Iterator

from insideLLMs.core.types import Example, JsonValue, Message, Response, ToolCall
from insideLLMs.importers.fields import Fields, as_words, named_by_content
from insideLLMs.importers.foreign import ALONE, ForeignScore, ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile

_NUMBERED = re.compile(r"(?:conversational_)?test_case_\d+")
_CASES = ("testCases", "conversationalTestCases")


class DeepevalLog:
    """deepeval: test_run_*.json of its results folder"""

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether it is a document with test cases and the scores of metrics."""
        return not log.is_lines and {"testCases", "metricsScores"} <= log.keys

    @staticmethod
    def trials(log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield every test case, of one turn and of several."""
        settings = log.section("hyperparameters")
        model = settings.get("model") if isinstance(settings, dict) else None
        for cases in _CASES:
            for line, value in log.items(cases):
                with log.reading(line):
                    case = Fields(value, reading.left_out, "case")
                    trial = _trial(line, case, model if isinstance(model, str) and model else ALONE)
                yield trial


def _trial(line: int, case: Fields, model: str) -> ForeignTrial:
    turns = case.read_chat(case.items("turns"), "turn")
    name = case.text("name") or ""
    asked = as_words(case.take("input", "scenario")) or next((turn.text for turn in turns), "")
    expected = case.take("expectedOutput", "expectedOutcome")
    example = Example(
        id=name,
        input=asked,
        expected=() if expected is None else (expected,),
        fields=case.rest("context", "metadata", "tags", "expectedTools", "userDescription"),
    )
    seconds = case.number("completionTime")
    trial = ForeignTrial(
        line=line,
        example=named_by_content(example) if not name or _NUMBERED.fullmatch(name) else example,
        model=model,
        request=turns[:-1] if turns and turns[-1].role == "assistant" else (),
        response=_response(case, turns),
        scores=tuple(_score(Fields(one, case.left_out, "metric")) for one in case.items("metricsData")),
        latency_ms=None if seconds is None else 1000 * seconds,
    )
    case.drop("success", "runDuration", "order", "flaky", "evaluationCost", "tokenCost")
    case.close()
    return trial


def _response(case: Fields, turns: tuple[Message, ...]) -> Response:
    """Return the answer; what was retrieved for it is kept beside it, since it is not part of the question."""
    answered = turns[-1].text if turns and turns[-1].role == "assistant" else ""
    calls = [Fields(one, case.left_out, "call") for one in case.items("toolsCalled")]
    return Response(
        text=as_words(case.take("actualOutput")) or answered,
        usage=case.usage("inputTokenCount", "outputTokenCount"),
        tool_calls=tuple(_call(call) for call in calls),
        kept=case.rest("retrievalContext"),
    )


def _call(call: Fields) -> ToolCall:
    given: JsonValue = call.rest("inputParameters", "input_parameters")
    made = ToolCall(name=call.text("name") or "tool", arguments=next(iter(given.values()), {}) or {})
    call.close()
    return made


def _score(metric: Fields) -> ForeignScore:
    """Return a metric's number and verdict, by its own threshold; neither where it could not be computed."""
    error = as_words(metric.take("error"))
    score = ForeignScore(
        probe=metric.text("name") or "metric",
        value=metric.number("score"),
        passed=None if error else metric.flag("success"),
        explanation=as_words(metric.take("reason")),
        details=metric.rest("threshold", "evaluationModel"),
    )
    if error:
        metric.count_left("error")
    metric.drop(
        "success", "strictMode", "flaky", "evaluationCost", "verboseLogs", "inputTokenCount", "outputTokenCount"
    )
    metric.close()
    return score
