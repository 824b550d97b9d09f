"""pydantic-evals' reports, as `EvaluationReportAdapter.dump_json` writes them."""

import re
from collections.abc import Iterator

from insideLLMs.core.types import Example, Response, ResultStatus
from insideLLMs.importers.fields import Fields, answer_of, as_words, named_by_content
from insideLLMs.importers.foreign import ForeignScore, ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile

_REPEAT = re.compile(r" \[(\d+)/\d+\]$")
_NUMBERED = re.compile(r"Case \d+")


class PydanticEvalsLog:
    """pydantic-evals: a report as EvaluationReportAdapter.dump_json writes it"""

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether it is a document with cases and failures."""
        return not log.is_lines and {"name", "cases", "failures"} <= log.keys

    @staticmethod
    def trials(log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield every case, then every failure."""
        model, dataset = (as_words(log.section(name)) for name in ("name", "dataset_name"))
        for section in ("cases", "failures"):
            for line, value in log.items(section):
                with log.reading(line):
                    case = Fields(value, reading.left_out, section.removesuffix("s"))
                    trial = _trial(line, case, model or "task", dataset or "cases", failed=section == "failures")
                yield trial


def _trial(line: int, case: Fields, model: str, dataset: str, *, failed: bool) -> ForeignTrial:
    given, source = case.text("name") or "", case.text("source_case_name")
    asked, expected = case.take("inputs"), case.take("expected_output")
    name = source or given
    example = Example(
        id=name,
        input=as_words(asked),
        expected=() if expected is None else (expected,),
        fields=case.metadata("metadata"),
    )
    found = _REPEAT.search(given) if source else None
    seconds = case.number("task_duration")
    trial = ForeignTrial(
        line=line,
        example=named_by_content(example) if not name or _NUMBERED.fullmatch(name) else example,
        dataset=dataset,
        model=model,
        repeat=int(found[1]) - 1 if found else None,
        status=ResultStatus.ERROR if failed else ResultStatus.SUCCESS,
        response=None if failed else _response(case),
        scores=() if failed else tuple(_scores(case)),
        failure=as_words(case.take("error_message")),
        latency_ms=None if seconds is None else 1000 * seconds,
    )
    case.drop("total_duration", "trace_id", "span_id", "error_stacktrace", "error_type")
    case.close()
    return trial


def _response(case: Fields) -> Response:
    used = case.inner("metrics")
    tokens = used.usage("input_tokens", "output_tokens")
    kept = {"metrics": used.rest(), "attributes": case.inner("attributes").rest()}
    text, value = answer_of(case.take("output"), case.left_out)
    return Response(text=text, value=value, usage=tokens, kept={name: one for name, one in kept.items() if one})


def _scores(case: Fields) -> Iterator[ForeignScore]:
    for kind in ("assertions", "scores", "labels"):
        for name, value in case.objects(kind).items():
            result = Fields(value, case.left_out, kind)
            yield ForeignScore(
                probe=name,
                passed=result.flag("value") if kind == "assertions" else None,
                value=result.number("value") if kind == "scores" else None,
                label=as_words(result.take("value")) if kind == "labels" else None,
                explanation=as_words(result.take("reason")),
            )
            result.drop("name", "source", "evaluator_version")
            result.close()
