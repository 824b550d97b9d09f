"""A user's own function as a model, named in an experiment: for testing a whole application, not a model."""

import contextlib
import functools
import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from insideLLMs.core.describe import describe, secret_texts, without_secrets
from insideLLMs.core.errors import ArgumentError, BadAnswerError
from insideLLMs.core.thoughts import Tags, read_tags
from insideLLMs.core.types import JsonValue, Response
from insideLLMs.core.user_code import UserCodeError, calling_user_code, takes_keyword
from insideLLMs.plugins import load_reference
from insideLLMs.providers.applications.answer_paths import AnswerPaths, json_text, plain_json, read_paths
from insideLLMs.providers.redaction import Redactor


def callable_model(  # noqa: PLR0913 - each argument is a key that users write under `args:`
    function: str,
    *,
    messages: bool = False,
    options: Mapping[str, JsonValue] | None = None,
    answer: str | None = None,
    trajectory: str | None = None,
    reads: Mapping[str, str] | None = None,
    keep: Mapping[str, str] | None = None,
    model_name: str | None = None,
    thought_tags: Sequence[Sequence[str]] | None = None,
    experiment_folder: Path = Path(),
) -> "FunctionModel | AsyncFunctionModel":
    """Your own function as a model: ``module:function`` or ``file.py:function``, sync or async.

    It returns text, a Response, a mapping with fields of a Response: ``{"text": ..., "kept": {"sources": ...}}``, or an
    agent's messages, of which the last text is the answer. Of anything else that it returns, `answer` is the path to
    the text, with `trajectory`, `reads` and `keep` as of the type http. It is called with the prompt, or with all
    `messages` as mappings; `options` are passed as keywords. A file is looked up beside the experiment. `model_name`
    only labels the model.
    `thought_tags` are pairs of texts between which it thinks, where it has tags of its own.
    """
    if not isinstance(function, str) or ":" not in function:
        raise ArgumentError(f"function is {function!r}", fix="write module:function or file.py:function")
    found, digest = load_reference(function, folder=experiment_folder, what=f"function {function!r}")
    paths = read_paths(answer, reads, keep, trajectory)
    target: Any = found() if inspect.isclass(found) else found
    code = {"code_sha256": digest} if digest else {}
    identity = {
        "type": "callable",
        **describe(target),
        **code,
        "messages": messages,
        "options": without_secrets(options or {}),
        **({} if paths is None else paths.written),
        **({"thought_tags": [list(pair) for pair in thought_tags]} if thought_tags else {}),
    }
    is_async = inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(getattr(target, "__call__", None))  # noqa: B004
    kind = AsyncFunctionModel if is_async else FunctionModel
    name = model_name or function.rpartition(":")[2]
    made = kind(functools.partial(target, **(options or {})), name=name, identity=identity, takes_messages=messages)
    made.thought_tags = read_tags(thought_tags)
    made.read_by(paths)
    made.hide(secret_texts(dict(options or {})))
    return made


class _Called:
    """Calls a function with what it wants; both forms share it."""

    thought_tags: Tags = ()
    keeps: frozenset[str] | None = None
    _paths: AnswerPaths | None = None
    _redactor: Redactor | None = None

    def __init__(self, function: Any, *, name: str, identity: Mapping[str, Any], takes_messages: bool) -> None:
        self.name = self.model_id = name
        self._function = function
        self._identity = identity
        self._takes_messages = takes_messages

    def identity(self) -> Mapping[str, JsonValue]:
        """Return what the function is made of, and its options."""
        return self._identity

    def takes_option(self, name: str) -> bool:
        """Whether the function takes a keyword of this name."""
        return takes_keyword(self._function, name)

    def read_by(self, paths: AnswerPaths | None) -> None:
        """Take what is returned for JSON in which the answer and its parts stand at `paths`."""
        if paths is not None:
            self._paths, self.keeps = paths, frozenset(paths.keep)

    def hide(self, secrets: Sequence[str]) -> None:
        """Blank out what came by secret options, in what the function returns and in what it raises."""
        self._redactor = Redactor(secrets) if secrets else None

    def _blanked(self, returned: object) -> object:
        if self._redactor is None:
            return returned
        if isinstance(returned, Response):
            return self._redactor.response(returned)
        if isinstance(returned, str):
            return self._redactor.text(returned)
        return orjson.loads(self._redactor.text(json_text(plain_json(returned))))

    @contextlib.contextmanager
    def _blanking_errors(self) -> Iterator[None]:
        try:
            with calling_user_code(f"model {self.name!r}"):
                yield
        except UserCodeError as error:
            if self._redactor is None:
                raise
            error.message = self._redactor.text(error.message)
            error.args = (error.message,)
            told = error.cause.args  # for a log with tracebacks
            error.cause.args = tuple(self._redactor.text(one) if isinstance(one, str) else one for one in told)
            raise

    def _answer(self, returned: object) -> Any:
        returned = self._blanked(returned)
        if self._paths is None:
            return returned
        body = plain_json(returned)
        response = self._paths.response(body)
        if response is None:
            error = BadAnswerError(self._paths.lacks(f"the function {self.name!r}", body))
            error.answer_digest = hashlib.sha256(json_text(body).encode()).hexdigest()  # the same again is final
            raise error
        return response

    def _call(self, prompt: str | list[dict[str, Any]], given: Mapping[str, Any]) -> Any:
        if self._takes_messages and isinstance(prompt, str):
            prompt = [{"role": "user", "content": prompt}]
        return self._function(prompt, **given)


class FunctionModel(_Called):
    """A plain function; it runs on a thread that can be abandoned."""

    def generate(self, prompt: str, **options: Any) -> Any:
        """Answer `prompt`."""
        with self._blanking_errors():
            return self._answer(self._call(prompt, options))

    def chat(self, messages: list[dict[str, Any]], **options: Any) -> Any:
        """Answer a chat; a function that takes prompts gets its last message."""
        with self._blanking_errors():
            return self._answer(self._call(messages if self._takes_messages else messages[-1]["content"], options))


class AsyncFunctionModel(_Called):
    """A coroutine function; it runs on the engine's loop."""

    async def agenerate(self, prompt: str, **options: Any) -> Any:
        """Answer `prompt`."""
        with self._blanking_errors():
            return self._answer(await self._call(prompt, options))

    async def achat(self, messages: list[dict[str, Any]], **options: Any) -> Any:
        """Answer a chat; a function that takes prompts gets its last message."""
        asked = messages if self._takes_messages else messages[-1]["content"]
        with self._blanking_errors():
            return self._answer(await self._call(asked, options))
