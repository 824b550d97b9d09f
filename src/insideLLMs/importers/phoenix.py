"""Phoenix experiments, as they are downloaded as JSON (`/v1/experiments/ID/json`): a list of runs of examples."""

from collections.abc import Iterator

from insideLLMs.core.types import Example, Response, ResultStatus
from insideLLMs.importers.fields import Fields, answer_of, as_words, asked_in
from insideLLMs.importers.foreign import ForeignScore, ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile


class PhoenixLog:
    """Phoenix: an experiment downloaded as JSON"""

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether it is a list of runs of examples with annotations."""
        return {"example_id", "repetition_number", "annotations"} <= log.keys

    @staticmethod
    def trials(log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield every repetition of every example."""
        for line, value in log.rows() if log.is_lines else log.items():
            with log.reading(line):
                trial = _trial(line, Fields(value, reading.left_out, "run"))
            yield trial


def _trial(line: int, run: Fields) -> ForeignTrial:
    given, expected = run.take("input"), run.take("reference_output")
    error = as_words(run.take("error"))
    text, value = answer_of(run.take("output"), run.left_out)
    failed = bool(error) and not text
    scores = [Fields(one, run.left_out, "annotation") for one in run.items("annotations")]
    trial = ForeignTrial(
        line=line,
        example=Example(
            id=run.name("example_id") or "",
            input=asked_in(given),
            expected=() if expected in (None, {}) else (expected,),
            fields=run.rest("metadata"),
        ),
        repeat=run.repeat("repetition_number"),
        status=ResultStatus.ERROR if failed else ResultStatus.SUCCESS,
        response=None
        if failed
        else Response(text=text, value=value, usage=run.usage("prompt_token_count", "completion_token_count")),
        scores=() if failed else tuple(map(_score, scores)),
        failure=error,
        latency_ms=run.number("latency_ms"),
        started_at=run.text("start_time"),
    )
    run.drop("end_time", "trace_id", "prompt_token_count", "completion_token_count", "id", "experiment_id")
    run.close()
    return trial


def _score(annotation: Fields) -> ForeignScore:
    error = annotation.take("error")
    if error is not None:
        annotation.count_left("error")
    label = annotation.take("label")
    score = ForeignScore(
        probe=annotation.text("name") or "annotation",
        value=annotation.number("score"),
        label=None if label is None else as_words(label),
        explanation=as_words(annotation.take("explanation")),
        details=annotation.metadata("metadata"),
    )
    annotation.drop("annotator_kind", "trace_id", "start_time", "end_time")
    annotation.close()
    return score
