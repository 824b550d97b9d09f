"""What the checks of a conversation read: one answer with all that was said before it, or the whole."""

import msgspec

from insideLLMs.core.conversation import Conversation, transcript
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.types import Example, Message, Response
from insideLLMs.probes.conversations.script import ScriptedTurn
from insideLLMs.probes.named_check import CheckResult, NamedCheck
from insideLLMs.scoring.normalise import is_blank

GRADED = (
    "A conversation of an assistant with a user is graded as a whole: what the assistant says in it, not what the "
    "user says."
)
"""The judge's instruction: what it grades."""
_NOT_ASKED = "the conversation ended before this turn"


class PlacedCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A check with what it reads; `turn` counts from 1, None for a check of the whole conversation.

    There is no `response` where the conversation ended before.
    """

    turn: int | None
    check: NamedCheck
    example: Example
    response: Response | None

    def result(self, found: CheckResult | None) -> CheckResult:
        """Return what it came to, named by its turn."""
        if found is None:
            found = CheckResult(
                check=self.check.name, passed=False, why=_NOT_ASKED, scores={}, weight=self.check.weight
            )
        return found if self.turn is None else msgspec.structs.replace(found, check=f"turn {self.turn}: {found.check}")


def whole_conversation(response: Response) -> Conversation:
    said = Conversation.of(response)
    if said is None:
        raise InsideLLMsError("the answer is not a conversation", fix="score answers of the probe `conversation`")
    if said.ended is None:
        raise InsideLLMsError(f"the conversation broke off after {len(said.turns)} turns")
    return said


def of_turn(example: Example, turn: ScriptedTurn | None, asked: str | tuple[Message, ...]) -> Example:
    """Return an example as the checks of one answer read it."""
    fields = {name: value for name, value in example.fields.items() if name not in {"turns", "checks"}}
    if turn is not None and turn.checks:
        fields["checks"] = list(turn.checks)
    expected = () if turn is None else turn.expected
    return msgspec.structs.replace(example, input=asked, fields=fields, expected=expected)


def of_all(example: Example, asked: str | None = None) -> Example:
    """Return an example as the checks of the whole read it."""
    fields = {name: value for name, value in example.fields.items() if name != "turns"}
    return msgspec.structs.replace(example, input=asked or example.input, fields=fields)


def as_question(before: tuple[Message, ...]) -> str:
    """Return what a judge sees of the conversation before an answer."""
    return before[-1].text if len(before) == 1 else transcript(before, indented=True)


def all_answers(said: Conversation) -> Response:
    """Return all that the subject said as one answer."""
    answers = [answer for _, answer in said.answers()]
    last = answers[-1] if answers else Response()
    kept = {**last.kept, "last": last.text, "answers": [answer.text for answer in answers], "ended": said.ended}
    text = "\n\n".join(answer.text for answer in answers if not is_blank(answer.text))
    return msgspec.structs.replace(
        last, text=text, kept={**kept, "transcript": transcript(said.messages)}, trajectory=said.messages
    )


def as_transcript(said: Conversation) -> Response:
    """Return what was said on both sides as one answer; an empty one where the subject said nothing."""
    answers = all_answers(said)
    if is_blank(answers.text):
        return answers
    return msgspec.structs.replace(answers, text=transcript(said.messages, indented=True))
