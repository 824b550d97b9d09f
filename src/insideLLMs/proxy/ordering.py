"""In which order the calls of a case are kept: as they were made, or, where some were made at once, by what they are.

Parallel calls come in another order each time; ordered by their content, the same calls give the same bytes. Of equal
requests the answers stay in the order in which they came, so that one refused at first is refused at first again.
"""

from collections.abc import Sequence

import msgspec

from insideLLMs.core import canonical
from insideLLMs.store.wire_cassette import WireCall


def in_order(calls: Sequence[WireCall]) -> list[WireCall]:
    """Return the calls of one case in the order in which they are kept."""
    begun = sorted(calls, key=lambda call: call.began)
    if not _overlap(begun):
        return begun
    equal: dict[bytes, list[WireCall]] = {}
    for call in begun:
        equal.setdefault(canonical.line(call.request), []).append(call)
    groups = sorted(equal.items(), key=lambda group: (_turns(group[1][0]), group[0]))
    return [call for _, group in groups for call in _equal_in_order(group)]


def _overlap(begun: Sequence[WireCall]) -> bool:
    """Whether a call began before another had ended."""
    ended = 0
    for call in begun:
        if call.began < ended:
            return True
        ended = call.ended
    return False


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
