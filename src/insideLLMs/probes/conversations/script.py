"""What a user says turn by turn, as an example or an experiment writes it down, and how each answer is checked."""

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from insideLLMs.core.arguments import nearest
from insideLLMs.core.template import Template
from insideLLMs.core.types import Example, JsonValue, Message
from insideLLMs.probes.named_check import Place, WrongCheckError

_SAYERS = ("user", "assistant")
_KEYS = (*_SAYERS, "checks", "expected")
_FIELD = re.compile(r"\{\{|\{%")
_UNKNOWN = "an answer that is not known yet"
ANSWERS = "answers"
"""What a turn's template calls the answers to the turns before."""


class WrongTurnError(WrongCheckError):
    """A turn that cannot be read."""


class ScriptedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says, after messages that are given; `checks` are those of the answer, and what it expects.

    `place` is where it stands among the turns.
    """

    user: str
    given: tuple[Message, ...] = ()
    checks: tuple[JsonValue, ...] = ()
    expected: tuple[JsonValue, ...] = ()
    place: int = 0

    def filled(self, example: Example, answers: Sequence[str]) -> str:
        """Return what is said, which may name fields of the example and earlier `answers`. Raises TemplateError."""
        if not _FIELD.search(self.user):
            return self.user
        return Template(self.user).fill(example, **{ANSWERS: list(answers)})

    def check(self, example: Example, number: int) -> None:
        """Raise TemplateError where turn `number`, from 0, cannot be filled."""
        if _FIELD.search(self.user):
            Template(self.user).check(example, **{ANSWERS: [_UNKNOWN] * number})


def read_script(raw: JsonValue, history: Sequence[Message] = ()) -> tuple[ScriptedTurn, ...]:
    """Read turns that follow a `history`, whose last message the subject is to answer if it is the user's.

    A turn is a text, or a mapping of `user` with `checks` and `expected`; one of `assistant` is an answer that is
    given, so that the subject is not asked for it. Raises WrongTurnError.
    """
    if not isinstance(raw, list | tuple):
        raise WrongTurnError(("turns",), "must be a list of what the user says, turn by turn")
    turns: list[ScriptedTurn] = []
    given: list[Message] = []
    waiting: ScriptedTurn | None = None
    for message, turn in [*_as_turns(history), *_read(raw)]:
        if waiting is not None and message.role == "assistant":
            if waiting.checks or waiting.expected:
                raise WrongTurnError(("turns", waiting.place), "has checks, but its answer is given in the next turn")
            given = [*waiting.given, Message(role="user", content=waiting.user), message]
            waiting = None
        elif turn is None:
            given.append(message)
        else:
            turns += [] if waiting is None else [waiting]
            waiting, given = msgspec.structs.replace(turn, given=tuple(given)), []
    if waiting is None:
        raise WrongTurnError(("turns",), "end without a message of the user, so there is nothing to answer")
    return (*turns, waiting)


def _as_turns(history: Sequence[Message]) -> Iterator[tuple[Message, ScriptedTurn | None]]:
    for message in history:
        yield message, ScriptedTurn(user=message.text) if message.role == "user" else None


def _read(raw: Sequence[JsonValue]) -> Iterator[tuple[Message, ScriptedTurn | None]]:
    for place, item in enumerate(raw):
        where: Place = ("turns", place)
        turn = {"user": item} if isinstance(item, str) else _by_role(item)
        if not isinstance(turn, Mapping):
            raise WrongTurnError(where, f"is {item!r}; it must be a text, or a mapping with `user`")
        for key in turn:
            if key not in _KEYS:
                near = nearest(str(key), _KEYS)
                raise WrongTurnError((*where, str(key)), "is not a key of a turn", near and f"did you mean {near!r}?")
        sayers = [name for name in _SAYERS if name in turn]
        if len(sayers) != 1:
            raise WrongTurnError(where, "must have one of `user` and `assistant`")
        text = turn[sayers[0]]
        if not isinstance(text, str) or not (text.strip() or sayers[0] == "assistant"):
            raise WrongTurnError((*where, sayers[0]), f"is {text!r}; it must be a text that is not empty")
        yield _turn(turn, text, where)


def _turn(turn: Mapping[str, JsonValue], text: str, where: Place) -> tuple[Message, ScriptedTurn | None]:
    checks, expected = turn.get("checks", ()), turn.get("expected")
    if not isinstance(checks, list | tuple):
        raise WrongTurnError((*where, "checks"), "must be a list of checks, such as [{type: contains, any: [yes]}]")
    if "assistant" in turn:
        if checks or expected is not None:
            raise WrongTurnError(where, "is a given answer, which takes no checks")
        return Message(role="assistant", content=text), None
    accepted = () if expected is None else tuple(expected) if isinstance(expected, list) else (expected,)
    if accepted and not checks:
        checks = [{"type": "contains"}]
    place = where[-1]
    assert isinstance(place, int)
    return Message(role="user", content=text), ScriptedTurn(
        user=text, checks=tuple(checks), expected=accepted, place=place
    )


def _by_role(item: JsonValue) -> JsonValue:
    """Spell a turn that is written as a chat message, ``{role: user, content: ...}``, as a turn."""
    if not isinstance(item, Mapping) or "role" not in item:
        return item
    rest = {key: value for key, value in item.items() if key not in {"role", "content"}}
    return {str(item["role"]): item.get("content"), **rest}
