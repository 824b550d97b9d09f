"""Langfuse experiments (dataset runs): items of its API (`/api/public/experiment-items`), or an SDK result as JSON."""

from collections.abc import Iterator

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.types import Example, JsonValue, Response, ResultStatus
from insideLLMs.importers.fields import Fields, answer_of, as_words, asked_in, named_by_content
from insideLLMs.importers.foreign import ALONE, ForeignScore, ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile

_API = frozenset({"experimentItemId", "experimentName"})
_SDK = ("item_results", "itemResults")


class LangfuseLog:
    """Langfuse: experiment items of its API as .json or .jsonl, or an SDK's experiment result as .json"""

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether it has items of an experiment: a list, a page of the API, lines, or results of the SDK."""
        if log.keys >= _API or any(name in log.keys for name in _SDK):
            return True
        first = next(log.items("data"), (0, None))[1] if {"data", "meta"} <= log.keys and not log.is_lines else None
        return isinstance(first, dict) and first.keys() >= _API

    @staticmethod
    def trials(log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield every item. Raises DatasetError for a page of the API that another follows."""
        sdk = next((name for name in _SDK if name in log.keys), None)
        if sdk is not None:
            model = as_words(log.section("run_name") or log.section("runName") or log.section("name")) or ALONE
            rows = log.items(sdk)
        else:
            rows = log.rows() if log.is_lines else log.items(*(["data"] if "data" in log.keys else []))
            _check_whole(log, reading)
        for line, value in rows:
            with log.reading(line):
                item = Fields(value, reading.left_out, "item")
                trial = _of_api(line, item) if sdk is None else _of_sdk(line, item, model)
            yield trial


def _check_whole(log: LogFile, reading: Reading) -> None:
    meta = log.section("meta") if "meta" in log.keys and not log.is_lines else None
    if isinstance(meta, dict) and (meta.get("cursor") or meta.get("nextCursor")):
        reading.check_finished(log, "it is one page of several; put the items of all into one list")


def _of_api(line: int, item: Fields) -> ForeignTrial:
    if item.peek("input") is None and item.peek("output") is None:
        raise DatasetError("has neither input nor output", fix="fetch the items with fields=io,scores,itemMetadata")
    expected = item.take("expectedOutput")
    level = item.text("level")
    text, value = answer_of(item.take("output"), item.left_out)
    failed = level == "ERROR" and not text
    scores = [Fields(one, item.left_out, "score") for one in item.items("scores")]
    trial = ForeignTrial(
        line=line,
        example=Example(
            id=item.text("experimentItemId") or "",
            input=asked_in(item.take("input")),
            expected=() if expected is None else (expected,),
            fields=item.rest("experimentItemMetadata"),
        ),
        dataset=item.text("experimentDatasetId") or ALONE,
        model=item.text("experimentName") or ALONE,
        status=ResultStatus.ERROR if failed else ResultStatus.SUCCESS,
        response=None if failed else Response(text=text, value=value),
        scores=() if failed else tuple(map(_score, scores)),
        failure="Langfuse marked the item as an error" if failed else "",
        started_at=item.text("startTime"),
    )
    item.drop(
        "id", "traceId", "endTime", "environment", "experimentId", "experimentItemVersion", "experimentMetadata",
        "experimentDescription",
    )  # fmt: skip
    item.close()
    return trial


def _of_sdk(line: int, result: Fields, model: str) -> ForeignTrial:
    item = result.inner("item")
    expected = item.take("expected_output", "expectedOutput")
    name = item.text("id")
    example = Example(
        id=name or "",
        input=asked_in(item.take("input")),
        expected=() if expected is None else (expected,),
        fields=item.metadata("metadata"),
    )
    text, value = answer_of(result.take("output"), result.left_out)
    scores = [Fields(one, result.left_out, "score") for one in result.items("evaluations")]
    trial = ForeignTrial(
        line=line,
        example=example if name else named_by_content(example),
        model=model,
        response=Response(text=text, value=value),
        scores=tuple(map(_score, scores)),
    )
    result.drop("trace_id", "traceId", "dataset_run_id", "datasetRunId", "experiment_id", "experimentId", "input")
    result.close()
    return trial


def _score(score: Fields) -> ForeignScore:
    """Return a score by its kind: a verdict, a number, or a word."""
    kind, given = score.text("dataType", "data_type"), score.take("value")
    is_verdict = kind == "BOOLEAN" or isinstance(given, bool)
    name, metadata = score.text("name") or "score", score.metadata("metadata")
    number = None if is_verdict or isinstance(given, str | None) else _number(given, score)
    told = ForeignScore(
        probe=name,
        passed=bool(given) if is_verdict and given is not None else None,
        value=number,
        label=given if isinstance(given, str) else None,
        explanation=as_words(score.take("comment")),
        details=metadata,
    )
    score.drop(
        "id", "projectId", "source", "timestamp", "environment", "createdAt", "updatedAt", "configId", "config_id",
        "authorUserId", "queueId", "subject", "stringValue", "traceId", "observationId",
    )  # fmt: skip
    score.close()
    return told


def _number(given: JsonValue, score: Fields) -> float | None:
    return Fields({"value": given}, score.left_out, score.path).number("value")
