"""A user played by a model: it has a persona and a goal, and says itself when it is done."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from insideLLMs.core.arguments import flag, nearest, one_of, refuse
from insideLLMs.core.conversation import Conversation
from insideLLMs.core.errors import ArgumentError, InsideLLMsError
from insideLLMs.core.experiment import ModelSpec
from insideLLMs.core.protocols import Ask
from insideLLMs.core.template import Template, template_of
from insideLLMs.core.types import Example, JsonValue, Message, Request
from insideLLMs.probes.judge import named_judges
from insideLLMs.probes.named_check import NamedCheck, read_check

USER = "user"
"""The name by which the probe asks the model that plays the user."""
GOAL_REACHED, GAVE_UP = "goal_reached", "gave_up"
_KEYS = ("model", "persona", "goal", "opening", "max_turns", "stop_when", "decides", "at_turn_limit")
_AT_LIMIT = ("fail", "score")
_BEGIN = "(The conversation begins. Write your first message.)"
_SILENT = "(The assistant says nothing.)"
_PROMPT = """\
You play a user who talks to an assistant. Stay in this role: you are not the assistant, and you do not do its work.
{persona}
What you want:
{goal}

Write only what this user says next: one short message, in the language in which the goal is written unless the \
persona says otherwise. Say things as they are asked for, not all at once, and make up nothing that contradicts the \
above.

When the conversation is over, answer with one of these two lines and nothing else:
{reached}
{given_up}
The first says that you have got all that you want, the second that you see that you will not get it. The assistant \
does not know these lines: never quote them."""


class SimulatedUser(msgspec.Struct, frozen=True, kw_only=True):
    """The model that plays the user, its instructions, and what ends the conversation.

    If it `decides`, the conversation passes only if the user says that its goal is reached.
    """

    model: Any  # a ModelSpec, or a ready model
    persona: Template | None = None
    goal: Template | None = None
    opening: Template | None = None
    max_turns: int = 10
    stop_when: NamedCheck | None = None
    decides: bool = False
    at_turn_limit: Literal["fail", "score"] = "fail"

    @classmethod
    def of(cls, given: JsonValue) -> "SimulatedUser":
        """Read the argument `user`. Raises ArgumentError, TemplateError or WrongCheckError."""
        if not isinstance(given, Mapping):
            raise refuse("conversation", "user", given, "a mapping with `model`, `goal` and `persona`")
        for key in given:
            if key not in _KEYS:
                raise _not_taken(str(key))
        turns, limit = given.get("max_turns", 10), given.get("at_turn_limit", "fail")
        if isinstance(turns, bool) or not isinstance(turns, int) or turns < 1:
            raise refuse("conversation", "user.max_turns", turns, "a whole number from 1 on")
        one_of("conversation", "user.at_turn_limit", limit, _AT_LIMIT)
        stop = given.get("stop_when")
        if isinstance(stop, Mapping) and stop.get("type") == "judge":
            raise refuse("conversation", "user.stop_when", stop, "a check that asks no judge")
        return cls(
            model=_model(given.get("model")),
            persona=_text(given, "persona"),
            goal=_text(given, "goal"),
            opening=_text(given, "opening"),
            max_turns=turns,
            stop_when=None if stop is None else read_check(stop, ("user", "stop_when"), judges=None),
            decides=flag("conversation", "user.decides", given.get("decides", False)),
            at_turn_limit=limit,
        )

    @property
    def settings(self) -> JsonValue:
        """All that its messages depend on, as JSON."""
        texts = (self.persona, self.goal, self.opening)
        model = self.model
        played_by = {"type": model.type, "args": model.args} if isinstance(model, ModelSpec) else type(model).__name__
        return {
            "texts": [None if text is None else text.text for text in texts],
            "max_turns": self.max_turns,
            "model": played_by,
            "stop_when": None if self.stop_when is None else self.stop_when.name,
        }

    def filled(self, example: Example) -> dict[str, str]:
        """Return persona, goal and opening: the example's; the probe's if it uses that field or the example lacks it.

        Raises TemplateError.
        """
        own = {name: example.fields.get(name) for name in ("persona", "goal", "opening")}
        given = {"persona": self.persona, "goal": self.goal, "opening": self.opening}
        told = {name: text for name, text in own.items() if isinstance(text, str) and text.strip()}
        for name, template in given.items():
            if template is not None and (name not in told or name in template.names):
                told[name] = template.fill(example)
        return told

    def check(self, example: Example) -> str | None:
        """Say what of an example keeps its user from being played. Raises TemplateError."""
        for name in ("persona", "goal", "opening"):
            own = example.fields.get(name)
            if own is not None and not isinstance(own, str):
                return f"its `{name}` is no text"
        for name, template in (("persona", self.persona), ("goal", self.goal), ("opening", self.opening)):
            try:
                if template is not None:
                    template.check(example)
            except InsideLLMsError as error:
                error.message = f"{name}: {error.message}"
                raise
        return None if self.filled(example).get("goal") else "the user has no goal: give the example or `user` a `goal`"

    async def next(self, ask: Ask, example: Example, said: Conversation) -> tuple[str, str | None]:
        """Return what the user says now, or "" and how it ends the conversation.

        Raises ModelError, and InsideLLMsError for one that says nothing.
        """
        reached, given_up = _marks(example)
        told = self.filled(example)
        system = _PROMPT.format(
            persona=f"\nWho you are:\n{told['persona']}\n" if "persona" in told else "",
            goal=told.get("goal", ""),
            reached=reached,
            given_up=given_up,
        )
        chat = (Message(role="system", content=system), Message(role="user", content=_BEGIN), *_swapped(said))
        text = (await ask(Request.of(chat))).text.strip()
        if not text:
            raise InsideLLMsError(
                "the simulated user said nothing", fix="raise its model's max_tokens, or use another model"
            )
        ends = {reached: GOAL_REACHED, given_up: GAVE_UP}
        said_alone = [ends[bare] for line in text.splitlines() if (bare := _bare(line)) in ends]
        if not said_alone:
            return re.sub("|".join(ends), "…", text, flags=re.IGNORECASE), None
        if not said.messages:
            raise InsideLLMsError(
                "the simulated user ended the conversation before it began", fix="give it a goal that is not reached"
            )
        return "", said_alone[-1]


def _not_taken(key: str) -> ArgumentError:
    near = nearest(key, _KEYS)
    hint = (
        "write the model as user: {model: {type: ..., args: {...}}}"
        if key in {"type", "args"}
        else (f"did you mean {near!r}?" if near else f"known: {', '.join(_KEYS)}")
    )
    error = ArgumentError(f"probe conversation: user takes no {key!r}", fix=hint)
    error.argument = "user"
    return error


def _model(given: JsonValue) -> Any:
    """Return the model as judges are named. Raises ArgumentError."""
    if given is None or isinstance(given, list | tuple):
        raise refuse("conversation", "user.model", given, "{type: PROVIDER, args: {...}}")
    return next(iter(named_judges(given, owner="conversation", argument="user.model").values()))


def _text(given: Mapping[str, JsonValue], name: str) -> Template | None:
    text = given.get(name)
    if text is not None and not (isinstance(text, str) and text.strip()):
        raise refuse("conversation", f"user.{name}", text, "a text that is not empty")
    return None if text is None else template_of(text, "user")


def _marks(example: Example) -> tuple[str, str]:
    """Return the lines that end a conversation; the subject cannot know them, as it sees nothing that they are of."""
    token = hashlib.sha256(f"end of {example.digest()}".encode()).hexdigest()[:8].upper()
    return f"GOAL-REACHED-{token}", f"GAVE-UP-{token}"


def _bare(line: str) -> str:
    """Return a line without what models put around a text that they are to write exactly."""
    return line.strip(" \t*_`\"'“”.!").upper()


def _swapped(said: Conversation) -> Iterator[Message]:
    """Yield the chat as the user sees it: its own words are the assistant's, and no tool is heard of."""
    for turn, (before, answer) in zip(said.turns, said.answers(), strict=True):
        for message in before[-turn.asked :]:
            if message.role == "user":
                yield Message(role="assistant", content=message.text)
            elif message.role == "assistant":
                yield Message(role="user", content=message.text or _SILENT)
        yield Message(role="user", content=answer.text.strip() or _SILENT)
