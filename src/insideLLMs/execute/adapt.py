"""Make what users write into what the engine calls: models, sync code in threads; and what simple probes are given."""

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from insideLLMs.core.errors import InsideLLMsError, ModelError
from insideLLMs.core.protocols import CONVERSATION_ID, AsyncModel, Model, join_chat
from insideLLMs.core.template import Template, values_of
from insideLLMs.core.thoughts import read_tags, separate
from insideLLMs.core.types import Example, JsonValue, Message, Request, Response, Usage, expand, sum_usage
from insideLLMs.core.user_code import UserCodeError, calling_user_code, takes_keyword
from insideLLMs.execute.abandonable import AbandonableThreads, in_own_task
from insideLLMs.plan import Trial, describe

logger = logging.getLogger(__name__)
CLOSE_S = 3.0


def as_async_model(model: Any, threads: AbandonableThreads) -> AsyncModel:
    """Adapt `model`. Raises InsideLLMsError if it has none of respond, agenerate, generate, and is not callable."""
    if inspect.iscoroutinefunction(getattr(model, "respond", None)):
        native: AsyncModel = model
        return native
    if callable(getattr(model, "generate", None)) or callable(getattr(model, "agenerate", None)) or callable(model):
        return UserModel(model, threads)
    raise InsideLLMsError(
        f"{type(model).__name__} is not a model: it has no generate(prompt)",
        fix="give it `def generate(self, prompt, **kwargs) -> str`, or pass a function of the prompt",
    )


class UserModel:
    """A user's own model behind the engine's contract."""

    def __init__(self, model: Any, threads: AbandonableThreads) -> None:
        self.model = model
        self._threads = threads
        self._generate = getattr(model, "agenerate", None) or getattr(model, "generate", None) or model
        chat = getattr(model, "achat", None) or getattr(model, "chat", None)
        inherited = isinstance(model, Model) and type(model).chat is Model.chat and not hasattr(model, "achat")
        self._chat = None if inherited else chat
        self._what = f"model {model_name(model)!r}"
        self._tags = read_tags(getattr(model, "thought_tags", None))

    @property
    def runs_in_thread(self) -> bool:
        """Whether the model's code blocks, so that a probe on a thread may call it as it is."""
        return not is_async(self._generate)

    @property
    def keeps(self) -> frozenset[str] | None:
        """The names of the parts that its answers have, where they are known before."""
        known: frozenset[str] | None = getattr(self.model, "keeps", None)
        return known

    def identity(self) -> Mapping[str, JsonValue]:
        return describe(self.model)

    async def respond(self, request: Request, *, repeat: int = 0) -> Response:  # noqa: ARG002 - the contract's name
        messages = [_plain(message) for message in request.messages]
        lone = len(messages) == 1 and messages[0]["role"] == "user"
        if lone or self._chat is None:
            answer = await self._call(self._generate, join_chat(messages), request.options)
        else:
            answer = await self._call(self._chat, messages, request.options)
        from insideLLMs.execute.returned_answers import as_response  # noqa: PLC0415 - only users' own models need it

        return separate(as_response(answer, self._what), self._tags)

    async def _call(self, function: Callable[..., Any], prompt: object, options: Mapping[str, JsonValue]) -> object:
        with calling_user_code(self._what):
            if is_async(function):
                return await in_own_task(function(prompt, **options))
            answer = await self._threads.run(functools.partial(function, prompt, **options))
            return await in_own_task(answer) if inspect.isawaitable(answer) else answer

    async def aclose(self) -> None:
        """Leave the user's model alone: it is theirs to close."""


def respond(model: AsyncModel, request: Request, repeat: int) -> Coroutine[Any, Any, Response]:
    """Ask `model`; one that is not ours in a task of its own, which can be abandoned."""
    if _is_ours(model):
        return model.respond(request, repeat=repeat)
    return _respond_apart(model, request, repeat)


async def _respond_apart(model: AsyncModel, request: Request, repeat: int) -> Response:
    with calling_user_code(f"model {model_name(model)!r}"):
        return await in_own_task(model.respond(request, repeat=repeat))


async def close_model(model: AsyncModel) -> None:
    """Give back what `model` holds; one that is not ours gets CLOSE_S for it."""
    if _is_ours(model):
        await model.aclose()
        return
    try:
        async with asyncio.timeout(CLOSE_S):
            with calling_user_code(f"model {model_name(model)!r}: aclose()"):
                await in_own_task(model.aclose())
    except TimeoutError:
        logger.warning("model %r: aclose() did not return within %g s", model_name(model), CLOSE_S)
    except UserCodeError as error:
        logger.warning("%s", error.message)


def _is_ours(model: AsyncModel) -> bool:
    return type(model).__module__.startswith("insideLLMs.")


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling `function` gives a coroutine; an object's `__call__` counts."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def model_name(model: Any) -> str:
    """Return what `model` calls itself, or its class."""
    name = getattr(model, "name", None) or getattr(model, "__name__", None)
    return name if isinstance(name, str) else type(model).__name__


def with_system(request: Request, system: Template | None, example: Example) -> Request:
    """Put the model's system prompt first, unless the request has its own. Raises TemplateError."""
    if system is None or any(message.role == "system" for message in request.messages):
        return request
    first = Message(role="system", content=system.fill(example))
    return msgspec.structs.replace(request, messages=(first, *request.messages))


def with_variables(request: Request, names: Sequence[str], example: Example) -> Request:
    """Give a request the fields that its model fills in, as far as the example has them."""
    if not names:
        return request
    ours = {CONVERSATION_ID: example.digest()[:32]} if CONVERSATION_ID in names else {}
    values = {**ours, **values_of(example, names)}
    return msgspec.structs.replace(request, variables={name: values[name] for name in names if name in values})


def _plain(message: Message) -> dict[str, Any]:
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    return {"role": message.role, "content": [expand(part) for part in message.content]}


def example_data(trial: Trial) -> object:
    """Return what a simple-contract probe is given: the input alone, or the example under all its usual names."""
    example = trial.example
    if not example.expected and not example.fields:
        return example.input if isinstance(example.input, str) else _chat(trial)
    data: dict[str, JsonValue] = {"id": example.id, "example_id": example.id}
    for name in ("input", "prompt", "question"):
        data[name] = example.text
    if not isinstance(example.input, str):
        data["messages"] = _chat(trial)
    if example.expected:
        only = example.expected[0] if len(example.expected) == 1 else list(example.expected)
        data.update(dict.fromkeys(("expected", "answer", "ideal", "reference", "reference_answer"), only))
    return {**data, **example.fields}


def _chat(trial: Trial) -> list[dict[str, JsonValue]]:
    assert not isinstance(trial.example.input, str)
    return [expand(message) for message in trial.example.input]


A = TypeVar("A")
Ask = Callable[[Request, str | None], Coroutine[Any, Any, Response]]
"""Asks the run's model, or one of the probe's own by its name."""


class ModelDoor:
    """The run's model as a simple-contract probe sees it, for one Trial: limits and retries are the engine's.

    Plain functions wait for the engine's loop; they must not be called from a coroutine (use the `a` forms).
    Anything else is looked up on the model itself.
    """

    def __init__(self, model: Any, ask: Ask, loop: asyncio.AbstractEventLoop) -> None:
        self.name = model_name(model)
        self.usage: Usage | None = None
        self._model = model
        self._ask = ask
        self._loop = loop
        self._open: set[Any] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, prompt: str, **options: Any) -> str:
        """Ask one prompt."""
        return self._wait(self.agenerate(prompt, **options))

    def chat(self, messages: list[dict[str, Any]], **options: Any) -> str:
        """Ask a chat."""
        return self._wait(self.achat(messages, **options))

    def respond_to(self, request: Request, *, by: str | None = None) -> Response:
        """Ask a Request, for probes that need the whole Response: tool calls, reasons to stop.

        `by` names one of the models that are the probe's own.
        """
        return self._wait(self._respond(request, by))

    def respond_to_all(self, requests: Sequence[Request]) -> list[Response | ModelError]:
        """Ask several Requests at once, as far as the limits of the run allow; a call that fails gives its error."""
        return self._wait(self._respond_to_all(requests))

    def takes_option(self, name: str) -> bool:
        """Whether the model takes an option of this name; what a provider's API takes, nobody knows beforehand."""
        if callable(own := getattr(self._model, "takes_option", None)):
            return bool(own(name))
        function = getattr(self._model, "agenerate", None) or getattr(self._model, "generate", None)
        return callable(getattr(self._model, "respond", None)) or takes_keyword(function or self._model, name)

    async def agenerate(self, prompt: str, **options: Any) -> str:
        """Ask one prompt from a coroutine."""
        return await self._answer(Request.of(prompt, **options))

    async def achat(self, messages: list[dict[str, Any]], **options: Any) -> str:
        """Ask a chat from a coroutine."""
        turns = [Message(role=message["role"], content=message["content"]) for message in messages]
        return await self._answer(Request.of(turns, **options))

    def close(self) -> None:
        """Cancel calls whose probe was abandoned."""
        for future in list(self._open):
            future.cancel()

    async def _answer(self, request: Request) -> str:
        return (await self._respond(request)).text

    async def _respond(self, request: Request, by: str | None = None) -> Response:
        response = await self._ask(request, by)
        if by is not None:  # its tokens are counted with its call
            return response
        self.usage = sum_usage((self.usage, response.usage))
        return response

    async def _respond_to_all(self, requests: Sequence[Request]) -> list[Response | ModelError]:
        answers = await asyncio.gather(*map(self._respond, requests), return_exceptions=True)
        for answer in answers:
            if not isinstance(answer, Response | ModelError):
                raise answer
        return [answer for answer in answers if isinstance(answer, Response | ModelError)]

    def _wait(self, coroutine: Coroutine[Any, Any, A]) -> A:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        self._open.add(future)
        try:
            return future.result()
        finally:
            self._open.discard(future)
