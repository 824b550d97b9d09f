"""What a run does at the providers' batch APIs: submit, wait, collect, whatever is killed meanwhile.

A batch is written to the run's log before it is submitted, under a token that the provider keeps, and its id as soon
as it is known. Killed in between, the run looks for the token at the provider before it submits anything: no batch is
submitted twice, and none is lost.
"""

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from insideLLMs.api.batches.answer_files import outcome_of
from insideLLMs.api.batches.chunks import BatchChunk, BatchChunks, check_bounded
from insideLLMs.api.batches.files import batch_models
from insideLLMs.api.batches.waiting import PatientWait
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.core.errors import (
    BadAnswerError,
    BatchFileError,
    ConfigError,
    ConnectionFailedError,
    ModelError,
    ModelTimeoutError,
    Problem,
    RemoteError,
    RequestRefusedError,
    RunUnfinishedError,
    ServerError,
)
from insideLLMs.core.types import Response
from insideLLMs.execute.budget import Budget
from insideLLMs.execute.wanted import WantedAnswers
from insideLLMs.providers.batches.anthropic import AnthropicBatches
from insideLLMs.providers.batches.api import BatchApi, BatchState, NotToldYetError, Send, Sought, read_id
from insideLLMs.providers.batches.gemini import GeminiBatches
from insideLLMs.providers.batches.lines import read_answer
from insideLLMs.providers.batches.openai import OpenAIBatches
from insideLLMs.providers.codec import HttpCall
from insideLLMs.report.wording import many
from insideLLMs.store.batch_log import Accepted, Answered, BatchLog, Closed, Entry, Failed, Submission, Unlisted

T = TypeVar("T")
APIS: Mapping[str, BatchApi] = {
    "openai": OpenAIBatches(),
    "anthropic": AnthropicBatches(),
    "gemini": GeminiBatches(),
}
"""The batch APIs by the name of their provider."""
_MAY_BE_ACCEPTED = (ConnectionFailedError, ModelTimeoutError, ServerError, BadAnswerError)
"""Where the answer to a creation failed so, the batch may have been created."""
_MAY_BE_THE_REQUEST = (403, 404)
_NO_SUCH_API = (404, 405, 501)
_GONE = (404, 410)
_TRIES = 5
_LONGEST_CALL_S = 600
"""So long a creation may have taken whose run was killed."""


def batch_apis(prepared: Prepared) -> dict[str, BatchApi]:
    """Return the batch API of each model, the judges among them. Raises ConfigError for what cannot go in a batch."""
    models = batch_models(prepared)
    problems = [
        Problem(f"{model.provider} has no batch API that is known here", field=f"model {name!r}")
        for name, model in models.items()
        if model.provider not in APIS
    ]
    if problems:
        known = ", ".join(APIS)
        raise ConfigError(problems, fix=f"known are {known}; for others use `insidellms batch export` and `import`")
    check_bounded(prepared, models)
    return {name: APIS[model.provider] for name, model in models.items()}


class ProviderBatches:
    """What is done at the providers, and noted in the log."""

    def __init__(
        self,
        prepared: Prepared,
        apis: Mapping[str, BatchApi],
        log: BatchLog,
        waiting: PatientWait,
        say: Callable[[str], None],
    ) -> None:
        self._models = batch_models(prepared)
        self._digests = {name: ready.digest for name, ready in prepared.asked.items()}
        self._apis = apis
        self._log = log
        self._waiting = waiting
        self._say = say
        self._told: dict[str, str] = {}
        self._cancelled: set[str] = set()
        self._unlisted = 0
        self._missing = Counter[str]()
        self._unreadable = Counter[str]()

    async def submit(self, wanted: WantedAnswers, keys: frozenset[str], budget: Budget | None) -> None:
        """Submit what is wanted of these keys, in as many batches as the providers' limits need.

        What may cost more than is left of the budget waits. Raises BudgetSpentError where that is all.
        """
        chunks = BatchChunks(self._log, None if budget is None else budget.allowance())
        submitted = 0
        for name, model in self._models.items():
            mine = (one for one in wanted if one.model == name and one.key in keys)
            for chunk in chunks.of(name, model, self._apis[name], mine):
                self._waiting.check()
                newest, creation = await self._patiently(functools.partial(self._creation, name, chunk))
                await self._patiently(functools.partial(self._create, name, chunk, newest, creation))
                submitted += len(chunk.keys)
        if chunks.refusal is not None and not submitted:
            raise chunks.refusal
        if chunks.refusal is not None:
            left = many(len(keys) - submitted, "request")
            self._say(f"to keep the budget, {left} will be submitted once the cost of these is known")

    async def _creation(self, name: str, chunk: BatchChunk) -> tuple[str, HttpCall]:
        """Return the newest batch there is, and the call that creates the next one."""
        api, send = self._apis[name], self._send_of(name)
        try:
            return await api.newest(send), await api.creation(send, chunk.token, chunk.path, chunk.lines)
        except ModelError as error:
            if error.http_status not in _NO_SUCH_API:
                raise
            raise RequestRefusedError(
                f"{name}: its server has no batch API: {error.message}",
                fix="leave --batch out, or have a file answered: insidellms batch export",
            ).going_on_with({"--batch": None, "--max-wait": None, "--then": None}) from error

    async def _create(self, name: str, chunk: BatchChunk, newest: str, creation: HttpCall) -> None:
        log = self._log
        submission = Submission(token=chunk.token, model=name, keys=tuple(chunk.keys), at=time.time(), newest=newest)
        try:
            log.append([submission])
        except RemoteError:  # so nothing is submitted
            log.append([Closed(token=chunk.token)])
            raise
        try:
            created = read_id(await self._send_of(name)(creation), self._apis[name].id_field)
        except _MAY_BE_ACCEPTED as error:
            self._say(f"{name}: whether a batch was created is not known ({error.message}); looking for it")
            await self._settle_one(submission, time.time(), error)
            return
        except ModelError:
            log.append([Closed(token=chunk.token)])
            raise
        log.append([Accepted(token=chunk.token, id=created)])
        self._say(f"batch {created}: {many(len(chunk.keys), 'request')} submitted to {name}")

    async def _settle_one(self, submission: Submission, sent_at: float, error: ModelError | None = None) -> None:
        """Look for a batch that may have been accepted; where it is not listed in time its requests are asked again.

        Raises RunUnfinishedError where creations come to nothing again and again.
        """
        found = await self._find(submission, sent_at)
        if found is not None:
            self._log.append([Accepted(token=submission.token, id=found)])
            self._say(f"batch {found}: found at {submission.model}")
            return
        self._log.append([Unlisted(token=submission.token)])
        self._unlisted += 1
        if error is not None and self._unlisted >= _TRIES:
            raise RunUnfinishedError(f"no batch could be created at {submission.model}: {error.message}")
        self._say(f"{submission.model}: no such batch is listed, so its requests are asked again")

    async def _find(self, submission: Submission, sent_at: float) -> str | None:
        """Look for a batch that may have been accepted, until it would have been listed."""
        settled_at = time.monotonic() + min(self._waiting.settle_s, sent_at + self._waiting.settle_s - time.time())
        self._waiting.begin()
        while True:
            has_settled = time.monotonic() > settled_at
            try:
                found = await self._patiently(functools.partial(self._found, submission))
                if found is not None or has_settled:
                    return found
            except NotToldYetError:
                if self._waiting.is_over:
                    self._give_up_in_time()
                    return None
            await self._waiting.once(bounded=False)

    async def _found(self, submission: Submission) -> str | None:
        api, send = self._apis[submission.model], self._send_of(submission.model)
        others = frozenset(self._log.ids.values())
        sought = Sought(token=submission.token, count=len(submission.keys), newest=submission.newest, others=others)
        return await api.find(send, sought)

    async def collect(self) -> None:
        """Wait for all batches that are out, and store what they answered, in the order in which they end."""
        await self._settle()
        self._waiting.begin()
        if self._log.open:
            self._tell("", "waiting; Ctrl-C ends the waiting, not the batch, which --resume --batch collects later")
        while self._log.open:
            await self._cancel_late()
            for submission in list(self._log.open.values()):
                await self._follow(submission)
            await self._cancel_answered()
            if not self._log.open:
                return
            if self._waiting.is_over:
                await self._stop_waiting()
                return
            await self._waiting.once()

    async def _follow(self, submission: Submission) -> None:
        """Look at a batch, and take what it has if it has ended; an outage of its provider passes."""
        batch = self._log.ids[submission.token]
        try:
            state = await self._look(submission)
            failed = f", {state.failed:,} failed" if state.failed else ""
            self._tell(batch, f"batch {batch}: {state.word}, {state.completed:,} of {state.total:,} answered{failed}")
            if state.is_ended:
                await self._take(submission, state)
        except ModelError as error:
            if error.http_status in _GONE and not (self._waiting.is_over and self._waiting.goes_on_live):
                raise RequestRefusedError(
                    f"batch {batch} is not known at {submission.model}: {error.message}",
                    fix="use the key of the account that submitted it; to ask its requests again: "
                    "--resume --batch --max-wait 0s --then live",
                ).going_on_with({"--batch": "", "--max-wait": "0s", "--then": "live"}) from error
            if not (error.retryable or error.http_status in _GONE):
                raise
            self._tell(batch, f"batch {batch}: {error.message}; looking again later")

    async def _cancel_late(self) -> None:
        """Cancel batches that are listed only now, whose requests were asked again; take what they have answered."""
        for submission in list(self._log.unlisted.values()):
            found = None
            with contextlib.suppress(NotToldYetError):  # its end will tell
                found = await self._patiently(functools.partial(self._found, submission))
            if found is not None:
                self._log.append([Accepted(token=submission.token, id=found)])
                self._say(f"batch {found}: listed only now, and another one asks the same: it is cancelled")
                await self._cancel(submission)

    async def _cancel_answered(self) -> None:
        """Wait no longer for batches whose requests another one has answered."""
        for token, submission in list(self._log.open.items()):
            if all(map(self._log.has, submission.keys)):
                await self._cancel(submission)
                self._log.append([Closed(token=token)])

    async def _cancel(self, submission: Submission) -> None:
        self._cancelled.add(submission.token)
        with contextlib.suppress(ModelError):  # it may have ended meanwhile
            call = self._apis[submission.model].cancellation(self._log.ids[submission.token])
            await self._send_of(submission.model)(call)

    async def _look(self, submission: Submission) -> BatchState:
        api, send = self._apis[submission.model], self._send_of(submission.model)
        return await self._patiently(functools.partial(api.look, send, self._log.ids[submission.token]))

    async def _settle(self) -> None:
        """Find out what became of batches whose id was not noted."""
        for token, submission in list(self._log.open.items()):
            if token not in self._log.ids:
                self._say(f"{submission.model}: looking for a batch that was being created when the run stopped")
                await self._settle_one(submission, min(time.time(), submission.at + _LONGEST_CALL_S))

    async def _take(self, submission: Submission, state: BatchState) -> None:
        """Store what a batch that ended has.

        Raises ModelError where it was refused, and RunUnfinishedError where somebody cancelled it.
        """
        if state.problem:
            self._refuse(submission, state)
            return
        outcomes = await self._results(submission, state)
        answered = any(isinstance(outcome, Response) for outcome in outcomes.values())
        fatal: ModelError | None = None
        elsewhere = self._asked_elsewhere(submission)
        entries: list[Entry] = []
        for number, key in enumerate(submission.keys):
            outcome = outcomes.get(number) or ServerError(f"the batch ended ({state.word}) without this answer")
            if isinstance(outcome, Response):
                digest = self._digests[submission.model]
                entries.append(Answered(key=key, model_digest=digest, response=outcome))
            elif outcome.fatal and not (answered and outcome.http_status in _MAY_BE_THE_REQUEST):
                fatal = fatal or outcome
            elif not (state.is_cancelled or key in elsewhere or self._log.has(key)):
                entries.append(Failed.of(key, outcome, submission.token))
        self._log.append([*entries, Closed(token=submission.token)])
        if fatal is not None:
            raise fatal
        left = any(not self._log.has(key) and key not in elsewhere for key in submission.keys)
        if left and state.is_cancelled and submission.token not in self._cancelled:
            raise RunUnfinishedError(
                f"batch {state.id} was cancelled at the provider; what it had answered is kept",
                fix="resume the run to submit the rest again",
            )

    async def _results(self, submission: Submission, state: BatchState) -> dict[int, Response | ModelError]:
        """Read what a batch answered; nothing, once its results are missing again and again: they were deleted."""
        try:
            return await self._patiently(functools.partial(self._outcomes, submission, state))
        except ModelError as error:
            if error.http_status not in _GONE:
                raise
            self._missing[state.id] += 1
            if self._missing[state.id] < _TRIES:
                raise ServerError(f"its results are not there: {error.message}") from error
            if sum(count >= _TRIES for count in self._missing.values()) > 1:
                raise RunUnfinishedError(
                    f"the results of batch {state.id} are not there, as those of another one: {error.message}",
                    fix="may the key read results? Resume the run to look again, or to ask again what was lost",
                ) from error
        self._say(f"batch {state.id}: its results are not there any more, so its requests are asked again")
        return {}

    def _refuse(self, submission: Submission, state: BatchState) -> None:
        """Close a batch that was refused as a whole; one beside others may fit once they have ended."""
        self._log.append([Closed(token=submission.token)])
        told = f"batch {state.id} was refused: {state.problem}"
        if not any(other.model == submission.model for other in self._log.open.values()):
            raise RequestRefusedError(told, fix="fix the cause, and resume the run")
        self._say(f"{told}; its requests are submitted again once another batch has ended")

    def _asked_elsewhere(self, submission: Submission) -> set[str]:
        """Return the requests that another batch asks, too: one that was listed late."""
        return {key for other in self._log.open.values() if other is not submission for key in other.keys}

    async def _outcomes(self, submission: Submission, state: BatchState) -> dict[int, Response | ModelError]:
        """Read the results: by the number of the request, the first answer, else the first error.

        Raises BadAnswerError where lines cannot be read; in the end for those alone of which none can.
        """
        wrong: BatchFileError | None = None
        api, send = self._apis[submission.model], self._send_of(submission.model)
        found: dict[int, Response | ModelError] = {}
        async for line in api.results(send, state, submission.token):
            try:
                answer = read_answer(line)
            except BatchFileError as error:
                wrong = error
                continue
            token, _, number = answer.custom_id.partition("-")
            if token != submission.token or not number.isdecimal() or int(number) >= len(submission.keys):
                continue
            if not isinstance(found.get(int(number)), Response):
                outcome = outcome_of(self._models[submission.model], answer)
                if isinstance(outcome, Response) or int(number) not in found:
                    found[int(number)] = outcome
        if wrong is not None and len(found) < len(submission.keys):
            self._unreadable[state.id] += 1
            if not found or self._unreadable[state.id] < _TRIES:
                raise BadAnswerError(f"the results of batch {state.id} cannot be read: {wrong.message}") from wrong
            self._say(
                f"batch {state.id}: what its results do not say is asked again, as a line is broken: {wrong.message}"
            )
        return found

    async def _stop_waiting(self) -> None:
        """Leave the batches that are out, or give them up so that the rest is asked live."""
        self._give_up_in_time()
        for token, submission in list(self._log.open.items()):
            batch = self._log.ids[token]
            await self._cancel(submission)
            await self._follow(submission)
            if token in self._log.open:
                self._log.append([Closed(token=token)])
                self._say(f"batch {batch}: cancelled, and given up")

    def _give_up_in_time(self) -> None:
        """Raise RunUnfinishedError once the time is over, where nothing is to be asked live."""
        if self._waiting.is_over and not self._waiting.goes_on_live:
            raise RunUnfinishedError(f"the time is over; {self.out_there}")

    @property
    def out_there(self) -> str:
        """Say which batches are out."""
        ids = [self._log.ids.get(token, "one that was just submitted") for token in self._log.open]
        return f"still at the provider: {len(ids)} batch{'es' if len(ids) > 1 else ''} ({', '.join(ids[:5])})"

    def _tell(self, batch: str, text: str) -> None:
        """Say what is not what was said of the batch before."""
        if self._told.get(batch) != text:
            self._told[batch] = text
            self._say(text)

    def _send_of(self, name: str) -> Send:
        return self._models[name].call

    async def _patiently(self, make: Callable[[], Awaitable[T]]) -> T:
        """Make a call that may be made again, a few times while it fails for a passing cause. Raises ModelError."""
        for left in range(_TRIES - 1, -1, -1):
            try:
                return await make()
            except ModelError as error:
                if not error.retryable or not left:
                    raise
                await self._waiting.once(bounded=False)
        raise AssertionError
