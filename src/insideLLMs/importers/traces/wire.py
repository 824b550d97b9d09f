"""Documents with traces -> spans: OTLP JSON, Tempo's and Jaeger's answers, spans as SDKs print and Phoenix lists them.

Names are read as protobuf's JSON writes them and with underscores, ids as hex and as Base64. What a document holds
beside spans, such as metrics, is passed over; records of logs that name a span become part of it.
"""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from insideLLMs.core.types import JsonValue
from insideLLMs.importers.fields import count_left
from insideLLMs.importers.traces.attributes import TrafficAttributes
from insideLLMs.trajectories.attributes import Attributes
from insideLLMs.trajectories.span import Event, Place, Span, nanoseconds

Given = Mapping[str, Any]  # a JSON object
OTLP = frozenset({"resourceSpans", "resource_spans", "batches"})
_LEAVES = ("spans", "logRecords", "log_records")
_HOLDERS = (
    *("resourceSpans", "resource_spans", "batches", "resourceLogs", "resource_logs", "data", "trace"),
    *("scopeSpans", "scope_spans", "instrumentationLibrarySpans", "scopeLogs", "scope_logs", *_LEAVES),
)
_DEEPEST = 6
_FAILED = {2, "2", "STATUS_CODE_ERROR", "ERROR", "Error", "error"}
_HEX = re.compile(r"[0-9a-f]+")
_LONGEST_ID = 128
_MOST_NS = 1 << 63
_COLUMNS = "attributes."
"""What the columns of attributes begin with where spans were exported as a table."""


class SpanReader:
    """Yields the spans of documents; what cannot be read of them is counted in `left_out`."""

    def __init__(self, left_out: Counter[str]) -> None:
        self.left_out = left_out
        self._attributes = TrafficAttributes(left_out)

    def spans(self, document: object, place: Place) -> Iterator[Span]:
        """Yield every span of a document, in its order."""
        for item, service in _items(document, "", 0):
            span = self._span(item, service, place)
            if span is not None:
                yield span

    def _span(self, given: Given, service: str, place: Place) -> Span | None:
        context = given.get("context")
        inner: Given = context if isinstance(context, dict) else given
        trace = _id(_first(inner, "traceId", "trace_id", "traceID", "context.trace_id"), 32)
        name = _id(_first(inner, "spanId", "span_id", "spanID", "context.span_id"), 16)
        if not trace or not name:
            count_left(self.left_out, "span (without ids)")
            return None
        if _is_log(given):
            return Span(trace, name, "", events=(self._log_event(given),), place=place)
        attributes = self._attributes.read(_attributes_of(given))
        if service:
            attributes.setdefault("service.name", service)
        start, end = self._times(given)
        events = tuple(self._events(given))
        return Span(
            trace=trace,
            id=name,
            parent=_parent(given),
            name=_words(_first(given, "name", "operationName")) or "span",
            start_ns=start,
            end_ns=end,
            error=_error(given, attributes, events),
            attributes=attributes,
            events=events,
            secrets=self._attributes.take_secrets(),
            place=place,
        )

    def _events(self, given: Given) -> Iterator[Event]:
        listed = _first(given, "events", "logs")
        for event in listed if isinstance(listed, list) else ():
            if isinstance(event, dict):
                attributes = self._attributes.read(_first(event, "attributes", "fields"))
                yield _words(event.get("name")) or _words(attributes.get("event.name")), attributes

    def _log_event(self, given: Given) -> Event:
        attributes = self._attributes.read(given.get("attributes"))
        body = self._attributes.plain(given.get("body"))
        if isinstance(body, dict):
            attributes = {**attributes, **{f"body.{name}": value for name, value in body.items()}}
        return _words(_first(given, "eventName", "event_name")) or _words(attributes.get("event.name")), attributes

    def _times(self, given: Given) -> tuple[int, int]:
        """Return start and end; Jaeger writes microseconds and a duration, SDKs write dates."""
        start = nanoseconds(_first(given, "startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime"))
        end = nanoseconds(_first(given, "endTimeUnixNano", "end_time_unix_nano", "end_time", "endTime"))
        if "operationName" in given:
            start, duration = 1000 * start, given.get("duration")
            end = start + 1000 * duration if isinstance(duration, int) and duration >= 0 else start
        if not 0 <= start < _MOST_NS or not 0 <= end < _MOST_NS or (end and end < start):
            count_left(self.left_out, "span (with times that cannot be)")
            return 0, 0
        return start, end


def _items(document: object, service: str, depth: int, *, listed: bool = False) -> Iterator[tuple[Given, str]]:
    """Yield what may be spans or records of logs, with the name of the service that they are of."""
    if isinstance(document, list):
        for item in document:
            yield from _items(item, service, depth, listed=listed)
    elif isinstance(document, dict):
        inner = [name for name in _HOLDERS if name in document] if depth < _DEEPEST else []
        if listed or _is_span(document) or not inner:
            yield from [(document, service)] if listed or _is_span(document) else []
            return
        resource = document.get("resource")
        service = (_service(resource) if isinstance(resource, dict) else "") or service
        for name in inner:
            yield from _items(document[name], service, depth + 1, listed=name in _LEAVES)


def _is_span(given: Given) -> bool:
    if isinstance(given.get("context"), dict):
        return "name" in given
    return any(name in given for name in ("spanId", "span_id", "spanID", "context.span_id")) and not _is_log(given)


def _is_log(given: Given) -> bool:
    return "body" in given or "eventName" in given or "severityNumber" in given


def _service(resource: Given) -> str:
    pairs = resource.get("attributes")
    named = pairs if isinstance(pairs, dict) else Attributes().read(pairs)
    return _words(named.get("service.name"))


def _attributes_of(given: Given) -> object:
    """Return where attributes stand: in a list or object of their own, or in columns of a table."""
    own = _first(given, "attributes", "tags")
    if own is not None:
        return own
    return {name.removeprefix(_COLUMNS): value for name, value in given.items() if name.startswith(_COLUMNS)}


def _parent(given: Given) -> str:
    found = _id(_first(given, "parentSpanId", "parent_span_id", "parentSpanID", "parent_id"), 16)
    references = given.get("references")
    for reference in references if isinstance(references, list) and not found else ():
        if isinstance(reference, dict) and reference.get("refType") == "CHILD_OF":
            return _id(reference.get("spanID"), 16)
    return found


def _error(given: Given, attributes: Given, events: tuple[Event, ...]) -> str | None:
    """Return the words of a span that failed; None where it did not."""
    status = given.get("status")
    status = status if isinstance(status, dict) else given
    code = _first(status, "code", "status_code")
    kind = _words(attributes.get("error.type"))
    if not kind and not (isinstance(code, int | str) and code in _FAILED) and not _failed_in_jaeger(given.get("tags")):
        return None
    raised = (_words(read.get("exception.message")) for name, read in events if name == "exception")
    return _words(_first(status, "message", "description", "status_message")) or next(filter(None, raised), "") or kind


def _failed_in_jaeger(tags: object) -> bool:
    pairs = (
        [(tag.get("key"), tag.get("value")) for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    )
    return any(pair in (("error", True), ("error", "true"), ("otel.status_code", "ERROR")) for pair in pairs)


def _first(given: Given, *names: str) -> JsonValue:
    """Return the first of these that is there."""
    for name in names:
        value = given.get(name)
        if value is not None:
            return value
    return None


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def _id(given: object, digits: int) -> str:
    """Return an id as lower-case hex of its full length; as it is where it is no hex; "" for none or all zeros."""
    if isinstance(given, str) and len(given) == digits and _HEX.fullmatch(given) and given.strip("0"):
        return given
    text = str(given).strip() if isinstance(given, str | int) and not isinstance(given, bool) else ""
    plain = text.lower().removeprefix("0x")
    if len(text) != digits and text.endswith("="):
        plain = _from_base64(text) or plain
    if not _HEX.fullmatch(plain):
        return text[:_LONGEST_ID]
    return plain.rjust(digits, "0")[:_LONGEST_ID] if plain.strip("0") else ""


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""
