"""What a provider's batch API is: how a batch is created, found again, looked at, and its results read.

Calls are made through `send`, which raises the ModelError of any status but 2xx. Creating is one call by itself:
whether it was accepted must be found out where its answer does not come.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
import orjson

from insideLLMs.core.errors import BadAnswerError
from insideLLMs.providers.answer_fields import read_list
from insideLLMs.providers.codec import HttpAnswer, HttpCall, json_object

Send = Callable[[HttpCall], Awaitable[HttpAnswer]]
PAGES = 50
"""At most so many pages of a listing are read to find a batch again."""
PAGE = 100


class BatchState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch is, as the provider says; `problem` is why it refused the whole of it.

    One that is cancelled may have answers.
    `results` are what its answers are read from: names of files, or the answers themselves, as the API has it.
    """

    id: str
    word: str
    is_ended: bool
    is_cancelled: bool = False
    completed: int = 0
    failed: int = 0
    total: int = 0
    problem: str = ""
    results: tuple[Any, ...] = ()


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """A batch whose id is not known: its token, how many requests it has, and which ids are those of others.

    `newest` was the newest batch before it was created.
    """

    token: str
    count: int
    newest: str
    others: frozenset[str]


class NotToldYetError(Exception):
    """One of the provider's batches may be the one that is sought, which only its end will tell."""


class BatchApi(Protocol):
    """One provider's way. `most_requests` and `most_bytes` bound a batch; a new one's id is in `id_field`."""

    id_field: str
    most_requests: int
    most_bytes: int

    def line(self, custom_id: str, call: HttpCall) -> bytes:
        """Write a request as it stands in a batch."""
        ...

    async def newest(self, send: Send) -> str:
        """Return the id of the newest batch, where it is needed to find one again."""
        ...

    async def creation(self, send: Send, token: str, path: str, lines: Sequence[bytes]) -> HttpCall:
        """Return the one call that creates a batch of lines, each a call of `path`; upload what it needs first."""
        ...

    async def find(self, send: Send, sought: Sought) -> str | None:
        """Return the id of a batch that may have been created; None where there is none. Raises NotToldYetError."""
        ...

    async def look(self, send: Send, batch: str) -> BatchState:
        """Return how far a batch is."""
        ...

    def results(self, send: Send, state: BatchState, token: str) -> AsyncIterator[bytes]:
        """Yield the lines that a batch that ended has, as `read_answer` reads them."""
        ...

    def cancellation(self, batch: str) -> HttpCall:
        """Return the call that stops a batch."""
        ...


def get(path: str, **query: str | int) -> HttpCall:
    """Ask for something."""
    return HttpCall(path=path, body=b"", method="GET", query={name: str(value) for name, value in query.items()})


def post(path: str, value: object, token: str = "") -> HttpCall:
    """Send JSON; the `token` makes it one and the same call where a server knows such keys."""
    return HttpCall(path=path, body=orjson.dumps(value), headers={"Idempotency-Key": token} if token else {})


def read(answer: HttpAnswer) -> dict[str, Any]:
    """Decode an answer that must be a JSON object. Raises BadAnswerError."""
    return json_object(answer, "the batch API")


def batches_on(page: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    """Return the batches on a page of a listing, under the first of these names that it has."""
    held = next((page[name] for name in names if page.get(name)), None)
    return [batch for batch in read_list(held) if isinstance(batch, dict)]


def read_id(answer: HttpAnswer, name: str = "id") -> str:
    """Return the id that an answer names. Raises BadAnswerError."""
    found = read(answer).get(name)
    if not isinstance(found, str) or not found:
        raise BadAnswerError(f"the batch API answered without {name}", http_status=answer.status)
    return found


def count(counts: object, *names: str) -> int:
    """Add up counts by their names; some APIs write numbers as text."""
    held = counts if isinstance(counts, dict) else {}
    return sum(int(value) for name in names if str(value := held.get(name) or 0).isdecimal())


def lines_of(body: bytes) -> list[bytes]:
    """Return the lines of a file that are not blank."""
    return [line for line in body.split(b"\n") if line.strip()]
