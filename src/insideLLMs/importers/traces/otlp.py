"""Traces of an application in production: one trial per request, joined from spans in whatever order and files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.foreign_json import decode
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.source import COMPRESSED
from insideLLMs.importers.fields import count_left
from insideLLMs.importers.foreign import ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile
from insideLLMs.importers.traces.requests import requests_of
from insideLLMs.importers.traces.store import SpanStore
from insideLLMs.importers.traces.trial import trial_of
from insideLLMs.importers.traces.wire import OTLP, SpanReader

_ANY_OF = OTLP | {"resourceLogs", "resource_logs", "resourceMetrics", "resource_metrics", "context.trace_id"}
_ALL_OF = (
    *({"context", "attributes"}, {"traceID", "spans"}),
    *({"traceId", "spanId", "startTimeUnixNano"}, {"trace_id", "span_id", "start_time_unix_nano"}),
)
_PACKED = 8
"""How often its size a compressed file unpacks to, about."""
_TELL_EVERY = 500_000_000
_FIX = "export the traces again, or add --unfinished to leave out damaged lines"


class OtlpLog:
    """OpenTelemetry traces: OTLP JSON or JSON lines, as .gz or .zst too, a folder of them; of Tempo, Jaeger, Phoenix"""

    def __init__(self) -> None:
        self._store: SpanStore | None = None

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether it holds spans: a batch of OTLP, a trace of Jaeger or Tempo, or a list of spans."""
        if log.keys & _ANY_OF or any(each <= log.keys for each in _ALL_OF):
            return True
        if log.is_lines or not log.keys & {"data", "trace"}:
            return False
        first = next(log.items("data"), (0, None))[1] if "data" in log.keys else log.section("trace")
        return isinstance(first, dict) and bool(first.keys() & (OTLP | {"traceID", "context"}))

    def trials(self, log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield the requests of one file."""
        yield from (trial for _, trial in self.gathered([log], reading))

    def gathered(
        self, logs: Sequence[LogFile], reading: Reading, wanted: Callable[[int], bool] | None = None
    ) -> Iterator[tuple[int, ForeignTrial]]:
        """Yield every request of all files with the number of the file where it began.

        The files are read once, and their spans put aside by trace. `wanted` says of the number of a trace whether
        it is read.
        """
        if self._store is None:
            self._store = _put_aside(logs, reading)
        for spans in self._store.traces(reading.left_out, wanted):
            requests = list(requests_of(spans, reading.left_out, each_call=reading.each_call))
            if not requests:
                count_left(reading.left_out, "trace (without a call of a model)")
            for request in requests:
                trial = trial_of(request, reading.left_out)
                if trial is not None:
                    yield request.top.place[0], trial


def _put_aside(logs: Sequence[LogFile], reading: Reading) -> SpanStore:
    sizes = ((log.path.stat().st_size, log.path.suffix.lower() in COMPRESSED) for log in logs)
    store = SpanStore(sum(size * (_PACKED if is_packed else 1) for size, is_packed in sizes))
    reader = SpanReader(reading.left_out)
    size = 0
    for number, log in enumerate(logs):
        for line, text in log.texts():
            for span in reader.spans(_decoded(log, line, text, reading), (number, line)):
                store.add(span, reading.left_out)
            told, size = size // _TELL_EVERY, size + len(text)
            if reading.tell is not None and size // _TELL_EVERY > told:
                reading.tell(f"read {size / 1e9:.1f} GB")
        log.release()
    return store


def _decoded(log: LogFile, line: int, text: bytes, reading: Reading) -> JsonValue:
    """Decode a line; None for one that is damaged and may be left out. Raises DatasetError."""
    try:
        with log.reading(line), _translated():
            return decode(text)
    except DatasetError as error:
        if not reading.unfinished:
            raise DatasetError(error.message, fix=_FIX) from error
        reading.note(f"left out as damaged: {error.message}")
        return None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise DatasetError("is not valid UTF-8") from error
    except RecursionError as error:
        raise DatasetError("is nested too deeply") from error
    except ValueError as error:
        raise DatasetError(f"is not valid JSON: {error}") from error
