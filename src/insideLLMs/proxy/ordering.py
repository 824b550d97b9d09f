"""In which order the calls of a case are kept: as they were made, or, where some were made at once, by what they are.

Parallel calls come in another order each time; ordered by their content, the same calls give the same bytes. A call
that holds another's answer comes after it. Of equal requests the answers stay in the order in which they came, so that
one refused at first is refused at first again.
"""

from collections.abc import Sequence

import msgspec

from insideLLMs.core import canonical
from insideLLMs.proxy.pieces import json_in, pieces_of
from insideLLMs.store.answers.wire_cassette import WireAnswer, WireCall

_LONG_ENOUGH = 24
"""Letters of an answer from which a request that holds them is taken to build on it."""
_MOST_COMPARED = 300


def in_order(calls: Sequence[WireCall]) -> list[WireCall]:
    """Return the calls of one case in the order in which they are kept."""
    begun = sorted(calls, key=lambda call: call.began)
    if not _overlap(begun):
        return begun
    equal: dict[bytes, list[WireCall]] = {}
    for call in begun:
        equal.setdefault(canonical.line(call.request), []).append(call)
    by_content = sorted(equal.items(), key=lambda group: (_turns(group[1][0]), group[0]))
    groups = [_equal_in_order(group) for _, group in by_content]
    steps = _steps(groups)
    return [call for _, group in sorted(zip(steps, groups, strict=True), key=lambda pair: pair[0]) for call in group]


def _overlap(begun: Sequence[WireCall]) -> bool:
    """Whether a call began before another had ended."""
    ended = 0
    for call in begun:
        if call.began < ended:
            return True
        ended = call.ended
    return False


def _steps(groups: Sequence[Sequence[WireCall]]) -> list[int]:
    """Return for each group of equal calls how many others it builds on, one on top of the other."""
    steps = [0] * len(groups)
    if len(groups) > _MOST_COMPARED:
        return steps
    asked = [canonical.line(group[0].request) for group in groups]
    said = [{text for call in group for text in _long_texts(call.answer)} for group in groups]
    builds_on = [
        [other for other, texts in enumerate(said) if other != one and any(text in request for text in texts)]
        for one, request in enumerate(asked)
    ]
    for _ in groups:
        steps = [max((steps[other] + 1 for other in others), default=0) for others in builds_on]
    return steps


def _long_texts(answer: WireAnswer) -> list[bytes]:
    """Return the long texts of an answer as JSON spells them, those of its events put together, but for its model."""
    data = [value for text in answer.events or [answer.body] for value in json_in(text)]
    pieces = {place: found for (place, _), found in pieces_of(data).items() if place[-1:] != ("model",)}
    texts = ("".join(text for *_, text in found) for found in pieces.values())
    return [msgspec.json.encode(text)[1:-1] for text in texts if len(text) >= _LONG_ENOUGH]


def _turns(call: WireCall) -> int:
    """Return how many turns a request goes on from: an agent's later calls have more."""
    body = call.request.body if isinstance(call.request.body, dict) else {}
    turns = next((body[name] for name in ("messages", "input", "contents") if isinstance(body.get(name), list)), ())
    return len(turns)


def _equal_in_order(group: Sequence[WireCall]) -> list[WireCall]:
    """Order equal requests as they were made, and those made at once by their answers."""
    ordered: list[WireCall] = []
    together: list[WireCall] = []
    ended = 0
    for call in group:
        if call.began > ended:
            ordered += sorted(together, key=_answer)
            together = []
        together.append(call)
        ended = max(ended, call.ended)
    return ordered + sorted(together, key=_answer)


def _answer(call: WireCall) -> bytes:
    return canonical.line(msgspec.to_builtins(call.answer))
