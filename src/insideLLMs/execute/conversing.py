"""One Trial that is a conversation: the probe leads it, the subject is asked turn by turn, what was said is kept."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.conversation import Conversation, Turn
from insideLLMs.core.errors import InsideLLMsError, ModelError
from insideLLMs.core.protocols import Ask, ConversingProbe
from insideLLMs.core.types import (
    Failure,
    JudgeCall,
    Message,
    Outcome,
    Request,
    Response,
    ResultStatus,
    Telemetry,
    ToolCall,
)
from insideLLMs.core.user_code import UserCodeError, calling_user_code
from insideLLMs.execute.abandonable import in_own_task
from insideLLMs.execute.asked_models import AskedModel
from insideLLMs.execute.retry import TrialClock
from insideLLMs.execute.sink import StoredAnswer
from insideLLMs.execute.trial import ProbeCalls, Stage, failed_outcome
from insideLLMs.plan import Trial

NOT_RUN = '{"error": "nothing runs tools in this conversation"}'
"""The result that a model gets for a tool call, as no application runs it here."""
Keep = Callable[[Outcome], Awaitable[bool]]
"""Puts what was said so far on disk, and returns whether to go on."""


async def converse(
    asked: AskedModel, probe: ConversingProbe, trial: Trial, calls: ProbeCalls, keep: Keep, stored: StoredAnswer | None
) -> Outcome | None:
    """Hold a conversation, or go on with the `stored` one; the Outcome has no scores yet, None where the run stops.

    One that fails keeps what was said, and is gone on with when the run is resumed. Raises FatalError where every
    later call would fail too.
    """
    talk = OpenTalk(asked, trial, calls, keep)
    try:
        async with asyncio.timeout(asked.timeout_s) as limit:
            talk.limit = limit
            with calling_user_code(f"{probe.name}.converse()"):
                talk.begin(canonical.identity("led_by/1", probe.led_by(trial.example)), stored)
                if talk.said.ended is None:
                    await talk.end(await in_own_task(probe.converse(trial.example, talk)))
    except _StoppedError:
        return None
    except TimeoutError as error:
        return talk.timed_out() if limit.expired() else talk.failed(error)
    except InsideLLMsError as error:
        return talk.failed(error)
    return talk.outcome()


class _StoppedError(InsideLLMsError):
    """The run stops: what was said is on disk, and a resumed run goes on from there."""


class OpenTalk:
    """A conversation that goes on with the subject `asked` for one Trial."""

    def __init__(self, asked: AskedModel, trial: Trial, calls: ProbeCalls, keep: Keep) -> None:
        self.said = Conversation()
        self.limit: asyncio.Timeout | None = None
        self.asks: list[JudgeCall] = []
        self._asked, self._trial, self._calls, self._keep = asked, trial, calls, keep
        self._told: list[Telemetry] = []
        self._last = Response()
        self._request: Request | None = None
        self._sent: list[Message] = []
        self._noted = 0

    @property
    def models(self) -> Mapping[str, Ask]:
        """The models that the probe asks itself."""
        assert self.limit is not None
        return self._calls.askers(self._trial, self.limit, self.asks)

    def begin(self, led_by: str, stored: StoredAnswer | None) -> None:
        """Take what was said before, unless it was led otherwise, or what the application made of it is not known."""
        self.said = Conversation(led_by=led_by)
        said = None if stored is None else Conversation.of(stored.response)
        if stored is None or said is None or said.led_by != led_by:
            return
        if said.ended is None and self._asked.keeps_history:
            return
        self.said, self._last, self._request = said, stored.response, stored.request
        self._told, self.asks = [stored.telemetry], list(stored.telemetry.judges)
        self._noted = len(self.asks)
        turns = zip(said.turns, said.answers(), strict=True)
        for number, (turn, (before, answer)) in enumerate(turns):
            self._sent += self._wrapped(before[-turn.asked :], is_first=number == 0)
            self._sent += _as_history(answer)

    async def say(self, text: str, given: Sequence[Message] = ()) -> Response:
        """Say `text` as the user, after the `given` messages, and return the answer."""
        asked = (*given, Message(role="user", content=text))
        before = self.said.messages[: len(self.said.messages) - len(self.said.unanswered)]
        self.said = msgspec.structs.replace(self.said, messages=(*before, *asked))
        if len(self.asks) > self._noted:  # what the user says was paid for
            await self._note()
        self._sent += self._wrapped(asked, is_first=not self.said.turns)
        response = await self._answer()
        answered = _as_said(response, self._sent)
        turn = Turn(
            asked=len(asked),
            answered=len(answered),
            finish_reason=response.finish_reason,
            usage=response.usage,
            kept=response.kept,
        )
        self.said = msgspec.structs.replace(
            self.said, messages=(*self.said.messages, *answered), turns=(*self.said.turns, turn)
        )
        self._last = response
        await self._note()
        *_, (_, answer) = self.said.answers()
        self._sent += _as_history(answer)
        return answer

    async def end(self, how: str) -> None:
        """Note how it ended."""
        self.said = msgspec.structs.replace(self.said, ended=how)
        await self._note()

    def outcome(self) -> Outcome:
        """Return the conversation that has ended."""
        return msgspec.structs.replace(self._so_far(), response=self._response(led_by=None))

    def failed(self, error: InsideLLMsError | TimeoutError) -> Outcome:
        """Return the failure, with what was said before it."""
        cause = error.cause if isinstance(error, UserCodeError) else error
        stage: Stage = "model" if isinstance(cause, ModelError) else "probe"
        return self._with_what_was_said(failed_outcome(error, stage, self._telemetry(), request=self._request))

    def timed_out(self) -> Outcome:
        """Return the failure of a conversation that took too long."""
        failure = Failure(
            stage="model",
            type="Timeout",
            message=f"the conversation took more than {self._asked.timeout_s:g} s; {len(self.said.turns)} turns were "
            "answered",
            fix="raise execution.timeout_s, which limits the whole conversation; a resumed run continues it",
        )
        return self._with_what_was_said(
            Outcome(status=ResultStatus.TIMEOUT, request=self._request, failure=failure, telemetry=self._telemetry())
        )

    def _with_what_was_said(self, outcome: Outcome) -> Outcome:
        failure = outcome.failure
        if not self.said.messages or failure is None:
            return outcome
        told = msgspec.structs.replace(failure, message=f"turn {len(self.said.turns) + 1}: {failure.message}")
        return msgspec.structs.replace(outcome, response=self._response(self.said.led_by), failure=told)

    def _response(self, led_by: str | None) -> Response:
        return msgspec.structs.replace(self.said, led_by=led_by).held_by(self._last)

    def _so_far(self) -> Outcome:
        """Return what was said as it is stored meanwhile: as a failure, until it has ended."""
        has_ended = self.said.ended is not None
        failure = Failure(stage="model", type="Interrupted", message="the conversation was interrupted")
        return Outcome(
            status=ResultStatus.SUCCESS if has_ended else ResultStatus.ERROR,
            request=self._request,
            response=self._response(self.said.led_by),
            failure=None if has_ended else failure,
            telemetry=self._telemetry(),
        )

    async def _answer(self) -> Response:
        clock = TrialClock()
        clock.attempts.deadline = self.limit
        usage = None
        request = self._request = self._asked.sent(Request(messages=tuple(self._sent)), self._trial.example)
        try:
            response = await self._asked.answer(request, self._trial, clock.attempts, is_turn=True)
            usage = response.usage
            return response
        finally:
            self._told.append(clock.telemetry(usage))

    def _wrapped(self, asked: Sequence[Message], *, is_first: bool) -> Sequence[Message]:
        """Return what is sent for messages that end with the user's: the prompt's system and chat come once."""
        if is_first:
            return self._prompted(asked)
        *given, last = asked
        sent = self._prompted((last,))
        place = next((at for at in reversed(range(len(sent))) if sent[at].role == "user"), 0)
        return (*given, *sent[place:])

    def _prompted(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        request = Request(messages=tuple(messages))
        return self._calls.work.wrapped(request, self._trial.prompt, self._trial.example).messages

    async def _note(self) -> None:
        self._noted = len(self.asks)
        if not await self._keep(self._so_far()) and self.said.ended is None:
            raise _StoppedError("the run stops")

    def _telemetry(self) -> Telemetry:
        """Add up the calls of the subject, beside those of the probe's own models; further attempts are retries."""
        told = self._told
        return Telemetry(
            started_at=next((one.started_at for one in told), None),
            latency_ms=_sum(one.latency_ms for one in told),
            queued_ms=_sum(one.queued_ms for one in told),
            retry_ms=_sum(one.retry_ms for one in told),
            attempts=sum(one.attempts for one in told) - max(0, sum(one.attempts > 0 for one in told) - 1),
            input_tokens=_whole(one.input_tokens for one in told),
            output_tokens=_whole(one.output_tokens for one in told),
            cached=bool(told) and all(one.cached for one in told),
            batched=any(one.batched for one in told),
            judges=tuple(self.asks),
        )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 3) if known else None


def _whole(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _as_said(response: Response, sent: Sequence[Message]) -> tuple[Message, ...]:
    """Return the messages of an answer: those of an application that says what it did, which may repeat the chat."""
    done = [message for message in response.trajectory if message.role != "system"]
    chat = [message for message in sent if message.role != "system"]
    if [(one.role, one.text) for one in done[: len(chat)]] == [(one.role, one.text) for one in chat]:
        done = done[len(chat) :]
    answer = Message(role="assistant", content=response.text, tool_calls=response.tool_calls)
    if not done:
        results = (_not_run(call, number) for number, call in enumerate(response.tool_calls))
        return (_named_calls(answer), *results)
    if done[-1].role == "assistant" and done[-1].text == response.text:
        return tuple(done)
    return (*done, answer)


def _named_calls(message: Message) -> Message:
    """Give calls an id where they have none: a result names the call that it is of."""
    calls = (msgspec.structs.replace(call, id=_call_id(call, at)) for at, call in enumerate(message.tool_calls))
    return msgspec.structs.replace(message, tool_calls=tuple(calls))


def _call_id(call: ToolCall, number: int) -> str:
    return call.id or f"call_{number}"


def _not_run(call: ToolCall, number: int) -> Message:
    return Message(role="tool", content=NOT_RUN, tool_call_id=_call_id(call, number))


def _as_history(answer: Response) -> tuple[Message, ...]:
    """Return what later turns are sent of an answer: its text, or calls of tools with their results where they end it.

    What an application did meanwhile is its own matter.
    """
    if answer.trajectory and answer.trajectory[-1].role != "assistant":
        return answer.trajectory
    return (Message(role="assistant", content=answer.text),)
