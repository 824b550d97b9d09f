"""Answers that need no call: what the engine asks of a cache or a cassette, and how a request is identified."""

from typing import Protocol

from insideLLMs.core import canonical
from insideLLMs.core.types import Exchange, Request, Response, expand


class AnswerStore(Protocol):
    """Where answers are found and kept; both must be quick.

    A `closed` one stands in for the models: what it lacks is not asked for. `takes_user_code` tells whether it
    may hold answers of users' own models, whose behaviour no identity covers wholly.
    """

    closed: bool
    takes_user_code: bool

    def find(self, key: str, model_digest: str) -> Response | None: ...
    def keep(self, exchange: Exchange) -> None: ...


def request_key(model_digest: str, request: Request, repeat: int) -> str:
    """Identify a request by content: the model with its parameters, all that is sent, and the repeat."""
    return canonical.identity("request/1", {"model": model_digest, "repeat": repeat, "request": expand(request)})
