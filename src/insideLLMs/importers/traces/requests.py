"""The spans of one trace -> the requests that it served, each with the calls of models that it took."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from insideLLMs.importers.fields import count_left
from insideLLMs.importers.traces.calls import is_apart
from insideLLMs.importers.traces.nesting import Nesting
from insideLLMs.trajectories.span import Span, SpanKind, kind_of

_CONVERSATIONS = (
    "gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id",
    "traceloop.association.properties.chat_id",
)  # fmt: skip

_ENTRIES = (
    "input.value", "traceloop.entity.input", "gen_ai.input.messages", "pydantic_ai.all_messages", "ai.prompt",
    "all_messages_events",
)  # fmt: skip


class ServedRequest(NamedTuple):
    """One request: its outermost span, all its spans in the order of time, and its calls.

    `entry` is the outermost span around all calls that tells what was asked, None where only calls do.
    """

    top: Span
    spans: list[Span]
    calls: list[Span]
    entry: Span | None

    @property
    def conversation(self) -> str:
        """The id of the conversation that the request belongs to; "" if the trace names none."""
        return next((found for span in self.spans if (found := span.text(*_CONVERSATIONS))), "")


def requests_of(spans: Sequence[Span], left_out: Counter[str], *, each_call: bool) -> Iterator[ServedRequest]:
    """Yield the requests of a trace: one for each outermost span, or with `each_call` for each call of a model.

    Spans whose parents are missing belong together where they share a conversation or a missing parent.
    """
    known = {span.id: span for span in _merged(spans, left_out)}
    nesting = Nesting(known)
    called = [name for name, span in known.items() if kind_of(span) is SpanKind.CALL and not is_apart(span)]
    calls_within = nesting.counted(called)
    inner = {name for name in called if calls_within[name] == 1}  # two spans may tell of one call: the inner is nearer
    inner_within = nesting.counted(inner)
    for group in _groups(known, nesting.outermost(), left_out):
        calls = [span for span in group if span.id in inner]
        if each_call:
            yield from (ServedRequest(call, [call], [call], None) for call in calls)
        else:
            top = next((span for span in group if not span.parent), group[0])
            entry = _entry(span for span in group if inner_within[span.id] == len(calls))
            if calls or entry is not None:
                yield ServedRequest(top, group, calls, entry)


def _groups(known: Mapping[str, Span], tops: Mapping[str, str], left_out: Counter[str]) -> Iterable[list[Span]]:
    """Return the spans of each request in the order of time."""
    groups: dict[tuple[str, str], list[Span]] = {}
    for span in sorted(known.values(), key=_began):
        top = known[tops[span.id]]
        is_whole = not top.parent or top.parent in known  # or they name each other as parents
        if top is span and not is_whole:
            count_left(left_out, "span (its parent is missing)")
        name = ("top", top.id) if is_whole else ("missing", top.text(*_CONVERSATIONS) or top.parent)
        groups.setdefault(name, []).append(span)
    return groups.values()


def _began(span: Span) -> tuple[int, int, str]:
    return span.start_ns, -span.end_ns, span.id


def _merged(spans: Sequence[Span], left_out: Counter[str]) -> Iterator[Span]:
    """Yield each span once, with the records of logs that belong to it; of several with one id, the last to end."""
    by_id: dict[str, list[Span]] = {}
    for span in spans:
        by_id.setdefault(span.id, []).append(span)
    for name in sorted(by_id):
        twins = by_id[name]
        found = twins[0] if len(twins) == 1 and not twins[0].is_fragment else _one_of(twins, left_out)
        if found is not None:
            yield found


def _one_of(twins: Sequence[Span], left_out: Counter[str]) -> Span | None:
    whole = sorted((twin for twin in twins if not twin.is_fragment), key=lambda twin: (twin.end_ns, repr(twin)))
    if not whole:
        count_left(left_out, "event (of a span that is missing)")
        return None
    kept = whole[-1]
    for other in whole[:-1]:
        again = msgspec.structs.replace(other, place=kept.place) == kept
        count_left(left_out, "span (exported again)" if again else "span (an earlier state, or another of this id)")
    fragments = {repr(twin.events): twin.events for twin in twins if twin.is_fragment}
    told = (event for name in sorted(fragments) for event in fragments[name])
    return msgspec.structs.replace(kept, events=(*kept.events, *told))


def _entry(around: Iterable[Span]) -> Span | None:
    """Return the outermost of the spans around all calls that tells what was asked."""
    steps = (span for span in around if kind_of(span) is SpanKind.STEP and not is_apart(span))
    return next(filter(_tells, steps), None)


def _tells(span: Span) -> bool:
    return any(name in span.attributes for name in _ENTRIES)
