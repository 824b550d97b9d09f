"""How deep a change goes: the highest rung of a fixed ladder on which two answers differ.

The other way round, the label of an answer at one depth: two answers are the same there if their labels are equal.
"""

import math
import re
import unicodedata
from collections.abc import Hashable
from enum import StrEnum
from typing import NamedTuple

import msgspec
import orjson

from insideLLMs.compare.answers.turns import as_compared
from insideLLMs.core import canonical
from insideLLMs.core.gate_spec import TextLevel
from insideLLMs.core.record_views import Facts, ScoreFacts
from insideLLMs.core.types import JsonValue, Message, Response, ToolCall
from insideLLMs.scoring.normalise import is_blank

RELATIVE_TOLERANCE = 1e-9
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BLANKS = re.compile(r"(?<=\S)[ \t]+")
_FINISH_STATUS = {"refusal": "refusal", "content_filter": "content_filter", "length": "truncated"}
_decode_response = msgspec.json.Decoder(Response | None).decode
_NOTHING = ScoreFacts()
CALLS_DIFFER = "tool calls differ"
LEVELS: tuple[TextLevel, ...] = ("verdict", "structured", "normalised", "exact")
Label = Hashable


class Level(StrEnum):
    """The rungs, highest first; a change is filed under the highest on which the answers differ."""

    STATUS = "status"
    """How it ended: ok, refusal, content_filter, truncated, or the kind of failure."""
    VERDICT = "verdict"
    """Pass or fail, or the label that was extracted from the answer."""
    SCORE = "score"
    """A score, by more than the tolerance."""
    SEMANTIC = "semantic"
    """The meaning of the text, where that was asked for: see `compare.meaning`."""
    STRUCTURED = "structured"
    """A JSON value, a part beside the text, a tool call (ids aside), or whether the answer is JSON at all."""
    NORMALISED = "normalised"
    """The text, or the spelling of an equal JSON value."""
    EXACT = "exact"
    """Only blanks, line ends or the Unicode form of the text."""


class Difference(NamedTuple):
    """The highest level that differs (None: nothing does) with its evidence.

    `paths` are the JSON paths that differ, at most twenty. `same_meaning` is whether the texts are the same
    after normalisation, as JSON values, or, with a `similarity`, by an embedding model. `held_apart` names the
    check that kept a model from being asked.
    """

    level: Level | None = None
    note: str = ""
    paths: tuple[str, ...] = ()
    same_meaning: bool = False
    similarity: float | None = None
    held_apart: str | None = None


NONE = Difference()


def response_of(facts: Facts) -> Response:
    """Return the answer of a record as it is compared; an empty one if the record has none."""
    return as_compared(_decode_response(facts.response) or Response())


def shows_nothing(facts: Facts) -> bool:
    """Whether an answer has nothing that could be compared: no text that shows, no value, no part and no call."""
    response = response_of(facts)
    said = (response.text, *(message.text for message in response.trajectory if message.role == "assistant"))
    return response.value is None and not response.calls and not response.kept and all(map(is_blank, said))


def outcome_word(facts: Facts, response: Response) -> str:
    """Say how a Trial ended; what a model does on its own account (refuse, run out of tokens) is told apart."""
    return _FINISH_STATUS.get(response.finish_reason or "", "ok") if facts.answered else facts.status


def normalise(text: str) -> str:
    """Return the text in NFC with LF line ends, no outer or trailing blanks, and runs of blanks as one space.

    Case and indentation are kept: in code both mean something.
    """
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(map(_with_single_blanks, lines)).strip()


def _with_single_blanks(line: str) -> str:
    """Most lines have nothing to replace, and a look at each of their blanks costs ten times as much."""
    line = line.rstrip()
    return _BLANKS.sub(" ", line) if "  " in line or "\t" in line else line


def score_moves(baseline: Facts, candidate: Facts, tolerance: float) -> dict[str, float]:
    """Return the scores that moved by more than `tolerance`, and than a billionth, as candidate minus baseline.

    A score that one side lacks is no move; `compare_outcomes` reports it as a difference all the same.
    """
    ours, theirs = (baseline.scores or _NOTHING).values, (candidate.scores or _NOTHING).values
    return {
        name: theirs[name] - ours[name]
        for name in sorted(ours.keys() & theirs.keys())
        if not math.isclose(ours[name], theirs[name], rel_tol=RELATIVE_TOLERANCE, abs_tol=tolerance)
    }


def compare_outcomes(baseline: Facts, candidate: Facts, tolerance: float) -> Difference:
    """Return the highest level on which two outcomes differ; looks no lower than it must."""
    same_scores = baseline.scores == candidate.scores
    if baseline.status == candidate.status and same_scores and baseline.response == candidate.response:
        return NONE
    ours, theirs = response_of(baseline), response_of(candidate)
    before, after = outcome_word(baseline, ours), outcome_word(candidate, theirs)
    if before != after:
        return Difference(Level.STATUS, f"{before} -> {after}")
    found = NONE if same_scores else _compare_scores(baseline, candidate, tolerance)
    for compare in (_compare_values, _compare_tools, _compare_texts, _compare_transcripts):
        found = compare(ours, theirs) if found.level is None else found
    return _with_parts(found, ours, theirs)


def changed_parts(baseline: Response, candidate: Response) -> tuple[str, ...]:
    """Return the names of the parts beside the text that differ, or that one of the answers lacks."""
    ours, theirs = baseline.kept, candidate.kept
    names = sorted(ours.keys() | theirs.keys())
    return tuple(name for name in names if differing_paths(ours.get(name, _ABSENT), theirs.get(name, _ABSENT), limit=1))


def _with_parts(found: Difference, ours: Response, theirs: Response) -> Difference:
    """Say which parts differ, too: as any JSON value they count for more than how a text is written."""
    names = changed_parts(ours, theirs)
    if not names:
        return found
    note = "; ".join(f"{name} {_moved(name, ours, theirs)}" for name in names)
    if found.level in {None, Level.NORMALISED, Level.EXACT}:
        paths = differing_paths({"kept": ours.kept}, {"kept": theirs.kept})
        text = f"text differs; {note}" if found.level else f"{note}; the text is the same"
        return Difference(Level.STRUCTURED, text, paths)
    return found._replace(note=f"{found.note}; {note}")


def _moved(name: str, ours: Response, theirs: Response) -> str:
    return "changed" if name in ours.kept and name in theirs.kept else "is new" if name in theirs.kept else "is gone"


def _compare_scores(baseline: Facts, candidate: Facts, tolerance: float) -> Difference:
    ours, theirs = baseline.scores or _NOTHING, candidate.scores or _NOTHING
    if ours.passed != theirs.passed:
        return Difference(Level.VERDICT, f"{_verdict(ours.passed)} -> {_verdict(theirs.passed)}")
    if ours.label != theirs.label:
        return Difference(Level.VERDICT, f"label {ours.label!r} -> {theirs.label!r}")
    notes = [
        f"{name} {ours.values[name]:.6g} -> {theirs.values[name]:.6g}"
        for name in score_moves(baseline, candidate, tolerance)
    ]
    notes += [f"{name} only on one side" for name in sorted(ours.values.keys() ^ theirs.values.keys())]
    return Difference(Level.SCORE, ", ".join(notes)) if notes else NONE


def _compare_values(ours: Response, theirs: Response) -> Difference:
    paths = differing_paths(ours.value, theirs.value)
    return Difference(Level.STRUCTURED, f"value differs at {len(paths)} path(s)", paths) if paths else NONE


def _compare_tools(ours: Response, theirs: Response) -> Difference:
    before, after = ours.calls, theirs.calls
    if before == after:
        return NONE
    paths = differing_paths(_plain_calls(before), _plain_calls(after))
    found = tuple(path.replace("$", "$.tool_calls", 1) for path in paths)
    return Difference(Level.STRUCTURED, CALLS_DIFFER, found) if found else NONE


def _plain_calls(calls: tuple[ToolCall, ...]) -> list[JsonValue]:
    return [{"name": call.name, "arguments": call.arguments} for call in calls]


def _compare_texts(ours: Response, theirs: Response) -> Difference:
    if ours.text == theirs.text:
        return NONE
    left, right = parse_answer(ours.text), parse_answer(theirs.text)
    if left is not None and right is not None:
        paths = differing_paths(left, right)
        if paths:
            return Difference(Level.STRUCTURED, f"JSON differs at {len(paths)} path(s)", paths)
    elif left is not None or right is not None:
        return Difference(Level.STRUCTURED, "JSON -> no JSON" if left is not None else "no JSON -> JSON", ("$",))
    if normalise(ours.text) == normalise(theirs.text):
        return Difference(Level.EXACT, "blanks or Unicode form only", same_meaning=True)
    if left is not None:
        return Difference(Level.NORMALISED, "same JSON value, written differently", same_meaning=True)
    return Difference(Level.NORMALISED, "text differs")


def _compare_transcripts(ours: Response, theirs: Response) -> Difference:
    """Compare what was said and given on the way to the same calls and the same answer."""
    if _transcript(ours, "exact") == _transcript(theirs, "exact"):
        return NONE
    if _transcript(ours, "normalised") == _transcript(theirs, "normalised"):
        return Difference(Level.EXACT, "blanks or Unicode form only, on the way", same_meaning=True)
    messages = zip(ours.trajectory, theirs.trajectory, strict=False)
    if len(ours.trajectory) == len(theirs.trajectory) and all(_is_same(*pair) for pair in messages):
        return Difference(Level.NORMALISED, "same JSON values, written differently on the way", same_meaning=True)
    return Difference(Level.NORMALISED, "the transcript differs, but not the tool calls")


def _is_same(one: Message, other: Message) -> bool:
    found = _compare_texts(Response(text=one.text), Response(text=other.text))
    return one.role == other.role and (found.level is None or found.same_meaning)


def _transcript(response: Response, level: TextLevel) -> tuple[Label, ...]:
    return tuple((message.role, _text_label(message.text, level)) for message in response.trajectory)


def _verdict(passed: bool | None) -> str:
    return "no verdict" if passed is None else "pass" if passed else "fail"


def label_of(facts: Facts, level: TextLevel) -> Label | None:
    """Return the label of a Trial; None where it was not answered, or has no verdict and that is compared.

    Verdict: pass or fail with what was extracted. Structured: the JSON value, or the normalised text where it is
    none. Normalised: the text aside from blanks and Unicode form. Exact: the text. Below the verdict a called tool,
    a value and how the answer ended (refused, cut off) are part of the label too.
    """
    if not facts.answered:
        return None
    scores = facts.scores
    if level == "verdict":
        verdict = (None, None, ()) if scores is None else (scores.passed, scores.label, _marks(facts))
        return None if verdict == (None, None, ()) else verdict
    response = response_of(facts)
    calls = tuple((call.name, canonical.line(call.arguments)) for call in response.calls)
    value = None if response.value is None else canonical.line(response.value)
    way = () if level == "structured" else _transcript(response, level)
    return (response.finish_reason, calls, value, _text_label(response.text, level), way)


def _marks(facts: Facts) -> tuple[tuple[str, float], ...]:
    """Return the scores where there is no verdict to go by."""
    if facts.scores is None or facts.scores.passed is not None:
        return ()
    return tuple(sorted(facts.scores.values.items()))


def _text_label(text: str, level: TextLevel) -> tuple[str, bytes | str]:
    if level == "exact":
        return "text", text
    parsed: JsonValue | None = parse_answer(text) if level == "structured" else None
    if parsed is not None:
        return "json", orjson.dumps(_equal_numbers(parsed), option=orjson.OPT_SORT_KEYS)
    return "text", normalise(text)


def _equal_numbers(value: JsonValue) -> JsonValue:
    """Spell 1 and 1.0 alike."""
    if isinstance(value, dict):
        return {name: _equal_numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_equal_numbers(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def parse_answer(text: str) -> JsonValue | None:
    """Return the JSON object or array that the text is, bare or in one code fence; None if it is none.

    Prose around it, and bare numbers, strings and literals, make it prose: nothing said is left uncompared.
    """
    body = text.strip()
    if body.startswith("```") and body.endswith("```"):
        body = body[3:-3].partition("\n")[2].strip()
    if body[:1] not in {"{", "["}:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def differing_paths(baseline: JsonValue, candidate: JsonValue, *, limit: int = 20) -> tuple[str, ...]:
    """Return the paths at which two JSON values differ, in document order with sorted keys, at most `limit`.

    1 equals 1.0, and floats are equal within a relative 1e-9. Empty if and only if the values are equal.
    """
    found: list[str] = []
    pending: list[tuple[str, JsonValue, JsonValue]] = [("$", baseline, candidate)]
    while pending and len(found) < limit:
        path, left, right = pending.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            keys = sorted({*left, *right}, reverse=True)
            pending.extend((path + _step(key), left.get(key, _ABSENT), right.get(key, _ABSENT)) for key in keys)
        elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
            longest = max(len(left), len(right))
            pending.extend((f"{path}[{at}]", _at(left, at), _at(right, at)) for at in reversed(range(longest)))
        elif not _equal(left, right):
            found.append(path)
    return tuple(found)


class _Absent:
    """Stands for a key or element that one side does not have; equal to nothing."""


_ABSENT = _Absent()


def _at(values: list[JsonValue] | tuple[JsonValue, ...], index: int) -> JsonValue:
    return values[index] if index < len(values) else _ABSENT


def _step(key: str) -> str:
    return f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{orjson.dumps(key).decode()}]"


def _equal(left: JsonValue, right: JsonValue) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, float) or isinstance(right, float):
        both = isinstance(left, int | float) and isinstance(right, int | float)
        return both and (left == right or math.isclose(left, right, rel_tol=RELATIVE_TOLERANCE))
    return type(left) is type(right) and bool(left == right)
