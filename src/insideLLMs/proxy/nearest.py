"""The recording that is nearest to a request that has none, and what differs: which message, words, parameter."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from insideLLMs.compare.differences.word_diff import marked, word_diff
from insideLLMs.core import canonical
from insideLLMs.core.types import JsonValue, as_text, cut_off
from insideLLMs.proxy.volatile import BLANK, NAMED
from insideLLMs.report.safe_text import printable
from insideLLMs.store.answers.wire_cassette import WireCall, WireRequest

_COMPARED_LETTERS = 2_000
_LONGEST_VALUE = 160
_MOST_DIFFERENCES = 12
_MISSING = object()
_PLAIN = re.compile(r"[^.\[\]\s\"]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedCall:
    """A request without a recording, with the nearest recording and the `differences` from it.

    `advice` says how to declare what alone differs, where it looks as if it differed each time.
    """

    case: str
    request: WireRequest
    nearest: str | None
    differences: tuple[str, ...]
    advice: str = ""

    def in_words(self) -> str:
        """Return it in words, the differences on lines of their own."""
        head = f"{called(self.case, self.request)} is not recorded"
        if self.nearest is None:
            return f"{head}, and nothing like it is"
        lines = [*self.differences, *([self.advice] if self.advice else [])]
        return "\n".join([f"{head}; the nearest is {self.nearest}", *(f"  {line}" for line in lines)])


@dataclass(slots=True, kw_only=True)
class RecordedCall:
    """A call of a cassette: its number within its case, and whether the replay made it again."""

    number: int
    call: WireCall
    used: bool = False

    @property
    def name(self) -> str:
        """Name it as people find it in the file."""
        return f"call {self.number} of {printable(self.call.case)}"


def called(case: str, request: WireRequest) -> str:
    """Name a request by its case and where it goes."""
    return f"{printable(case)}: {request.method} {request.upstream}{printable(request.path)}"


def unmatched(case: str, request: WireRequest, recorded: Sequence[RecordedCall]) -> UnmatchedCall:
    """Find the recording nearest to a request: of the same case and path, with the fewest and smallest differences."""
    asked = _leaves(request)
    candidates = _alike(case, request, recorded)
    if not candidates:
        return UnmatchedCall(case=case, request=request, nearest=None, differences=())
    changed = [_changed(asked, _leaves(each.call.request)) for each in candidates]
    fewest = min(map(len, changed))
    nearest, _ = min(
        ((each, places) for each, places in zip(candidates, changed, strict=True) if len(places) == fewest),
        key=lambda found: (-_closeness(asked, _leaves(found[0].call.request), found[1]), found[0].used),
    )
    return UnmatchedCall(
        case=case,
        request=request,
        nearest=nearest.name,
        differences=tuple(_differences(case, asked, nearest)),
        advice=_advice(asked, _leaves(nearest.call.request)),
    )


def _advice(asked: Mapping[str, JsonValue], known: Mapping[str, JsonValue]) -> str:
    """Name the declarations that make two requests the same, if there are any."""
    pairs = [(known.get(place), asked.get(place)) for place in _changed(asked, known)]
    texts = [(one, other) for one, other in pairs if isinstance(one, str) and isinstance(other, str)]
    used = []
    for name, pattern in NAMED.items():
        if any(re.findall(pattern, one) != re.findall(pattern, other) for one, other in texts):
            used.append(f"--volatile-text {name}")
            texts = [(re.sub(pattern, BLANK, one), re.sub(pattern, BLANK, other)) for one, other in texts]
    is_all = len(texts) == len(pairs) and all(one == other for one, other in texts)
    return f"if this differs each time, declare it: {' '.join(used)}" if used and is_all else ""


def _alike(case: str, request: WireRequest, recorded: Sequence[RecordedCall]) -> Sequence[RecordedCall]:
    """Return the recordings of the same provider, and of them those of the same case and path, if there are any."""
    found = [each for each in recorded if each.call.request.upstream == request.upstream]
    found = [each for each in found if each.call.case == case] or found
    return [each for each in found if each.call.request.path == request.path] or found


def _changed(asked: Mapping[str, JsonValue], known: Mapping[str, JsonValue]) -> list[str]:
    """Return the places where two requests differ."""
    return [place for place in {**known, **asked} if _spelt(known, place) != _spelt(asked, place)]


def _spelt(leaves: Mapping[str, JsonValue], place: str) -> bytes | None:
    """Return a value as requests are compared by it: 0, 0.0 and false are three."""
    return canonical.line(leaves[place]) if place in leaves else None


def _closeness(asked: Mapping[str, JsonValue], known: Mapping[str, JsonValue], places: Sequence[str]) -> float:
    return sum(_similarity(known.get(place, ""), asked.get(place, "")) for place in places)


def _similarity(before: JsonValue, after: JsonValue) -> float:
    texts = (as_text(before)[:_COMPARED_LETTERS], as_text(after)[:_COMPARED_LETTERS])
    return difflib.SequenceMatcher(None, *texts, autojunk=False).quick_ratio()


def _differences(case: str, asked: Mapping[str, JsonValue], recorded: RecordedCall) -> Iterator[str]:
    known = _leaves(recorded.call.request)
    places = _changed(asked, known)
    if not places and recorded.call.case == case:
        yield "the same request, made more often than it was recorded"
    elif not places:
        yield f"the same request, recorded for another case: {printable(recorded.call.case)}"
    for place in places[:_MOST_DIFFERENCES]:
        yield _difference(place, known.get(place, _MISSING), asked.get(place, _MISSING))
    if len(places) > _MOST_DIFFERENCES:
        yield f"and {len(places) - _MOST_DIFFERENCES} more differences"


def _difference(place: str, before: JsonValue, after: JsonValue) -> str:
    if before is _MISSING or after is _MISSING:
        word, value = ("added", after) if before is _MISSING else ("removed", before)
        return f"{printable(place)}: {word} {_short(value)}"
    if isinstance(before, str) and isinstance(after, str):
        diff = word_diff(before, after)
        if diff is not None:
            return f"{printable(place)}: {printable(marked(diff))}"
    return f"{printable(place)}: {_short(before)} -> {_short(after)}"


def _short(value: JsonValue) -> str:
    return cut_off(printable(msgspec.json.encode(value).decode()), _LONGEST_VALUE)


def _leaves(request: WireRequest) -> dict[str, JsonValue]:
    """Return every plain value of a request by its place."""
    found: dict[str, JsonValue] = {"method": request.method, "path": request.path}
    found |= {f"header {name}": value for name, value in request.headers.items()}
    found |= {name: value for name, value in (("text", request.text), ("base64", request.base64)) if value is not None}
    return found | ({} if request.body is None else dict(_within(request.body, "")))


def _within(value: JsonValue, place: str) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            own = name if _PLAIN.fullmatch(name) else f'"{name}"'
            yield from _within(item, f"{place}.{own}" if place else own)
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _within(item, f"{place}[{number}]")
    else:
        yield place or "body", value
