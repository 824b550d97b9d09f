"""The requests of each batch: as many as its provider takes at once, and as the run's budget allows."""

import secrets
from collections.abc import Iterable, Iterator

from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.core.errors import BudgetSpentError, ConfigError, ModelError, Problem, RequestRefusedError
from insideLLMs.core.types import Request
from insideLLMs.execute.budget import Allowance
from insideLLMs.execute.wanted import Unanswered
from insideLLMs.providers.batches.api import BatchApi
from insideLLMs.providers.batches.token_bounds import most_tokens
from insideLLMs.providers.chat_model import ChatModel
from insideLLMs.providers.codec import HttpCall
from insideLLMs.store.batch_log import BatchLog, Failed


class BatchChunk:
    """The requests of one batch."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(8)
        self.keys: list[str] = []
        self.lines: list[bytes] = []
        self.size_bytes = 0
        self.path = ""

    def has_room(self, line: bytes, api: BatchApi) -> bool:
        """Whether a batch with one line more is one that its provider takes."""
        return len(self.keys) < api.most_requests and self.size_bytes + len(line) <= api.most_bytes

    def add(self, key: str, line: bytes, call: HttpCall) -> None:
        """Take a request; `call` is what asks it by itself."""
        self.keys.append(key)
        self.lines.append(line)
        self.size_bytes += len(line)
        self.path = call.path


class BatchChunks:
    """Makes chunks of what is wanted, until nothing more is allowed: `refusal` says why then.

    What an API cannot be asked is noted in the log.
    """

    def __init__(self, log: BatchLog, allowance: Allowance | None) -> None:
        self.refusal: BudgetSpentError | None = None
        self._log = log
        self._allowance = allowance

    def of(self, name: str, model: ChatModel, api: BatchApi, wanted: Iterable[Unanswered]) -> Iterator[BatchChunk]:
        """Yield the requests to a model in pieces that fit."""
        chunk = BatchChunk()
        for one in wanted:
            call = self._written(one, model, api)
            if call is None:
                continue
            self.refusal = self.refusal or self._refusal(name, call, one.request)
            if self.refusal is not None:
                break
            line = api.line(f"{chunk.token}-{len(chunk.keys)}", call)
            if not chunk.has_room(line, api):
                yield chunk
                chunk = BatchChunk()
                line = api.line(f"{chunk.token}-0", call)
            chunk.add(one.key, line, call)
        if chunk.keys:
            yield chunk

    def _written(self, one: Unanswered, model: ChatModel, api: BatchApi) -> HttpCall | None:
        """Return the call that asks a request; note one that cannot be asked."""
        try:
            call = model.written(one.request, repeat=one.repeat)
            size = len(api.line("0" * 64, call))
            if size > api.most_bytes:
                raise RequestRefusedError(f"the request has {size:,} bytes, and a batch at most {api.most_bytes:,}")
        except ModelError as error:
            self._log.append([Failed.of(one.key, error)])
            return None
        return call

    def _refusal(self, name: str, call: HttpCall, request: Request) -> BudgetSpentError | None:
        if self._allowance is None:
            return None
        most = most_tokens(call, request)
        if most is None:
            raise ConfigError([_unbounded(name)], fix=_BOUND)
        return self._allowance.take(name, most)


_BOUND = "set max_tokens in the model's args, or take max_cost_usd and max_tokens out of execution"


def _unbounded(name: str) -> Problem:
    return Problem("its answers have no limit, so the cost of a batch is not known", field=f"model {name!r}")


def check_bounded(prepared: Prepared, models: dict[str, ChatModel]) -> None:
    """Raise ConfigError for models whose answers nothing bounds, where the run has a budget."""
    execution = prepared.execution
    if execution.max_cost_usd is None and execution.max_tokens is None:
        return
    sample = Request.of("?")
    problems = [
        _unbounded(name)
        for name, model in models.items()
        if most_tokens(model.written(sample, repeat=0), sample) is None
    ]
    if problems:
        raise ConfigError(problems, fix=_BOUND)
