"""Answers calls from a cassette alone, each recorded answer once, and says at the end whether all was as recorded."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from insideLLMs.core.types import JsonValue
from insideLLMs.proxy.asked_calls import AskedCall, RequestReader, key_of
from insideLLMs.proxy.callers import UNKNOWN, UNKNOWN_ADVICE
from insideLLMs.proxy.nearest import RecordedCall, UnmatchedCall, called, unmatched
from insideLLMs.proxy.server import refusal
from insideLLMs.proxy.wire_answers import send
from insideLLMs.store.answers.wire_cassette import WireCall


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedCase:
    """What of a case was not as recorded. One is `left_out` that made no call where only a part of the tests ran."""

    name: str
    reasons: tuple[str, ...]
    is_left_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayVerdict:
    """What a replay came to. It is verified where every call was recorded, and every recorded call was made.

    `not_made` counts recorded calls that nobody asked for, by their names; `refused` says which calls led nowhere.
    """

    made: int
    unmatched: tuple[UnmatchedCall, ...]
    not_made: Mapping[str, int]
    refused: tuple[str, ...]
    cases: tuple[ReplayedCase, ...]

    @property
    def is_verified(self) -> bool:
        """Whether all was as recorded, and anything was."""
        return bool(self.made) and not (self.unmatched or self.not_made or self.refused)

    def reasons(self) -> list[str]:
        """Say what was not as recorded."""
        found = [each.in_words() for each in self.unmatched]
        found += _not_made(self.not_made)
        found += self.refused
        unnamed = sum(each.case == UNKNOWN for each in self.unmatched)
        found += [f"calls without a case: {unnamed}; {UNKNOWN_ADVICE}"] if unnamed else []
        return found or ([] if self.made else ["the command made no call to a model"])

    def document(self) -> dict[str, JsonValue]:
        """Return it as JSON."""
        return {
            "status": "verified" if self.is_verified else "unverified",
            "calls": self.made,
            "changed": [
                {
                    "case": each.case,
                    "method": each.request.method,
                    "upstream": each.request.upstream,
                    "path": each.request.path,
                    "nearest": each.nearest,
                    "differences": list(each.differences),
                    **({"advice": each.advice} if each.advice else {}),
                }
                for each in self.unmatched
            ],
            "not_made": dict(self.not_made),
            "refused": list(self.refused),
        }


class Player:
    """Answers from the calls of a cassette, in the order of equal ones."""

    def __init__(self, calls: Sequence[WireCall], reader: RequestReader) -> None:
        self._reader = reader
        self._recorded = list(_numbered(calls))
        self._waiting: dict[bytes, deque[RecordedCall]] = {}
        for each in self._recorded:
            self._waiting.setdefault(key_of(each.call.case, each.call.request), deque()).append(each)
        self._made = 0
        self._cases: set[str] = set()
        self._unmatched: list[UnmatchedCall] = []
        self._refused: list[str] = []

    def begin(self) -> int:
        """Count a call that comes in."""
        self._made += 1
        return self._made

    def leave(self, began: int) -> bool:  # noqa: ARG002 - a recorder's question
        """Give a call up whose client went away."""
        return True

    def refuse(self, words: str) -> None:
        """Take note of a call that leads nowhere."""
        self._refused.append(words)

    async def answer(self, asked: AskedCall, request: web.BaseRequest) -> web.StreamResponse:
        """Answer as was recorded, or name the nearest recording."""
        wanted = self._reader.read(asked)
        case = self._reader.case_of(asked)
        self._cases.add(case)
        waiting = self._waiting.get(key_of(case, wanted))
        if not waiting:
            missed = unmatched(case, wanted, self._recorded)
            self._unmatched.append(missed)
            return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, missed.in_words())
        found = waiting.popleft()
        found.used = True
        return await send(found.call.answer, request)

    def verdict(self, *, subset: bool = False) -> ReplayVerdict:
        """Return what it came to. In a `subset`, cases that made no call at all may have been left out."""
        left = [each.call for each in self._recorded if not each.used]
        left = [call for call in left if not subset or call.case in self._cases]
        names = {each.call.case for each in self._recorded} | self._cases
        return ReplayVerdict(
            made=self._made,
            unmatched=tuple(self._unmatched),
            not_made=_counted(left),
            refused=tuple(self._refused),
            cases=tuple(self._case(name, left, subset=subset) for name in sorted(names)),
        )

    def _case(self, name: str, left: Sequence[WireCall], *, subset: bool) -> ReplayedCase:
        reasons = [each.in_words() for each in self._unmatched if each.case == name]
        reasons += _not_made(_counted(call for call in left if call.case == name))
        return ReplayedCase(name=name, reasons=tuple(reasons), is_left_out=subset and name not in self._cases)


def _counted(calls: Iterable[WireCall]) -> dict[str, int]:
    return dict(sorted(Counter(called(call.case, call.request) for call in calls).items()))


def _not_made(counts: Mapping[str, int]) -> list[str]:
    return [f"{name} was recorded and not made{_times(count)}" for name, count in counts.items()]


def _numbered(calls: Sequence[WireCall]) -> list[RecordedCall]:
    numbers: Counter[str] = Counter()
    found = []
    for call in calls:
        numbers[call.case] += 1
        found.append(RecordedCall(number=numbers[call.case], call=call))
    return found


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""
