"""Models that run in this process: their threads, and what of their identity only the machine can tell."""

import asyncio
import functools
import sys
import weakref
from abc import abstractmethod
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from threading import Lock
from typing import Any

from insideLLMs.core import canonical
from insideLLMs.core.errors import ModelUnavailableError, RequestRefusedError
from insideLLMs.core.thoughts import read_tags, separate
from insideLLMs.core.types import ImagePart, JsonValue, Request, Response
from insideLLMs.local import weights
from insideLLMs.providers.in_process.native_threads import NativeThreads, Stop
from insideLLMs.providers.provider_model import ProviderModel
from insideLLMs.providers.request_options import own_seed


class InProcessModel(ProviderModel):
    """A model that is loaded at its first call, and answers on `n_parallel` threads of its own.

    `origin` is what the user wrote to name the weights. What is found under it on this machine (their digest, the
    runtime's version) is part of the identity; a replay assumes what the cassette says of that instead, and so
    needs neither weights nor runtime.
    """

    def __init__(
        self,
        model_name: str,
        parameters: Mapping[str, JsonValue],
        *,
        origin: Mapping[str, object],
        n_parallel: int = 1,
        thought_tags: object = None,
    ) -> None:
        super().__init__(model_name, model_name)
        self._parameters = {name: value for name, value in parameters.items() if value is not None}
        self._origin = {name: None if value is None else str(value) for name, value in origin.items()}
        self._assumed: Mapping[str, JsonValue] | None = None
        self._n_parallel = n_parallel
        self._thought_tags = read_tags(thought_tags)
        self._threads: NativeThreads | None = None
        self._loaded: Any = None  # neither runtime has types
        self._loading = Lock()

    def identity(self) -> Mapping[str, JsonValue]:
        """Return the weights' digest, the runtime, and the parameters."""
        return {
            "type": self.provider,
            "model_name": self.model_id,
            **self.facts(),
            "parameters": dict(self._parameters),
            **({"thought_tags": [list(pair) for pair in self._thought_tags]} if self._thought_tags else {}),
        }

    def origin(self) -> str:
        """Identify what the user wrote to name the weights."""
        return canonical.identity("origin/1", {"type": self.provider, "model_name": self.model_id, **self._origin})

    def facts(self) -> Mapping[str, JsonValue]:
        """Return what identifies the model beside its name and parameters. Raises ModelUnavailableError."""
        return self._look() if self._assumed is None else self._assumed

    def assume(self, facts: Mapping[str, JsonValue]) -> None:
        """Take the facts of another machine for this one's."""
        self._assumed = facts

    async def respond(self, request: Request, *, repeat: int = 0) -> Response:
        """Answer on a thread of the model's own. A call that is cancelled stops at its next token."""
        if self._threads is None:
            self.check()
            self._threads = NativeThreads(self._n_parallel, name=f"the {self.provider} model {self.model_id}")
            # a model that is dropped unclosed must not leave its threads behind
            weakref.finalize(self, self._threads.dismiss)
        work = functools.partial(self._complete, self._messages(request), self._options(request, repeat))
        return separate(await asyncio.wrap_future(self._threads.submit(work)), self._thought_tags)

    async def aclose(self) -> None:
        """Stop what is being answered and free the memory; a later call loads the model again."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.close)
        with self._loading:
            self._loaded = None

    def _load_once(self) -> Any:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _messages(self, request: Request) -> list[dict[str, JsonValue]]:
        for turn in request.messages:
            if not isinstance(turn.content, str) and any(isinstance(part, ImagePart) for part in turn.content):
                raise RequestRefusedError(
                    f"{self.provider} does not accept images", fix="choose another model for images"
                )
        return [{"role": turn.role, "content": turn.text} for turn in request.messages]

    def _options(self, request: Request, repeat: int) -> dict[str, JsonValue]:
        options = {**self._parameters, **request.options}
        if isinstance(options.get("seed"), int):
            options["seed"] = own_seed(options["seed"], repeat, request)
        return options

    @abstractmethod
    def _look(self) -> Mapping[str, JsonValue]:
        """Return the weights' digest and the runtime of this machine. Raises ModelUnavailableError."""

    @abstractmethod
    def _load(self) -> Any:
        """Load the weights. Raises ModelUnavailableError."""

    @abstractmethod
    def _complete(self, messages: list[dict[str, JsonValue]], options: dict[str, JsonValue], stop: Stop) -> Response:
        """Answer, on a thread of the model."""


def require_packages(extra: str, *packages: str) -> None:
    """Raise ModelUnavailableError, naming the command that helps, unless the packages of an extra are installed."""
    missing = [package for package in packages if util.find_spec(package) is None]
    if missing:
        raise ModelUnavailableError(
            f"a model of type {extra} needs the package {missing[0]}, which is not installed",
            fix=f"{Path(sys.executable).name} -m pip install 'insidellms[{extra}]'",
        )


def file_sha256(path: Path) -> str:
    """Return the digest of a file; read again only when it has changed."""
    state = path.stat()
    return _digest_once(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _digest_once(path: Path, _size: int, _changed: int) -> str:
    return weights.digest(path)
