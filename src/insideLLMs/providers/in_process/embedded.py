"""A GGUF model run in this process by llama.cpp: no key, no network, no compiler."""

import functools
import secrets
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from insideLLMs.core.arguments import check_numbers, stop_texts
from insideLLMs.core.errors import ModelUnavailableError, RequestRefusedError, ServerError
from insideLLMs.core.types import JsonValue, Response, Usage
from insideLLMs.local import weights
from insideLLMs.providers.in_process.model import InProcessModel, file_sha256, require_packages
from insideLLMs.providers.in_process.native_threads import Stop

RANGES = {
    "temperature": (0.0, 10.0),
    "top_p": (0.0, 1.0),
    "max_tokens": (1, 10**6),
    "seed": (0, 2**31),
    "n_threads": (1, 1024),
    "n_parallel": (1, 256),
    "n_ctx": (64, 10**7),
}
RESERVED = frozenset({"model", "messages", "stream", "stream_options", "n", "cache_prompt"})


class EmbeddedModel(InProcessModel):
    """A small model in this process: `smollm2`, or any GGUF file at `path`.

    Its answers are deterministic on one machine with one version of the runtime; both belong to its identity.
    `n_threads` work on each token, `n_parallel` requests are answered side by side, each with room for `n_ctx` tokens;
    none of the three changes an answer. With a temperature above 0, each request draws with a seed of its own,
    made of `seed`, the repeat and the messages: one seed for all would draw the same luck for every example of a
    run, and no comparison could tell that from a change.
    """

    provider = "embedded"

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        model_name: str = "smollm2",
        *,
        path: str | Path | None = None,
        temperature: float = 0.0,
        top_p: float | None = None,
        max_tokens: int = 64,
        seed: int = 0,
        stop: str | Sequence[str] | None = None,
        n_threads: int = 1,
        n_parallel: int = 1,
        n_ctx: int = 2048,
        thought_tags: Sequence[Sequence[str]] | None = None,
        experiment_folder: Path = Path(),
    ) -> None:
        parameters: dict[str, JsonValue] = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed}
        parameters["top_p"] = top_p
        check_numbers({**parameters, "n_threads": n_threads, "n_parallel": n_parallel, "n_ctx": n_ctx}, RANGES)
        parameters["stop"] = stop_texts(stop)
        super().__init__(
            model_name, parameters, origin={"path": path}, n_parallel=n_parallel, thought_tags=thought_tags
        )
        if path is None:
            weights.find(model_name, "answers")  # refuses an unknown name now rather than at the first call
        self._path = experiment_folder / Path(path).expanduser() if path is not None else None
        self._n_threads, self._n_ctx = n_threads, n_ctx

    def check(self) -> None:
        """Raise ModelUnavailableError, naming the command that helps, if the extra or the weights are missing."""
        require_packages("embedded", "xllamacpp")
        self._weights()

    def _look(self) -> Mapping[str, JsonValue]:
        return {"gguf_sha256": file_sha256(self._weights()), "runtime": runtime()}

    def _weights(self) -> Path:
        if self._path is not None:
            if not self._path.is_file():
                raise ModelUnavailableError(f"there is no GGUF file at {self._path}", fix="correct `path:`")
            return self._path
        found = weights.find(self.model_id, "answers")
        if found is None:
            raise ModelUnavailableError(
                f"the weights of the embedded model {self.model_id!r} are not on this machine",
                fix=f"insidellms model pull {self.model_id}",
            )
        return found[0]

    def _load(self) -> Any:
        return load(self._weights(), self._n_threads, self._n_parallel, self._n_ctx)

    def _complete(self, messages: list[dict[str, JsonValue]], options: dict[str, JsonValue], stop: Stop) -> Response:
        taken = RESERVED & options.keys()
        if taken:
            raise RequestRefusedError(f"a request cannot set {', '.join(sorted(taken))}", fix="remove the option")
        body = {
            **options,
            "messages": messages,
            "stream": True,  # a stream can be stopped: an abandoned call gives its slot back
            "stream_options": {"include_usage": True},
            "cache_prompt": False,  # an answer must not depend on what was asked before it
        }
        chunks: list[Any] = []

        def take(chunk: Any) -> bool:
            chunks.append(chunk)
            return stop.is_set()

        try:
            returned = self._load_once().handle_chat_completions(body, take)
        except ValueError as error:
            raise RequestRefusedError(f"{self.model_id} refuses the request: {error}") from error
        except RuntimeError as error:
            raise ServerError(f"{self.model_id} failed: {error}") from error
        return assemble([*chunks, returned], self.model_id)


def assemble(chunks: Sequence[Any], model_name: str) -> Response:
    """Join the pieces of a streamed completion. Raises RequestRefusedError or ServerError for an error in them."""
    text: list[str] = []
    reason: str | None = None
    usage: Usage | None = None
    for chunk in chunks:
        match chunk:
            case {"error": {"code": code, "message": str(message)}}:
                kind = RequestRefusedError if code == 400 else ServerError
                raise kind(f"{model_name} refuses the request: {message}")
            case {"choices": [{"delta": {**delta}, "finish_reason": finish}, *_]}:
                text.append(str(delta.get("content") or ""))
                reason = finish or reason
            case {"usage": {"prompt_tokens": int(read), "completion_tokens": int(written)}}:
                usage = Usage(input_tokens=read, output_tokens=written)
    return Response(text="".join(text), finish_reason=reason, usage=usage, model=model_name)


@functools.cache
def runtime() -> dict[str, str]:
    """Return the version of llama.cpp's package and the CPU features that it uses here."""
    require_packages("embedded", "xllamacpp")
    import xllamacpp  # noqa: PLC0415 - an optional extra

    features = [part.partition("=")[0].strip() for part in xllamacpp.get_system_info().partition(":")[2].split("|")]
    return {"xllamacpp": metadata.version("xllamacpp"), "features": " ".join(filter(None, features))}


def load(path: Path, n_threads: int, n_parallel: int, n_ctx: int) -> Any:
    """Load a GGUF file, without a word on stderr. Raises ModelUnavailableError if it is none."""
    import xllamacpp  # noqa: PLC0415 - an optional extra

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_parallel = n_parallel
    parameters.n_ctx = n_ctx * n_parallel
    parameters.cpuparams.n_threads = n_threads
    parameters.cpuparams_batch.n_threads = n_threads
    parameters.verbosity = -1
    parameters.warmup = False
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.ui = False
    # llama.cpp's server listens on a port of this machine, which nobody may use: nobody learns this key
    parameters.api_keys = [secrets.token_hex(16)]
    try:
        return xllamacpp.Server(parameters)
    except (RuntimeError, ValueError) as error:
        raise ModelUnavailableError(
            f"{path} cannot be loaded: {error}",
            fix="check that it is a whole GGUF file, and that there is enough memory",
        ) from error
