"""What the driver of a run and its workers say to each other.

Either side only adds to what it has said: each message means the same in whatever order it arrives.
"""

from typing import Any

import msgspec

from insideLLMs.core import errors
from insideLLMs.core.errors import ConfigError, InsideLLMsError, Problem
from insideLLMs.core.types import Example, Exchange, JsonValue, Request, Response, Telemetry
from insideLLMs.execute.sink import StoredAnswer
from insideLLMs.execute.work import AnswerStore

_PLAIN = (str, int, float, bool, type(None))


class Travelling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What travels."""


class AnswerKept(Travelling, frozen=True, kw_only=True):
    """An answer that is journalled but not scored."""

    request: Request
    response: Response
    telemetry: Telemetry

    @classmethod
    def of(cls, stored: StoredAnswer) -> "AnswerKept":
        """Take what a sink has."""
        return cls(request=stored.request, response=stored.response, telemetry=stored.telemetry)


class Assignment(Travelling, frozen=True, kw_only=True):
    """A question, with the content that it is made of; the fields are those of ModelQuestion.

    `record` is that of the Trial that has asked already, `stored` an answer that was had before.
    """

    model: str
    example: Example
    digest: str
    trials: tuple[int, ...]
    asker: int
    place: tuple[int, ...]
    earlier: int
    record: bytes | None = None
    stored: AnswerKept | None = None


class StreamedLine(Travelling, frozen=True, kw_only=True):
    """A line for the journal: a finished record with its `status`, or an answer, which has none yet; or both."""

    index: int
    record: bytes
    telemetry: Telemetry
    status: str | None = None
    is_answer: bool = False


class Waiting(Travelling, frozen=True, kw_only=True):
    """A call that waits for its place among those of its model's account."""

    ticket: int
    model: str


class Left(Travelling, frozen=True, kw_only=True):
    """A call that gave its place back, `lasted_s` after it began; the rest is for CallLimits."""

    ticket: int
    lasted_s: float
    rejected: bool
    tokens: int
    blocked_s: float | None


class LogLine(Travelling, frozen=True, kw_only=True):
    """A line of a worker's log, with its extra fields."""

    name: str
    level: int
    message: str
    extra: dict[str, JsonValue]


class SentError(Travelling, frozen=True, kw_only=True):
    """An error: the name of its class, and what it says. One that is a bug has no class, and its traceback instead."""

    kind: str
    message: str
    fix: str | None = None
    facts: dict[str, JsonValue] = {}
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, error: InsideLLMsError) -> "SentError":
        """Take down an error; a class that is not ours goes under the name of the one it is made from."""
        kind = next(each for each in type(error).__mro__ if getattr(errors, each.__name__, None) is each)
        facts = {name: value for name, value in vars(error).items() if isinstance(value, _PLAIN)}
        problems = error.problems if isinstance(error, ConfigError) else ()
        return cls(kind=kind.__name__, message=error.message, fix=error.fix, facts=facts, problems=problems)

    def error(self, place: str | None = None) -> Exception:
        """Return the error again, saying at which worker it came up."""
        kind: Any = getattr(errors, self.kind, None)  # any class of that module, each made in its own way
        if not self.kind or kind is None:
            return RuntimeError(f"the worker on {place} failed:\n{self.message}")
        error: InsideLLMsError = kind.__new__(kind)
        Exception.__init__(error, self.message)
        error.original_error = None  # type: ignore[attr-defined] # that of a ProbeExecutionError stays where it was
        for name, value in {**self.facts, "fix": self.fix}.items():
            setattr(error, name, value)
        error.message = self.message if place is None else f"on worker {place}: {self.message}"
        if isinstance(error, ConfigError):
            error.problems = self.problems
        return error


class StoreTerms(Travelling, frozen=True, kw_only=True):
    """What a worker must know of the driver's store of answers; the fields are those of AnswerStore."""

    closed: bool
    batch: bool
    takes_user_code: bool

    @classmethod
    def of(cls, store: AnswerStore) -> "StoreTerms":
        """Take down a store's."""
        return cls(closed=store.closed, batch=store.batch, takes_user_code=store.takes_user_code)


class Lookup(Travelling, frozen=True, kw_only=True):
    """A request that a worker looks up in the driver's store."""

    ticket: int
    key: str
    model_digest: str


class FoundAnswer(Travelling, frozen=True, kw_only=True):
    """What the store has of a request: an answer, the error that it came to, or neither."""

    ticket: int
    response: Response | None = None
    error: SentError | None = None


class Order(Travelling, frozen=True, kw_only=True):
    """What the driver sends to a worker: what to ask, how many of its lines are on disk, and which calls may begin.

    `found` is what the worker has looked up. `stop` ends it once its calls in flight have ended.
    """

    assignments: tuple[Assignment, ...] = ()
    written: int = 0
    granted: tuple[int, ...] = ()
    found: tuple[FoundAnswer, ...] = ()
    stop: bool = False


class Report(Travelling, frozen=True, kw_only=True):
    """What a worker has to say since its last report; `tokens` and `cost_usd` are what it has spent in all.

    `exchanges` are for the store of answers, `looked_up` the tickets of lookups whose turn is over.
    The last one says `ended`, with the error that ended it, if any.
    """

    lines: tuple[StreamedLine, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    given_up: tuple[int, ...] = ()
    left: tuple[Left, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    looked_up: tuple[int, ...] = ()
    logs: tuple[LogLine, ...] = ()
    tokens: int = 0
    cost_usd: float = 0.0
    ended: bool = False
    error: SentError | None = None


encode = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(Order).decode
decode_report = msgspec.msgpack.Decoder(Report).decode
