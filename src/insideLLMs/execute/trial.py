"""One Trial to one Outcome: ask, then score, each failure typed and in its place."""

import asyncio
import datetime as dt
import functools
import inspect
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CassetteMissError, InsideLLMsError, ModelError
from insideLLMs.core.protocols import Ask, AsyncModel, JudgedProbe, Probe, PromptProbe
from insideLLMs.core.types import (
    Exchange,
    Failure,
    JudgeCall,
    Outcome,
    Request,
    Response,
    ResultStatus,
    Scores,
    Telemetry,
    Usage,
)
from insideLLMs.core.user_code import UserCodeError, calling_user_code
from insideLLMs.execute.adapt import ModelDoor, UserModel, is_async, with_system
from insideLLMs.execute.answers import AnswerStore, request_key
from insideLLMs.execute.retry import Attempts, RetryPolicy
from insideLLMs.execute.threads import AbandonableThreads
from insideLLMs.plan import Trial

Stage = Literal["request", "model", "probe", "score", "plan"]
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_MESSAGE_LIMIT = 2000


class FatalError(Exception):
    """Carries a fatal ModelError out of a Trial, which is then left unrecorded."""

    def __init__(self, error: ModelError) -> None:
        super().__init__(str(error))
        self.error = error


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the run and the terms on which it is asked."""

    id: str
    model: AsyncModel
    system: str | None
    policy: RetryPolicy
    timeout_s: float | None
    digest: str = ""
    answers: AnswerStore | None = None
    spend: Callable[[Usage | None], None] | None = None

    async def answer(self, request: Request, trial: Trial, attempts: Attempts) -> Response:
        """Answer one request of a Trial: from the store of answers, or by asking the model. Raises ModelError."""
        sent = with_system(request, self.system)
        key = ""
        if self.answers is not None:
            key = request_key(self.digest, sent, trial.repeat)
            found = self.answers.find(key, self.digest)
            if found is not None:
                attempts.cached = True
                return found
            if self.answers.closed:
                raise CassetteMissError(
                    f"the cassette has no answer for example {trial.example.id!r} (model {self.id!r}, "
                    f"probe {trial.probe!r}, repeat {trial.repeat})",
                    fix="record it anew with --record: the model, its parameters, the prompt or the dataset changed",
                )
        response = await self.policy.call(self.model, sent, trial.repeat, attempts)
        if self.spend is not None:
            self.spend(response.usage)
        if self.answers is not None:
            self.answers.keep(
                Exchange(
                    key=key,
                    model=self.id,
                    model_digest=self.digest,
                    repeat=trial.repeat,
                    request=sent,
                    response=response,
                )
            )
        return response


class TrialClock:
    """Collects the volatile facts of one Trial."""

    def __init__(self) -> None:
        self.attempts = Attempts()
        self._started_at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        self._started = time.monotonic()

    def telemetry(self, usage: Usage | None = None, *, whole: bool = False) -> Telemetry:
        """Return the facts; `whole` takes the time since the start as the latency, for calls we cannot see into."""
        attempts = self.attempts
        seconds = time.monotonic() - self._started if whole else attempts.answer_s
        return Telemetry(
            started_at=self._started_at,
            latency_ms=None if attempts.cached and not attempts.count else _milliseconds(seconds),
            queued_ms=_milliseconds(attempts.queued_s),
            retry_ms=_milliseconds(attempts.retry_s),
            connect_ms=_milliseconds(attempts.facts.connect_s),
            first_byte_ms=_milliseconds(attempts.facts.first_byte_s),
            first_chunk_ms=_milliseconds(attempts.facts.first_chunk_s),
            attempts=attempts.count,
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            cached=attempts.cached,
        )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


async def ask(lane: Lane, probe: PromptProbe, trial: Trial, clock: TrialClock) -> tuple[Request, Response] | Outcome:
    """Get the answer of a PromptProbe's Trial, or the Outcome that there is none.

    Raises FatalError where every later call would fail alike.
    """
    request: Request | None = None
    stage: Stage = "request"
    try:
        with calling_user_code(f"{probe.name}.request()"):
            request = probe.request(trial.example)
        stage = "model"
        async with asyncio.timeout(lane.timeout_s) as limit:
            clock.attempts.deadline = limit
            return request, await lane.answer(request, trial, clock.attempts)
    except TimeoutError as error:
        if not isinstance(error, ModelError) and limit.expired():
            return _timed_out(lane, clock.telemetry(), request)
        return _failed(error, stage, clock.telemetry(), request=request)
    except InsideLLMsError as error:
        return _failed(error, stage, clock.telemetry(), request=request)


async def score(
    probe: PromptProbe, trial: Trial, answer: tuple[Request, Response], telemetry: Telemetry, scoring: "Scoring"
) -> Outcome:
    """Score an answer; a scorer that raises or hangs is an error on an answer that is kept."""
    request, response = answer
    calls: list[JudgeCall] = []
    try:
        if isinstance(probe, JudgedProbe):
            scores = await scoring.by_judges(probe, trial, response, calls)
        else:
            score = functools.partial(probe.score, trial.example, response)
            scores = await scoring.call(score, f"{probe.name}.score()", probe)
        check_scores(scores, probe)
    except InsideLLMsError as error:
        return _failed(error, "score", _with(telemetry, calls), request=request, response=response)
    telemetry = _with(telemetry, calls)
    return Outcome(status=ResultStatus.SUCCESS, request=request, response=response, scores=scores, telemetry=telemetry)


def _with(telemetry: Telemetry, calls: list[JudgeCall]) -> Telemetry:
    return msgspec.structs.replace(telemetry, judges=tuple(calls)) if calls else telemetry


class Scoring(msgspec.Struct, frozen=True, kw_only=True):
    """Where scorers run: ours in place, anybody else's on a thread that can be abandoned.

    `judges` has, by probe, the lanes of the models that its scoring asks.
    """

    threads: AbandonableThreads
    timeout_s: float | None
    judges: Mapping[str, Mapping[str, Lane]] = {}

    async def by_judges(self, probe: JudgedProbe, trial: Trial, response: Response, calls: list[JudgeCall]) -> Scores:
        """Let a probe ask its judges, and note each call. Raises what they or the probe raise, as `call` does."""
        with calling_user_code(f"{probe.name}.score_with()"):
            try:
                async with asyncio.timeout(self.timeout_s) as limit:
                    asks = {name: _asker(lane, trial, limit, calls) for name, lane in self.judges[trial.probe].items()}
                    return await probe.score_with(trial.example, response, asks)
            except TimeoutError as error:
                if isinstance(error, ModelError) or not limit.expired():
                    raise
                raise TimeoutError(f"the judges did not answer within {self.timeout_s:g} s") from error

    async def call(self, function: Callable[[], Any], what: str, probe: Probe) -> Any:
        """Call a scorer. Raises UserCodeError for what it raises and for one that does not return in time."""
        with calling_user_code(what):
            if probe.scores_in_place:
                return function()
            try:
                async with asyncio.timeout(self.timeout_s):
                    result = await self.threads.run(function)
                    return await result if inspect.isawaitable(result) else result
            except TimeoutError as error:
                raise TimeoutError(f"it did not return within {self.timeout_s:g} s") from error


def _asker(lane: Lane, trial: Trial, limit: asyncio.Timeout, calls: list[JudgeCall]) -> Ask:
    """Return how a scorer asks one judge: on the lane's terms, within the Trial's time, and noted in `calls`."""

    async def ask_judge(request: Request) -> Response:
        clock = TrialClock()
        clock.attempts.deadline = limit
        status, usage = ResultStatus.ERROR, None
        try:
            response = await lane.answer(request, trial, clock.attempts)
            status, usage = ResultStatus.SUCCESS, response.usage
            return response
        except ModelError as error:
            status = ResultStatus(error.status)
            raise
        finally:
            facts = msgspec.structs.asdict(clock.telemetry(usage))
            del facts["judges"]
            calls.append(JudgeCall(model=lane.id, status=status, **facts))

    return ask_judge


def check_scores(scores: object, probe: Probe) -> None:
    """Raise InsideLLMsError unless `scores` are Scores within the ranges that the probe declares."""
    if not isinstance(scores, Scores):
        raise InsideLLMsError(f"{probe.name}.score() returned {type(scores).__name__}; it must return Scores")
    for name, value in scores.values.items():
        low, high = sorted(probe.score_ranges.get(name, (0.0, 1.0)))
        if not low <= value <= high:
            raise InsideLLMsError(
                f"score {name!r} is {value}, outside its range {low:g} to {high:g}",
                fix=f"declare score_ranges = {{{name!r}: (worst, best)}} in {type(probe).__name__}",
            )


async def examine(lane: Lane, probe: Probe, trial: Trial, data: object, run: "Examination") -> Outcome:
    """Run a probe of the simple contract: it does the calling."""
    door = ModelDoor(_user_object(lane), run.asker(lane, trial), asyncio.get_running_loop())
    threaded = isinstance(lane.model, UserModel) and lane.model.runs_in_thread
    model = _user_object(lane) if threaded else door
    try:
        async with asyncio.timeout(lane.timeout_s) as limit:
            run.clock.attempts.deadline = limit
            with calling_user_code(f"{probe.name}.run()"):
                if not _accepts(probe, data):
                    failure = Failure(stage="probe", type="InvalidInput", message=f"{probe.name} declined this input")
                    return Outcome(status=ResultStatus.SKIPPED, failure=failure, telemetry=run.clock.telemetry())
                response = _as_output(await _run_probe(probe, model, data, run), door)
    except TimeoutError as error:
        if limit.expired():
            return _timed_out(lane, run.clock.telemetry(whole=True), None)
        return _failed(error, "probe", run.clock.telemetry(whole=True))
    except InsideLLMsError as error:
        return _failed(error, "probe", run.clock.telemetry(whole=True))
    finally:
        door.close()
    return await _score_output(probe, trial, response, run)


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What a simple-contract Trial needs besides its probe: threads, scoring, its clock, options for `run`."""

    threads: AbandonableThreads
    scoring: Scoring
    clock: TrialClock
    options: dict[str, Any]

    def asker(self, lane: Lane, trial: Trial) -> Callable[[Request], Any]:
        """Return how the probe's calls reach the model."""

        async def call(request: Request) -> Response:
            return await lane.answer(request, trial, self.clock.attempts)

        return call


async def _run_probe(probe: Probe, model: object, data: object, run: Examination) -> object:
    if is_async(probe.run):
        return await probe.run(model, data, **run.options)
    result = await run.threads.run(functools.partial(probe.run, model, data, **run.options))
    return await result if inspect.isawaitable(result) else result


async def _score_output(probe: Probe, trial: Trial, response: Response, run: Examination) -> Outcome:
    telemetry = run.clock.telemetry(response.usage, whole=True)
    hook = getattr(probe, "score_output", None)
    output = response.text if response.value is None else response.value
    try:
        scores = None
        if hook is not None:
            call = functools.partial(hook, trial.example, output)
            scores = await run.scoring.call(call, f"{probe.name}.score_output()", probe)
        if scores is not None:
            check_scores(scores, probe)
    except InsideLLMsError as error:
        return _failed(error, "score", telemetry, response=response)
    return Outcome(status=ResultStatus.SUCCESS, response=response, scores=scores, telemetry=telemetry)


def _user_object(lane: Lane) -> object:
    return lane.model.model if isinstance(lane.model, UserModel) else lane.model


def _accepts(probe: Probe, data: object) -> bool:
    check = getattr(probe, "validate_input", None)
    return check is None or bool(check(data))


def _as_output(output: object, door: ModelDoor) -> Response:
    if isinstance(output, Response):
        return output
    if isinstance(output, str):
        return Response(text=output, usage=door.usage)
    canonical.check(output, at="output")
    return Response(value=output, usage=door.usage)


def _timed_out(lane: Lane, telemetry: Telemetry, request: Request | None) -> Outcome:
    failure = Failure(stage="model", type="Timeout", message=f"no answer within {lane.timeout_s:g} s")
    return Outcome(status=ResultStatus.TIMEOUT, request=request, failure=failure, telemetry=telemetry)


def _failed(
    error: Exception,
    stage: Stage,
    telemetry: Telemetry,
    *,
    request: Request | None = None,
    response: Response | None = None,
) -> Outcome:
    """Type a failure. Raises FatalError for a model error that ends the run."""
    cause = error.cause if isinstance(error, UserCodeError) else error
    if isinstance(cause, ModelError) and cause.fatal:
        raise FatalError(cause) from error
    message = error.message if isinstance(error, InsideLLMsError) else str(error)
    failure = Failure(stage=stage, type=type(cause).__name__, message=_steady(message))
    return Outcome(status=_status(cause), request=request, response=response, failure=failure, telemetry=telemetry)


def _steady(message: str) -> str:
    """Make an error's text fit for a canonical file: no memory addresses, no lone surrogates, not endless."""
    text = _ADDRESS.sub("0x...", message.encode("utf-8", "replace").decode())
    return text if len(text) <= _MESSAGE_LIMIT else text[:_MESSAGE_LIMIT] + "..."


def _status(cause: Exception) -> ResultStatus:
    if isinstance(cause, ModelError):
        return ResultStatus(cause.status)
    if isinstance(cause, TimeoutError):
        return ResultStatus.TIMEOUT
    if "RateLimit" in type(cause).__name__:
        return ResultStatus.RATE_LIMITED
    return ResultStatus.ERROR
