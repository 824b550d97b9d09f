"""The spans of one trace -> the requests that it served, each with the calls of models that it took."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from insideLLMs.importers.fields import count_left
from insideLLMs.importers.traces.calls import is_apart
from insideLLMs.trajectories.span import Span, SpanKind, kind_of

_CONVERSATIONS = (
    "gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id",
    "traceloop.association.properties.chat_id",
)  # fmt: skip

_ENTRIES = (
    "input.value", "traceloop.entity.input", "gen_ai.input.messages", "pydantic_ai.all_messages", "ai.prompt",
    "all_messages_events",
)  # fmt: skip
_DEEPEST = 200
"""Levels of spans within each other that are looked at."""


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
    groups: dict[str, list[Span]] = {}
    for span in sorted(known.values(), key=_began):
        groups.setdefault(_group_of(span, known, left_out), []).append(span)
    for group in groups.values():
        calls = [span for span in group if kind_of(span) is SpanKind.CALL and not is_apart(span)]
        calls = _innermost(calls, known)
        if each_call:
            yield from (ServedRequest(call, [call], [call], None) for call in calls)
        else:
            top = next((span for span in group if not span.parent), group[0])
            entry = _entry(group, calls, known)
            if calls or entry is not None:
                yield ServedRequest(top, group, calls, entry)


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


def _ancestors(span: Span, known: dict[str, Span]) -> Iterator[Span]:
    """Yield the spans around a span, from the inside out; spans may name each other as parents."""
    seen = {span.id}
    while span.parent in known and span.parent not in seen and len(seen) <= _DEEPEST:
        seen.add(span.parent)
        span = known[span.parent]
        yield span


def _group_of(span: Span, known: dict[str, Span], left_out: Counter[str]) -> str:
    """Return the name of the request that a span belongs to: its outermost span, or what that lacks."""
    around = [span, *_ancestors(span, known)]
    top = around[-1]
    if not top.parent:
        return top.id
    if top.parent in known:
        return min(one.id for one in around)  # they name each other as parents
    if top is span:
        count_left(left_out, "span (its parent is missing)")
    return f"missing {top.text(*_CONVERSATIONS) or top.parent}"


def _innermost(calls: Sequence[Span], known: dict[str, Span]) -> list[Span]:
    """Return the calls without those around others: two instrumentations told of one call, and the inner is nearer."""
    outer = {around.id for call in calls for around in _ancestors(call, known)}
    return [call for call in calls if call.id not in outer] or list(calls)


def _entry(group: Sequence[Span], calls: Sequence[Span], known: dict[str, Span]) -> Span | None:
    """Return the outermost span around all calls that tells what was asked."""
    within = Counter(around.id for call in calls for around in _ancestors(call, known))
    steps = (span for span in group if kind_of(span) is SpanKind.STEP and not is_apart(span))
    return next((span for span in steps if within[span.id] == len(calls) and _tells(span)), None)


def _tells(span: Span) -> bool:
    return any(name in span.attributes for name in _ENTRIES)
