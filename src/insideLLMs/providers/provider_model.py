"""How every provider is used by hand from Python: generate and chat, sync or async, over its one `respond`."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from insideLLMs.core.protocols import Model, ModelInfo, as_messages
from insideLLMs.core.run_blocking import run_blocking
from insideLLMs.core.types import JsonValue, Request, Response

T = TypeVar("T")


class ProviderModel(Model):
    """A built-in model: what the engine calls (`respond`), and the calls of a plain Model over it.

    The plain calls make one attempt each and raise ModelError; retries, limits and time-outs of a Trial are
    the engine's. Options override the model's own parameters for the call.
    """

    provider: str
    keeps: frozenset[str] | None = frozenset()
    """The names of the parts that its answers have; None where nobody knows them before."""

    @abstractmethod
    def identity(self) -> Mapping[str, JsonValue]:
        """Return everything that defines the behaviour, and no secret."""

    @abstractmethod
    async def respond(self, request: Request, *, repeat: int = 0) -> Response:
        """Make one attempt. Raises ModelError."""

    async def aclose(self) -> None:
        """Give back connections and memory; the model may be used again."""

    def check(self) -> None:
        """Raise the ModelError that every call would meet (no key, no weights), before any call is made."""

    def generate(self, prompt: str, **options: Any) -> str:
        """Answer `prompt`."""
        return self.ask(Request.of(prompt, **options)).text

    def chat(self, messages: Iterable[Mapping[str, Any]], **options: Any) -> str:
        """Answer a chat; each message has `role` and `content`."""
        return self.ask(Request.of(as_messages(messages), **options)).text

    async def agenerate(self, prompt: str, **options: Any) -> str:
        """Answer `prompt`, from a coroutine."""
        return (await self.respond(Request.of(prompt, **options))).text

    async def achat(self, messages: Iterable[Mapping[str, Any]], **options: Any) -> str:
        """Answer a chat, from a coroutine."""
        return (await self.respond(Request.of(as_messages(messages), **options))).text

    def ask(self, request: Request) -> Response:
        """Answer a request; may be called from any thread, also (blocking it) from one that runs an event loop."""
        return run_blocking(self._ask_once(request))

    def info(self) -> ModelInfo:
        """Describe the model."""
        return ModelInfo(name=self.name, provider=self.provider, model_id=self.model_id, extra=dict(self.identity()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model_id!r})"

    async def _ask_once(self, request: Request) -> Response:
        try:
            return await self.respond(request)
        finally:
            await self._release()

    async def _release(self) -> None:
        """Give back what belongs to the loop that is about to end."""
