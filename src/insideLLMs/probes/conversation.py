"""Conversations: turns that are written down, or a user played by a model, with checks of each answer and of all."""

import asyncio
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from insideLLMs.core.arguments import flag, refuse
from insideLLMs.core.conversation import Conversation
from insideLLMs.core.errors import ArgumentError, TemplateError
from insideLLMs.core.protocols import Ask, ConversingProbe, JudgedProbe, Talk
from insideLLMs.core.types import Example, JsonValue, Message, Response, Scores, expand
from insideLLMs.probes.checks import ChecksProbe
from insideLLMs.probes.conversations.placed_check import (
    GRADED,
    PlacedCheck,
    all_answers,
    as_question,
    as_transcript,
    of_all,
    of_turn,
    whole_conversation,
)
from insideLLMs.probes.conversations.script import ANSWERS, ScriptedTurn, read_script
from insideLLMs.probes.conversations.simulated_user import GOAL_REACHED, USER, SimulatedUser
from insideLLMs.probes.judge import named_judges
from insideLLMs.probes.named_check import CheckResult, NamedCheck, Place, WrongCheckError

SCRIPT_OVER, FAILED_CHECK, STOPPED, TURN_LIMIT = "script_over", "failed_check", "stopped", "turn_limit"


class ConversationProbe(ConversingProbe):
    """Hold a conversation with the subject and check each answer, and the conversation as a whole.

    `turns`, in the example or here, are the user's texts, or mappings of `user` with the `checks` of the answer or with
    what it is `expected` to mention; ``{assistant: ...}`` is a given answer. A text may name fields of the example and
    earlier answers: ``{{ answers[0] }}``. Or a model plays the user: `user` has `model`, `goal`, `persona`, `opening`,
    `max_turns` (10), `stop_when` (a check that ends the conversation), `at_turn_limit` (`fail`, or `score`: the checks
    decide) and `decides` (false; true: the user must also say that the goal is reached). An example's `goal`, `persona`
    and `opening` replace those here.

    `checks`, here and in the example, are of the whole: checks read all answers of the subject, judges the transcript.
    `turn_checks` apply to each answer. With `stop_on_failure` a conversation ends at the first turn that fails; judges
    are asked at the end and do not stop it. `judges` are as for the probe `checks`.

    Scores: `correct`; `turns`, the share of checked turns that pass; `before_failure`, the share of checked turns
    before the first failure; and 1 or 0 for each check of the whole that has a `name`.
    """

    scores_in_place: ClassVar[bool] = False
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(
        ("correct", "turns", "before_failure"), (0.0, 1.0)
    )
    open_scores: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("checks[].function", "turn_checks[].function")

    def __new__(cls, *_: object, judges: JsonValue = None, **__: object) -> "ConversationProbe":
        """Make the form that asks judges where there are some: only the engine can ask them."""
        return super().__new__(cls if judges is None or cls is not ConversationProbe else JudgedConversationProbe)

    def __init__(
        self,
        name: str | None = None,
        *,
        turns: JsonValue = None,
        user: JsonValue = None,
        checks: JsonValue = (),
        turn_checks: JsonValue = (),
        stop_on_failure: bool = False,
        judges: JsonValue = None,
    ) -> None:
        super().__init__(name or "conversation", "conversation", "Conversations of several turns.")
        if user is not None and turns is not None:
            raise refuse("conversation", "turns", turns, "left out beside `user`, who writes the turns")
        self.user = None if user is None else SimulatedUser.of(user)
        self.turns = turns
        self._script = None if turns is None else read_script(turns)
        self.judges = {} if judges is None else named_judges(judges)
        if USER in self.judges:
            raise refuse("conversation", "judges", USER, f"judges with another `id` than {USER!r}")
        self.stop_on_failure = flag("conversation", "stop_on_failure", stop_on_failure)
        given = self.judges or None
        self._whole = ChecksProbe(checks=checks, judges=given and list(self.judges.values()))
        self._each = ChecksProbe(checks=turn_checks, judges=given and list(self.judges.values()))
        self.version = f"2; {self._whole.version}"  # type: ignore[misc] # it follows that of the checks

    # `__new__` is there for another reason, and says nothing of the arguments
    __signature__: ClassVar[inspect.Signature] = inspect.Signature(
        [one for name, one in inspect.signature(__init__).parameters.items() if name != "self"]
    )

    @classmethod
    def argument_problems(cls, args: Mapping[str, JsonValue]) -> Iterator[tuple[Place, str, str | None]]:
        """Yield what is wrong with the arguments: the way to it, the problem, and what to do."""
        for name in ("checks", "turn_checks"):
            given = {"checks": args.get(name, ()), "judges": args.get("judges")}
            for (_, *rest), problem, hint in ChecksProbe.argument_problems(given):
                yield (name, *rest), problem, hint
        for name, read in (("turns", read_script), ("user", SimulatedUser.of)):
            try:
                if args.get(name) is not None:
                    read(args[name])
            except WrongCheckError as error:
                yield error.place, error.problem, error.hint
            except TemplateError as error:
                yield (name,), error.message, error.fix
            except ArgumentError as error:
                yield tuple(str(error.argument or name).split(".")), error.message, error.fix

    def own_models(self) -> Mapping[str, Any]:
        """Name the model that plays the user."""
        return {} if self.user is None else {USER: self.user.model}

    def most_calls(self, example: Example) -> Mapping[str, int]:
        """Count the turns, and what the user says."""
        if self.user is None:
            return {"": len(self._script_of(example))}
        _, opening = self._opening(self.user, example)
        return {"": self.user.max_turns, USER: self.user.max_turns + (opening is None)}

    def led_by(self, example: Example) -> JsonValue:
        """Return the script or the simulated user's settings, and what ends the conversation early."""
        script = None if self.user else [expand(turn) for turn in self._script_of(example)]
        return {"script": script, "user": self.user and self.user.settings, "stops": self.stop_on_failure}

    def named_scores(self, example: Example) -> frozenset[str]:
        """Return the scores of the checks of the whole that have a name."""
        return self._whole.named_scores(example)

    def check_example(self, example: Example) -> str | None:
        """Say what is wrong with the example's turns and checks, or that there are none."""
        try:
            if self.user is None:
                self._check_script(example)
            else:
                return self._check_user(self.user, example) or self._check_checks(example)
        except WrongCheckError as error:
            return error.message
        return self._check_checks(example)

    def _check_script(self, example: Example) -> None:
        """Raise WrongTurnError, or the TemplateError of a turn that the probe has."""
        if ANSWERS in example.fields:
            raise WrongCheckError((ANSWERS,), "is the name for earlier answers in turns; rename this field")
        for number, turn in enumerate(self._script_of(example)):
            try:
                turn.check(example, number)
            except TemplateError as error:
                error.message = f"turn {number + 1}: {error.message}"
                if self._script is not None and "turns" not in example.fields:
                    raise error.of("turns") from None
                raise WrongCheckError(("turns", turn.place), error.message, error.fix) from None

    def _check_user(self, user: SimulatedUser, example: Example) -> str | None:
        if "turns" in example.fields:
            return "it has `turns`, and the probe a `user` who says what is said; leave out one"
        try:
            complaint = user.check(example)
        except TemplateError as error:
            raise error.of("user") from None
        stop = user.stop_when
        wrong = None if stop is None else stop.probe.check_example(stop.example(of_turn(example, None, example.text)))
        return complaint or (wrong and f"stop_when: {wrong}")

    def _check_checks(self, example: Example) -> str | None:
        """Say what is wrong with the checks, or that nothing would decide. Raises WrongCheckError."""
        decides = self.user is not None and self.user.decides
        count = int(decides)
        for where, group, held in self._groups(example):
            try:
                checks = group.checks_of(held)
            except WrongCheckError as error:
                return f"{where}{error.message}"
            count += sum(check.weight > 0 for check in checks)
            for check in checks:
                complaint = check.probe.check_example(check.example(held))
                if complaint:
                    return f"{where}check {check.name!r}: {complaint}"
        if not count:
            return "nothing to check: give the example, its turns or the probe `checks`, of which one has a weight"
        return None

    def _groups(self, example: Example) -> Iterator[tuple[str, ChecksProbe, Example]]:
        """Yield the places that have checks, each with the example as its checks read it before anything is said."""
        script = () if self.user is not None else self._script_of(example)
        for number, turn in enumerate(script, 1):
            yield f"turn {number}: ", self._each, of_turn(example, turn, turn.user)
        if self.user is not None:
            yield "turn_checks: ", self._each, of_turn(example, None, example.text)
        yield "", self._whole, of_all(example)

    async def converse(self, example: Example, talk: Talk) -> str:
        """Say what the script says, or what the user does."""
        if self.user is not None:
            return await self._let_user_talk(self.user, example, talk)
        script = self._script_of(example)
        while (number := len(talk.said.turns)) < len(script):
            if number and self.stop_on_failure and await self._fails(example, talk.said, script):
                return FAILED_CHECK
            answers = [answer.text for _, answer in talk.said.answers()]
            await talk.say(script[number].filled(example, answers), script[number].given)
        return SCRIPT_OVER

    async def _let_user_talk(self, user: SimulatedUser, example: Example, talk: Talk) -> str:
        given, opening = self._opening(user, example)
        text = talk.said.unanswered[-1].text if talk.said.unanswered else None
        while True:
            turns = len(talk.said.turns)
            if turns and self.stop_on_failure and await self._fails(example, talk.said, ()):
                return FAILED_CHECK
            if turns and user.stop_when is not None and await _holds(user.stop_when, example, talk.said):
                return STOPPED
            text = text or (None if turns else opening)
            if text is None:
                text, ended = await user.next(talk.models[USER], example, talk.said)
                if ended is not None:
                    return ended
            if turns >= user.max_turns:
                return TURN_LIMIT
            await talk.say(text, () if turns else given)
            text = None

    def score(self, example: Example, response: Response) -> Scores:
        """Check a conversation. Raises InsideLLMsError for an answer that is not a conversation, or that broke off."""
        said = whole_conversation(response)
        placed = self._placed(example, said)
        found = (None if one.response is None else one.check.score(one.example, one.response) for one in placed)
        return self._sum_up(said, placed, found)

    def _placed(self, example: Example, said: Conversation) -> list[PlacedCheck]:
        """Return all checks with what they read."""
        script = () if self.user is not None else self._script_of(example)
        placed = list(self._of_turns(example, said, script))
        seen = {False: all_answers(said), True: as_transcript(said)}
        for check in self._whole.checks_of(example):
            is_judged = isinstance(check.probe, JudgedProbe)
            held = of_all(example, GRADED if is_judged else None)
            placed.append(PlacedCheck(turn=None, check=check, example=held, response=seen[is_judged]))
        return placed

    def _of_turns(self, example: Example, said: Conversation, script: Sequence[ScriptedTurn]) -> Iterator[PlacedCheck]:
        answers = list(said.answers())
        for number in range(max(len(answers), len(script))):
            turn = script[number] if number < len(script) else None
            before, response = answers[number] if number < len(answers) else ((), None)
            for check in self._each.checks_of(of_turn(example, turn, "")):
                asked = as_question(before) if isinstance(check.probe, JudgedProbe) else before
                held = of_turn(example, turn, asked)
                yield PlacedCheck(turn=number + 1, check=check, example=held, response=response)

    def _sum_up(self, said: Conversation, placed: Sequence[PlacedCheck], found: Iterable[CheckResult | None]) -> Scores:
        results = [one.result(result) for one, result in zip(placed, found, strict=True)]
        turns: dict[int, bool] = {}
        for one, result in zip(placed, results, strict=True):
            if one.turn is not None and result.weight > 0:
                turns[one.turn] = turns.get(one.turn, True) and result.passed
        first = next((turn for turn, passed in turns.items() if not passed), None)
        wrong = [f"{one.check}: {one.why}" for one in results if one.weight > 0 and not one.passed]
        wrong += self._wrong_end(said)
        told = [f"{sum(turns.values())} of {len(turns)} checked turns passed"] if turns else []
        told += [] if self.user is None else [f"the user {_ENDS.get(said.ended or '', 'was stopped')}"]
        named = {
            result.check: float(result.passed) for result in results if result.is_named and ": " not in result.check
        }
        before = len(turns) if first is None else list(turns).index(first)
        return Scores(
            values={
                "correct": float(not wrong),
                **({"turns": sum(turns.values()) / len(turns), "before_failure": before / len(turns)} if turns else {}),
                **named,
            },
            passed=not wrong,
            label=said.ended if self.user is not None else f"turn {first} fails" if first else "every turn passes",
            explanation="; ".join((", ".join(told), *(["failed"] if wrong and not told else []), *wrong)).strip("; "),
            details={"ended": said.ended, "first_failed_turn": first, "checks": [expand(one) for one in results]},
        )

    def _wrong_end(self, said: Conversation) -> list[str]:
        """Say in what the end itself fails."""
        if self.user is None:
            return []
        if said.ended == TURN_LIMIT and self.user.at_turn_limit == "fail":
            return [f"the limit of {self.user.max_turns} turns was reached"]
        if self.user.decides and said.ended != GOAL_REACHED:
            return ["the user did not say that its goal is reached"]
        return []

    async def _fails(self, example: Example, said: Conversation, script: Sequence[ScriptedTurn]) -> bool:
        """Whether the last answer fails a check that needs no judge."""
        last = [
            one
            for one in self._of_turns(example, said, script)
            if one.turn == len(said.turns) and one.check.weight > 0 and not isinstance(one.check.probe, JudgedProbe)
        ]
        results = [await one.check.score_with(one.example, one.response, {}) for one in last if one.response]
        return not all(result.passed for result in results)

    def _script_of(self, example: Example) -> tuple[ScriptedTurn, ...]:
        """Return the example's turns, or the probe's, or its input as the only one. Raises WrongTurnError."""
        history = () if isinstance(example.input, str) else example.input
        own = example.fields.get("turns")
        if own is not None:
            script = read_script(own, history)
            first = next((one.text for one in script[0].given if one.role == "user"), script[0].user)
            if isinstance(example.input, str) and example.input != first:
                raise WrongCheckError(
                    ("turns", 0), "is not the example's input", "say the input first, or leave it out beside `turns`"
                )
            return script
        if self._script is not None:
            return read_script(self.turns, history)
        return read_script((), history or (Message(role="user", content=example.text),))

    def _opening(self, user: SimulatedUser, example: Example) -> tuple[tuple[Message, ...], str | None]:
        """Return the messages that are given, and what the user says first; None where it is to think of something."""
        told = user.filled(example)
        if not isinstance(example.input, str):
            *given, last = example.input
            is_users = last.role == "user"
            return tuple(given if is_users else example.input), last.text if is_users else told.get("opening")
        own = None if example.input == example.fields.get("goal") else example.input
        return (), told.get("opening") or own


class JudgedConversationProbe(ConversationProbe, JudgedProbe):
    """The same, where some of the checks ask judges."""

    def judge_models(self) -> Mapping[str, Any]:
        """Name the judges."""
        return self.judges

    async def score_with(self, example: Example, response: Response, judges: Mapping[str, Ask]) -> Scores:
        """Check a conversation; the judges of all turns are asked at once."""
        said = whole_conversation(response)
        placed = self._placed(example, said)
        asked = [
            _nothing() if one.response is None else one.check.score_with(one.example, one.response, judges)
            for one in placed
        ]
        # every check is waited for, so that no call goes on behind a trial that has failed
        found = await asyncio.gather(*asked, return_exceptions=True)
        results: list[CheckResult | None] = []
        for result in found:
            if isinstance(result, BaseException):
                raise result
            results.append(result)
        return self._sum_up(said, placed, results)


_ENDS = {
    GOAL_REACHED: "says that its goal is reached",
    "gave_up": "gave up",
    TURN_LIMIT: "was not done at the turn limit",
}


async def _nothing() -> None:
    return None


async def _holds(check: NamedCheck, example: Example, said: Conversation) -> bool:
    *_, (before, answer) = said.answers()
    return (await check.score_with(of_turn(example, None, before), answer, {})).passed
