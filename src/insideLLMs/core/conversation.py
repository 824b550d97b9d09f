"""What was said in a conversation, as a Response holds it: messages in its trajectory, turns in a part it keeps."""

import re
from collections.abc import Iterable, Iterator
from typing import Self

import msgspec

from insideLLMs.core.types import JsonValue, Message, Response, Usage, expand, sum_usage

_LINE_END = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
PART = "conversation"
"""The kept part of a Response that says how its trajectory is one."""


class Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One turn: so many messages until the subject is to answer, the last of them the user's, and so many of its
    answer, with what that came with.
    """

    asked: int = 1
    answered: int = 1
    finish_reason: str | None = None
    usage: Usage | None = None
    kept: dict[str, JsonValue] = {}


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is stored beside the messages."""

    turns: tuple[Turn, ...]
    ended: str | None = None
    led_by: str | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Messages in their order, and the turns that they make; those after the last turn are not answered.

    `ended` says how it ended, None while it goes on. `led_by` identifies what leads it, while it goes on.
    """

    messages: tuple[Message, ...] = ()
    turns: tuple[Turn, ...] = ()
    ended: str | None = None
    led_by: str | None = None

    @classmethod
    def of(cls, response: Response | None) -> Self | None:
        """Read the conversation that a Response holds, whose text is its last answer; None where it holds none."""
        if response is None or PART not in response.kept:
            return None
        try:
            part = msgspec.convert(response.kept[PART], _Part)
        except msgspec.ValidationError:
            return None
        counts = [count for turn in part.turns for count in (turn.asked, turn.answered)]
        if min(counts, default=1) < 1 or sum(counts) > len(response.trajectory):
            return None
        messages = list(response.trajectory)
        if part.turns:
            last = sum(counts) - 1
            messages[last] = _saying(messages[last], response.text)
        return cls(messages=tuple(messages), turns=part.turns, ended=part.ended, led_by=part.led_by)

    def held_by(self, last: Response) -> Response:
        """Return the Response that holds it: the subject's `last` answer, with the tokens of all."""
        part = _Part(turns=self.turns, ended=self.ended, led_by=self.led_by)
        return msgspec.structs.replace(
            last,
            usage=sum_usage(turn.usage for turn in self.turns),
            tool_calls=(),
            trajectory=self.messages,
            kept={**(self.turns[-1].kept if self.turns else {}), PART: expand(part)},
        )

    def answers(self) -> Iterator[tuple[tuple[Message, ...], Response]]:
        """Yield of each turn the messages that stood before the answer, those of earlier turns included, and it."""
        place = 0
        for turn in self.turns:
            start, place = place + turn.asked, place + turn.asked + turn.answered
            said = self.messages[start:place]
            last = next(
                (message for message in reversed(said) if message.role == "assistant"), Message(role="assistant")
            )
            yield (
                self.messages[:start],
                Response(
                    text=last.text,
                    finish_reason=turn.finish_reason,
                    usage=turn.usage,
                    kept=turn.kept,
                    trajectory=said if len(said) > 1 else (),
                ),
            )

    @property
    def unanswered(self) -> tuple[Message, ...]:
        """The messages after the last turn."""
        return self.messages[sum(turn.asked + turn.answered for turn in self.turns) :]


def _saying(message: Message, text: str) -> Message:
    """Return an answer with another text: a damaged one, or one whose thoughts were split off."""
    is_same = message.role != "assistant" or message.text == text
    return message if is_same else msgspec.structs.replace(message, content=text)


def transcript(messages: Iterable[Message], *, indented: bool = False) -> str:
    """Write messages down as text: who says what; calls of tools and their results in a line each.

    With `indented`, the further lines of a message are indented: none can pass for the beginning of another message.
    """
    lines = (line for message in messages for line in _lines(message))
    return "\n\n".join(_LINE_END.sub(r"\g<0>    ", line) if indented else line for line in lines)


def _lines(message: Message) -> Iterator[str]:
    if message.text or not message.tool_calls:
        yield f"{message.role}: {message.text}"
    for call in message.tool_calls:
        yield f"{message.role} calls {call.name}({msgspec.json.encode(call.arguments, order='sorted').decode()})"
