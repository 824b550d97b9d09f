"""Two conversations beside each other: what of them is compared, and at which turn they part."""

import itertools
from collections.abc import Iterator

import msgspec

from insideLLMs.core.conversation import PART, Conversation
from insideLLMs.core.types import Response


def as_compared(response: Response) -> Response:
    """Return an answer as it is compared: of a conversation all answers, and the parts of each, but no tokens."""
    said = Conversation.of(response) if PART in response.kept else None
    if said is None:
        return response
    answers = [answer for _, answer in said.answers()]
    turns = [answer.kept for answer in answers]
    kept = {"turns": turns} if any(turns) else {}
    return msgspec.structs.replace(response, text="\n\n".join(answer.text for answer in answers), kept=kept)


def turn_changes(before: Response, after: Response) -> tuple[str, ...]:
    """Say at which turn two conversations part, and how each ended where that differs."""
    ours, theirs = Conversation.of(before), Conversation.of(after)
    return () if ours is None or theirs is None else tuple(_changes(ours, theirs))


def _changes(ours: Conversation, theirs: Conversation) -> Iterator[str]:
    turns = itertools.zip_longest(ours.answers(), theirs.answers())
    for number, (one, other) in enumerate(turns, 1):
        if one is None or other is None:
            yield f"they differ from turn {number} on, which only the {'candidate' if one is None else 'baseline'} has"
            break
        if one[0][-1].text != other[0][-1].text:
            yield f"they differ from turn {number} on: the user says something else"
            break
        if (one[1].text, one[1].trajectory, one[1].kept) != (other[1].text, other[1].trajectory, other[1].kept):
            yield f"they differ from turn {number} on: another answer"
            break
    if ours.ended != theirs.ended:
        yield f"ended by {theirs.ended or 'a failure'}, was {ours.ended or 'a failure'}"
