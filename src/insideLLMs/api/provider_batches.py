"""What a run does at the providers' batch APIs: submit, wait, collect, whatever is killed meanwhile.

A batch is written to the run's log before it is submitted, under a token that the provider keeps, and its id as soon
as it is known. Killed in between, the run looks for the token at the provider before it submits anything: no batch is
submitted twice, and none is lost.
"""

import asyncio
import contextlib
import functools
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Literal, TypeVar

import msgspec

from insideLLMs.api.batch_files import batch_models, outcome_of
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.core.errors import (
    BadAnswerError,
    BatchFileError,
    ConfigError,
    ConnectionFailedError,
    InsideLLMsError,
    InterruptedRunError,
    ModelError,
    ModelTimeoutError,
    Problem,
    RequestRefusedError,
    RunUnfinishedError,
    ServerError,
)
from insideLLMs.core.types import Response
from insideLLMs.execute.wanted import Unanswered, WantedAnswers
from insideLLMs.providers.anthropic_batches import AnthropicBatches
from insideLLMs.providers.batch_api import BatchApi, BatchState, NotToldYetError, Send, Sought, read_id
from insideLLMs.providers.batch_lines import read_answer
from insideLLMs.providers.codec import HttpCall
from insideLLMs.providers.gemini_batches import GeminiBatches
from insideLLMs.providers.openai_batches import OpenAIBatches
from insideLLMs.store.batch_log import Accepted, Answered, BatchLog, Closed, Entry, Failed, Submission

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
_TRIES = 5


class BatchTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait, in seconds, and what then; times for tests to shorten.

    A batch that its provider does not list `settle_s` after it was sent was never accepted. Looks are `first_wait_s`
    apart at first, and `most_wait_s` in the end.
    """

    max_wait_s: float = 24 * 3600.0
    then: Literal["stop", "live"] = "stop"
    settle_s: float = 10.0
    first_wait_s: float = 0.5
    most_wait_s: float = 60.0


class PatientWait:
    """Waits between looks, ever longer, until the time is over or a signal comes."""

    def __init__(self, terms: BatchTerms) -> None:
        self._terms = terms
        self.settle_s = terms.settle_s
        self.goes_on_live = terms.then == "live"
        self._until = time.monotonic() + terms.max_wait_s
        self._stopped = asyncio.Event()
        self._error: InterruptedRunError | None = None
        self.stopping = False
        self._wait_s = terms.first_wait_s

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._until

    def stop(self, error: InsideLLMsError | None = None) -> None:
        """Stop at the next wait; a call that is being made is made to its end."""
        self.stopping = True
        self._error = error if isinstance(error, InterruptedRunError) else None
        self._stopped.set()

    def begin(self) -> None:
        """Begin with short waits."""
        self._wait_s = self._terms.first_wait_s

    async def once(self, *, bounded: bool = True) -> None:
        """Wait, if `bounded` not beyond the end of all waiting. Raises the InterruptedRunError of a signal."""
        self.check()
        left = max(0.0, self._until - time.monotonic()) if bounded else self._wait_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._wait_s, left)):
                await self._stopped.wait()
        self.check()
        self._wait_s = min(self._wait_s * 1.5, self._terms.most_wait_s)

    def check(self) -> None:
        """Raise the InterruptedRunError of a signal, if one came."""
        if self.stopping:
            raise self._error or InterruptedRunError("interrupted")


class _Chunk:
    """The requests of one batch."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(8)
        self.keys: list[str] = []
        self.lines: list[bytes] = []
        self.size_bytes = 0
        self.path = ""

    def add(self, key: str, line: bytes, call: HttpCall) -> None:
        """Take a request; `call` is what asks it by itself."""
        self.keys.append(key)
        self.lines.append(line)
        self.size_bytes += len(line)
        self.path = call.path


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
    execution = prepared.execution
    if execution.max_cost_usd is not None or execution.max_tokens is not None:
        raise ConfigError(
            [Problem("max_cost_usd and max_tokens cannot be kept in a batch, which is paid as a whole")],
            fix="take them out, and see the cost before with --dry-run",
        )
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

    async def submit(self, wanted: WantedAnswers, keys: frozenset[str]) -> None:
        """Submit what is wanted of these keys, in as many batches as the providers' limits need."""
        for name in self._models:
            mine = (one for one in wanted if one.model == name and one.key in keys)
            for chunk in self._chunks(name, mine):
                self._waiting.check()
                await self._patiently(functools.partial(self._submit, name, chunk))

    def _chunks(self, name: str, wanted: Iterator[Unanswered]) -> Iterator[_Chunk]:
        """Yield the requests to a model in pieces that fit; note those that its API cannot be asked."""
        api, chunk = self._apis[name], _Chunk()
        for one in wanted:
            try:
                call = self._models[name].written(one.request, repeat=one.repeat)
            except ModelError as error:
                self._log.append([Failed.of(one.key, error)])
                continue
            line = api.line(f"{chunk.token}-{len(chunk.keys)}", call)
            if chunk.keys and (len(chunk.keys) >= api.most_requests or chunk.size_bytes + len(line) > api.most_bytes):
                yield chunk
                chunk = _Chunk()
                line = api.line(f"{chunk.token}-0", call)
            chunk.add(one.key, line, call)
        if chunk.keys:
            yield chunk

    async def _submit(self, name: str, chunk: _Chunk) -> None:
        api, send, log = self._apis[name], self._send_of(name), self._log
        newest = await api.newest(send)
        creation = await api.creation(send, chunk.token, chunk.path, chunk.lines)
        submission = Submission(token=chunk.token, model=name, keys=tuple(chunk.keys), at=time.time(), newest=newest)
        log.append([submission])
        try:
            created = read_id(await send(creation), api.id_field)
        except _MAY_BE_ACCEPTED:
            found = await self._find(submission)
            if found is None:
                log.append([Closed(token=chunk.token)])
                raise
            created = found
        except ModelError:
            log.append([Closed(token=chunk.token)])
            raise
        log.append([Accepted(token=chunk.token, id=created)])
        self._say(f"batch {created}: {len(chunk.keys):,} requests submitted to {name}")

    async def _find(self, submission: Submission) -> str | None:
        """Look for a batch that may have been accepted, until it would have been listed."""
        api, send = self._apis[submission.model], self._send_of(submission.model)
        others = frozenset(self._log.ids.values())
        sought = Sought(token=submission.token, count=len(submission.keys), newest=submission.newest, others=others)
        self._waiting.begin()
        while True:
            has_settled = time.time() - submission.at > self._waiting.settle_s or time.time() < submission.at
            try:
                found = await self._patiently(functools.partial(api.find, send, sought))
                if found is not None or has_settled:
                    return found
            except NotToldYetError:
                if self._waiting.is_over:
                    self._give_up_in_time()
                    return None
            await self._waiting.once(bounded=False)

    async def collect(self) -> None:
        """Wait for all batches that are out, and store what they answered, in the order in which they end."""
        await self._settle()
        self._waiting.begin()
        while self._log.open:
            for submission in list(self._log.open.values()):
                state = await self._look(submission)
                self._tell(state)
                if state.is_ended:
                    await self._take(submission, state)
            if not self._log.open:
                return
            if self._waiting.is_over:
                await self._stop_waiting()
                return
            await self._waiting.once()

    async def _look(self, submission: Submission) -> BatchState:
        api, send = self._apis[submission.model], self._send_of(submission.model)
        return await self._patiently(functools.partial(api.look, send, self._log.ids[submission.token]))

    async def _settle(self) -> None:
        """Find out what became of batches whose id was not noted."""
        for token, submission in list(self._log.open.items()):
            if token in self._log.ids:
                continue
            found = await self._find(submission)
            self._log.append([Closed(token=token) if found is None else Accepted(token=token, id=found)])
            if found is not None:
                self._say(f"batch {found}: found again at {submission.model}")

    async def _take(self, submission: Submission, state: BatchState) -> None:
        """Store what a batch that ended has. Raises ModelError where it was refused as a whole."""
        if state.problem:
            self._log.append([Closed(token=submission.token)])
            raise RequestRefusedError(
                f"batch {state.id} was refused: {state.problem}", fix="fix the cause, and resume the run"
            )
        outcomes = await self._patiently(functools.partial(self._outcomes, submission, state))
        answered = any(isinstance(outcome, Response) for outcome in outcomes.values())
        fatal: ModelError | None = None
        entries: list[Entry] = []
        for number, key in enumerate(submission.keys):
            outcome = outcomes.get(number) or ServerError(f"the batch ended ({state.word}) without this answer")
            if isinstance(outcome, Response):
                digest = self._digests[submission.model]
                entries.append(Answered(key=key, model_digest=digest, response=outcome))
            elif outcome.fatal and not (answered and outcome.http_status in _MAY_BE_THE_REQUEST):
                fatal = fatal or outcome
            else:
                entries.append(Failed.of(key, outcome, submission.token))
        self._log.append([*entries, Closed(token=submission.token)])
        if fatal is not None:
            raise fatal

    async def _outcomes(self, submission: Submission, state: BatchState) -> dict[int, Response | ModelError]:
        """Read the results: by the number of the request, the first answer, else the first error."""
        api, send = self._apis[submission.model], self._send_of(submission.model)
        found: dict[int, Response | ModelError] = {}
        async for line in api.results(send, state, submission.token):
            try:
                answer = read_answer(line)
            except BatchFileError as error:
                raise BadAnswerError(f"the results of batch {state.id} cannot be read: {error.message}") from error
            token, _, number = answer.custom_id.partition("-")
            if token != submission.token or not number.isdecimal() or int(number) >= len(submission.keys):
                continue
            if not isinstance(found.get(int(number)), Response):
                outcome = outcome_of(self._models[submission.model], answer)
                if isinstance(outcome, Response) or int(number) not in found:
                    found[int(number)] = outcome
        return found

    async def _stop_waiting(self) -> None:
        """Leave the batches that are out, or give them up so that the rest is asked live."""
        self._give_up_in_time()
        for token, submission in list(self._log.open.items()):
            batch = self._log.ids[token]
            with contextlib.suppress(ModelError):  # it may have ended meanwhile
                await self._send_of(submission.model)(self._apis[submission.model].cancellation(batch))
            state = await self._look(submission)
            if state.is_ended:
                await self._take(submission, state)
            else:
                self._log.append([Closed(token=token)])
                self._say(f"batch {batch}: cancelled, and given up")

    def _give_up_in_time(self) -> None:
        """Raise RunUnfinishedError once the time is over, where nothing is to be asked live."""
        if self._waiting.is_over and not self._waiting.goes_on_live:
            raise RunUnfinishedError(f"{self.out_there} not answered yet")

    @property
    def out_there(self) -> str:
        """Name the batches that are out."""
        ids = [self._log.ids.get(token, "one that was just submitted") for token in self._log.open]
        return f"{len(ids)} batch(es) at the provider ({', '.join(ids[:5])})"

    def _tell(self, state: BatchState) -> None:
        failed = f", {state.failed:,} failed" if state.failed else ""
        told = f"batch {state.id}: {state.word}, {state.completed:,} of {state.total:,} answered{failed}"
        if self._told.get(state.id) != told:
            self._told[state.id] = told
            self._say(told)

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
