"""One Trial to one Outcome: ask, then score, each failure typed and in its place."""

import asyncio
import contextlib
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeGuard

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import InsideLLMsError, ModelError
from insideLLMs.core.protocols import Ask, JudgedProbe, Probe, PromptProbe
from insideLLMs.core.thoughts import separate
from insideLLMs.core.types import (
    CallTelemetry,
    Failure,
    JudgeCall,
    Outcome,
    Request,
    Response,
    ResultStatus,
    Scores,
    Telemetry,
)
from insideLLMs.core.user_code import UserCodeError, calling_user_code
from insideLLMs.execute.abandonable import in_own_task
from insideLLMs.execute.adapt import ModelDoor, UserModel, is_async
from insideLLMs.execute.asked_models import AskedModel
from insideLLMs.execute.retry import Deadline, TrialClock, TrialOverError
from insideLLMs.execute.work import EngineOptions, Work
from insideLLMs.plan import Trial, judge_id
from insideLLMs.scoring.endable import OnEventLoopError

Stage = Literal["request", "model", "probe", "score", "plan"]
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_MESSAGE_LIMIT = 2000


class FatalError(Exception):
    """Carries a fatal ModelError out of a Trial, which is then left unrecorded."""

    def __init__(self, error: ModelError) -> None:
        super().__init__(str(error))
        self.error = error


async def ask(asked: AskedModel, request: Request | InsideLLMsError, trial: Trial) -> Outcome:
    """Ask for a Trial; the Outcome has no scores yet. Where no request could be made, that is the Outcome.

    Raises FatalError where every later call would fail too.
    """
    clock = TrialClock()
    if isinstance(request, InsideLLMsError):
        return failed_outcome(request, "request", clock.telemetry())
    if asked.timeout_s is not None:
        clock.attempts.deadline = Deadline(asyncio.get_running_loop().time() + asked.timeout_s)
    try:
        response = await asked.answer(request, trial, clock.attempts)
    except TrialOverError:
        return _timed_out(asked, clock.telemetry(), request)
    except TimeoutError as error:
        return failed_outcome(error, "model", clock.telemetry(), request=request)
    except InsideLLMsError as error:
        return failed_outcome(error, "model", clock.telemetry(), request=request)
    return Outcome(
        status=ResultStatus.SUCCESS, request=request, response=response, telemetry=clock.telemetry(response.usage)
    )


async def score(probe: PromptProbe, trial: Trial, answer: Outcome, probe_calls: "ProbeCalls") -> Outcome:
    """Score an answer; a scorer that raises or hangs is an error on an answer that is kept.

    An Outcome without a whole answer stays what it is.
    """
    done = score_at_once(probe, trial, answer)
    if done is not None:
        return done
    response = answer.response
    assert response is not None, "what has no answer is done"
    calls: list[JudgeCall] = []
    try:
        scored = _scored_part(probe, response)
        assert isinstance(scored, Response), "what is scored by then is done"
        if isinstance(probe, JudgedProbe):
            known = probe_calls.options.judged(trial, response)
            scores = known or await probe_calls.by_judges(probe, trial, scored, calls)
        else:
            score = functools.partial(probe.score, trial.example, scored)
            scores = await probe_calls.call(score, f"{probe.name}.score()", probe)
        check_scores(scores, probe)
    except InsideLLMsError as error:
        return _not_scored(answer, error, calls)
    return msgspec.structs.replace(answer, scores=scores, telemetry=_with(answer.telemetry, calls))


def score_at_once(probe: PromptProbe, trial: Trial, answer: Outcome) -> Outcome | None:
    """Score an answer as `score` does; None where that waits for a judge, a thread or a process, or ends the run."""
    response = answer.response
    if response is None or answer.failure is not None:
        return answer
    try:
        scored = _scored_part(probe, response)
        if isinstance(scored, Scores):
            scores = scored
        elif not probe.scores_in_place or isinstance(probe, JudgedProbe):
            return None
        else:
            with calling_user_code(f"{probe.name}.score()"):
                try:
                    scores = probe.score(trial.example, scored)
                except OnEventLoopError:
                    return None
        check_scores(scores, probe)
    except InsideLLMsError as error:
        return None if _is_fatal(_cause(error)) else _not_scored(answer, error, [])
    return msgspec.structs.replace(answer, scores=scores)


def _not_scored(answer: Outcome, error: InsideLLMsError, calls: list[JudgeCall]) -> Outcome:
    failed = failed_outcome(
        error, "score", _with(answer.telemetry, calls), request=answer.request, response=answer.response
    )
    return msgspec.structs.replace(failed, shared_with=answer.shared_with)


def _scored_part(probe: PromptProbe, response: Response) -> Response | Scores:
    if not probe.of:
        return response
    from insideLLMs.probes.answer_parts import scored_response  # noqa: PLC0415 - most probes read no part

    return scored_response(probe, response)


async def score_stored(probe: Probe, trial: Trial, response: Response, calls: "ProbeCalls") -> Outcome:
    """Score a stored answer as the run did, whatever the probe's contract; nothing but a judge is asked."""
    if isinstance(probe, PromptProbe):
        return await score(probe, trial, Outcome(status=ResultStatus.SUCCESS, response=response), calls)
    return await _score_output(probe, trial, response, Telemetry(), calls)


def _with(telemetry: Telemetry, calls: list[JudgeCall]) -> Telemetry:
    return msgspec.structs.replace(telemetry, judges=(*telemetry.judges, *calls)) if calls else telemetry


class ProbeCalls(msgspec.Struct, frozen=True, kw_only=True):
    """How the code of probes is called: ours in place, anybody else's on a thread that can be abandoned.

    `models` holds those that probes ask, their judges, by `judge_id`.
    """

    work: Work
    models: Mapping[str, AskedModel]
    options: EngineOptions = EngineOptions()

    @property
    def timeout_s(self) -> float | None:
        """How long scoring may take."""
        return self.work.execution.timeout_s

    def askers(self, trial: Trial, limit: asyncio.Timeout, calls: list[JudgeCall]) -> dict[str, Ask]:
        """Return how the probe of a Trial asks each of its own models; each call is noted."""
        named = self.work.judges.get(trial.probe, ())
        return {name: _asker(self.models[judge_id(trial.probe, name)], trial, limit, calls) for name in named}

    async def by_judges(self, probe: JudgedProbe, trial: Trial, response: Response, calls: list[JudgeCall]) -> Scores:
        """Let a probe ask its judges, and note each call. Raises what they or the probe raise, as `call` does."""
        with calling_user_code(f"{probe.name}.score_with()"):
            try:
                async with asyncio.timeout(self.timeout_s) as limit:
                    asks = self.askers(trial, limit, calls)
                    return await in_own_task(probe.score_with(trial.example, response, asks))
            except TimeoutError as error:
                if isinstance(error, ModelError) or not limit.expired():
                    raise
                raise ScoringTimeoutError(
                    f"the judges of {probe.name} did not answer within {self.timeout_s:g} s"
                ) from error

    async def call(self, function: Callable[[], Any], what: str, probe: Probe) -> Any:
        """Call a scorer. Raises UserCodeError for what it raises and for one that does not return in time."""
        with calling_user_code(what):
            if probe.scores_in_place:
                with contextlib.suppress(OnEventLoopError):  # it has to wait for a process
                    return function()
            try:
                async with asyncio.timeout(self.timeout_s) as limit:
                    result = await self.work.threads.run(function)
                    return await in_own_task(result) if inspect.isawaitable(result) else result
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise ScoringTimeoutError(f"{what} did not return within {self.timeout_s:g} s") from error


def _asker(judge: AskedModel, trial: Trial, limit: asyncio.Timeout, calls: list[JudgeCall]) -> Ask:
    """Return how a probe asks one of its models: on its terms, within the Trial's time, and noted in `calls`."""

    async def ask_judge(request: Request) -> Response:
        clock = TrialClock()
        clock.attempts.deadline = limit
        status, usage = ResultStatus.ERROR, None
        try:
            response = await judge.answer(request, trial, clock.attempts)
            status, usage = ResultStatus.SUCCESS, response.usage
            return response
        except ModelError as error:
            status = ResultStatus(error.status)
            raise
        finally:
            told = clock.telemetry(usage)
            facts = {name: getattr(told, name) for name in CallTelemetry.__struct_fields__}
            calls.append(JudgeCall(model=judge.id, status=status, **facts))

    return ask_judge


def check_scores(scores: object, probe: Probe) -> None:
    """Raise InsideLLMsError unless `scores` are Scores within the ranges that the probe declares."""
    if not isinstance(scores, Scores):
        raise InsideLLMsError(f"{probe.name}.score() returned {type(scores).__name__}; it must return Scores")
    for name, value in scores.values.items():
        worst, best = probe.score_ranges.get(name, (0.0, 1.0))
        if not (worst <= value <= best or best <= value <= worst):
            low, high = sorted((worst, best))
            raise InsideLLMsError(
                f"score {name!r} is {value}, outside its range {low:g} to {high:g}",
                fix=f"declare score_ranges = {{{name!r}: (worst, best)}} in {type(probe).__name__}",
            )


async def examine(asked: AskedModel, probe: Probe, trial: Trial, clock: TrialClock, calls: ProbeCalls) -> Outcome:
    """Run a probe of the simple contract: it does the calling."""

    own: dict[str, Ask] = {}
    noted: list[JudgeCall] = []

    async def answer(request: Request, by: str | None = None) -> Response:
        if by is not None:
            return await own[by](request)
        wrapped = calls.work.wrapped(request, trial.prompt, trial.example)
        return await asked.answer(wrapped, trial, clock.attempts)

    door = ModelDoor(_user_object(asked), answer, asyncio.get_running_loop())
    data = calls.options.data_of(trial)
    is_bare = trial.prompt is None and trial.probe not in calls.work.judges and not isinstance(probe, PromptProbe)
    threaded = is_bare and isinstance(asked.model, UserModel) and asked.model.runs_in_thread
    model = _user_object(asked) if threaded else door
    try:
        async with asyncio.timeout(asked.timeout_s) as limit:
            clock.attempts.deadline = limit
            own.update(calls.askers(trial, limit, noted))
            with calling_user_code(f"{probe.name}.run()"):
                if not _accepts(probe, data):
                    failure = Failure(stage="probe", type="InvalidInput", message=f"{probe.name} declined this input")
                    return Outcome(status=ResultStatus.SKIPPED, failure=failure, telemetry=clock.telemetry())
                response = _as_output(await _run_probe(probe, model, data, calls), door)
    except TimeoutError as error:
        if limit.expired():
            return _timed_out(asked, clock.telemetry(whole=True), None)
        return failed_outcome(error, "probe", clock.telemetry(whole=True))
    except InsideLLMsError as error:
        return failed_outcome(error, "probe", clock.telemetry(whole=True))
    finally:
        door.close()
    told = _with(clock.telemetry(response.usage, whole=True), noted)
    return await _score_output(probe, trial, response, told, calls)


async def _run_probe(probe: Probe, model: object, data: object, calls: ProbeCalls) -> object:
    options = calls.options.probe_options
    if is_async(probe.run):
        return await in_own_task(probe.run(model, data, **options))
    result = await calls.work.threads.run(functools.partial(probe.run, model, data, **options))
    return await in_own_task(result) if inspect.isawaitable(result) else result


async def _score_output(
    probe: Probe, trial: Trial, response: Response, telemetry: Telemetry, calls: ProbeCalls
) -> Outcome:
    hook = getattr(probe, "score_output", None)
    output = response.text if response.value is None else response.value
    try:
        scores = None
        if isinstance(probe, PromptProbe):
            scorer = functools.partial(probe.score, trial.example, response)
            scores = await calls.call(scorer, f"{probe.name}.score()", probe)
        elif hook is not None:
            call = functools.partial(hook, trial.example, output)
            scores = await calls.call(call, f"{probe.name}.score_output()", probe)
        if scores is not None:
            check_scores(scores, probe)
    except InsideLLMsError as error:
        return failed_outcome(error, "score", telemetry, response=response)
    return Outcome(status=ResultStatus.SUCCESS, response=response, scores=scores, telemetry=telemetry)


def _user_object(asked: AskedModel) -> object:
    return asked.model.model if isinstance(asked.model, UserModel) else asked.model


def _accepts(probe: Probe, data: object) -> bool:
    check = getattr(probe, "validate_input", None)
    return check is None or bool(check(data))


def _as_output(output: object, door: ModelDoor) -> Response:
    if isinstance(output, Response):
        return output if output.usage is not None else msgspec.structs.replace(output, usage=door.usage)
    if isinstance(output, str):
        return separate(Response(text=output, usage=door.usage))
    canonical.check(output, at="output")
    return Response(value=output, usage=door.usage)


def _timed_out(asked: AskedModel, telemetry: Telemetry, request: Request | None) -> Outcome:
    failure = Failure(stage="model", type="Timeout", message=f"no answer within {asked.timeout_s:g} s")
    return Outcome(status=ResultStatus.TIMEOUT, request=request, failure=failure, telemetry=telemetry)


def _cause(error: InsideLLMsError | TimeoutError) -> BaseException:
    return error.cause if isinstance(error, UserCodeError) else error


def _is_fatal(cause: BaseException) -> TypeGuard[ModelError]:
    return isinstance(cause, ModelError) and cause.fatal


def failed_outcome(
    error: InsideLLMsError | TimeoutError,
    stage: Stage,
    telemetry: Telemetry,
    *,
    request: Request | None = None,
    response: Response | None = None,
) -> Outcome:
    """Type a failure. Raises FatalError for a model error that ends the run."""
    cause = _cause(error)
    if _is_fatal(cause):
        raise FatalError(cause) from error
    message = error.message if isinstance(error, InsideLLMsError) else str(error)
    fix = cause.fix if isinstance(cause, InsideLLMsError) else None
    failure = Failure(
        stage=stage, type=type(cause).__name__, message=_steady(message), fix=_steady(fix) if fix else None
    )
    return Outcome(
        status=_status(cause, stage),
        request=request,
        response=response,
        failure=failure,
        telemetry=telemetry,
        error=cause,
    )


class ScoringTimeoutError(InsideLLMsError, TimeoutError):
    """Scoring took longer than a Trial may."""


def _steady(message: str) -> str:
    """Make an error's text fit for a canonical file: no memory addresses, no lone surrogates, not endless."""
    text = _ADDRESS.sub("0x...", message.encode("utf-8", "replace").decode())
    return text if len(text) <= _MESSAGE_LIMIT else text[:_MESSAGE_LIMIT] + "..."


def _status(cause: BaseException, stage: Stage) -> ResultStatus:
    if isinstance(cause, ModelError):
        return ResultStatus(cause.status)
    if isinstance(cause, ScoringTimeoutError if stage == "score" else TimeoutError):
        return ResultStatus.TIMEOUT
    if "RateLimit" in type(cause).__name__:
        return ResultStatus.RATE_LIMITED
    return ResultStatus.ERROR
