"""The arguments that users write under a model's `args:`: those that chat APIs share, and checks."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict, TypeVar, get_type_hints

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue
from insideLLMs.plugins import nearest


class Connection(TypedDict, total=False):
    """How a model is reached. `extra` holds further fields of the request body, `headers` further headers."""

    base_url: str | None
    api_key_env: str | None
    extra: Mapping[str, JsonValue] | None
    headers: Mapping[str, str] | None
    timeout_s: float
    use_proxy_env: bool


class Sampling(TypedDict, total=False):
    """How an answer is drawn and how long it may be; what is None is not sent."""

    temperature: float | None
    top_p: float | None
    max_tokens: int | None


class SeededSampling(Sampling, total=False):
    """The same for APIs that can be told the draw, and the texts before which an answer stops."""

    seed: int | None
    stop: str | Sequence[str] | None


class Tools(TypedDict, total=False):
    """What the model may call; spelt as in OpenAI's chat completions."""

    tools: Sequence[Mapping[str, JsonValue]] | None
    tool_choice: str | Mapping[str, JsonValue] | None


class Form(TypedDict, total=False):
    """What an answer is to look like, and whether its tokens' log probabilities are wanted."""

    response_format: Mapping[str, JsonValue] | None
    logprobs: bool | None


class Streaming(TypedDict, total=False):
    """Whether answers are sent in pieces. It changes no answer and is no part of a model's identity."""

    stream: bool


Init = TypeVar("Init", bound=Callable[..., None])
DEFAULTS: Mapping[str, object] = {"timeout_s": 600.0, "use_proxy_env": False, "stream": False}


def spelt_out(**defaults: object) -> Callable[[Init], Init]:
    """Make a constructor that takes ``**args: Unpack[SomeTypedDict]`` one of declared keywords.

    `inspect.signature` then names each keyword with its type and default; what is not declared is a TypeError that
    names the nearest; and the keywords that are not given come as their defaults.
    """

    def decorate(init: Init) -> Init:
        plain = inspect.signature(init)
        others = [one for one in plain.parameters.values() if one.kind is not one.VAR_KEYWORD]
        hints = get_type_hints(plain.parameters["args"].annotation.__args__[0])
        declared = dict(sorted(hints.items(), key=lambda hint: hint[0] in Connection.__annotations__))
        values = {name: {**DEFAULTS, **defaults}.get(name) for name in declared}
        keyword = functools.partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
        spelt = [keyword(name, annotation=kind, default=values[name]) for name, kind in declared.items()]
        known = {one.name for one in others} | set(declared)

        @functools.wraps(init)
        def checked(self: object, *positional: object, **given: object) -> None:
            for name in given:
                if name not in known:
                    near = nearest(name, sorted(known))
                    hint = f"; did you mean {near!r}?" if near else ""
                    raise TypeError(f"{type(self).__name__} takes no argument {name!r}{hint}")
            init(self, *positional, **{**values, **given})

        checked.__signature__ = plain.replace(parameters=[*others, *spelt])  # type: ignore[attr-defined]  # its protocol
        return checked  # type: ignore[return-value]  # the same to callers

    return decorate


def check_numbers(arguments: Mapping[str, object], ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise ArgumentError naming an argument outside its range; None is no value.

    Where both bounds are of type int, so must the argument be.
    """
    for name, (low, high) in ranges.items():
        value = arguments.get(name)
        if value is None:
            continue
        whole = isinstance(low, int) and isinstance(high, int)
        wanted = int if whole else int | float
        if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            raise ArgumentError(f"{name} is {value!r}; it must be {kind} from {low:g} to {high:g}")


def read_stop(stop: object) -> list[str] | None:
    """Return stop texts as a list. Raises ArgumentError for what is neither text nor a list of texts."""
    if stop is None:
        return None
    texts = [stop] if isinstance(stop, str) else stop
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) and text for text in texts):
        raise ArgumentError(f"stop is {stop!r}; it must be a text or a list of texts, none of them empty")
    return list(texts)


def check_flag(name: str, value: object) -> None:
    """Raise ArgumentError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name} is {value!r}; it must be true or false")


def check_mapping(name: str, value: object, *, texts: bool = False) -> None:
    """Raise ArgumentError unless `value` maps names to values (to texts, if `texts`); None is no value.

    Values are not quoted: they may be secret.
    """
    if value is None:
        return
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ArgumentError(f"{name} is of type {type(value).__name__}; it must map names to values")
    for key, item in value.items():
        if texts and not isinstance(item, str):
            raise ArgumentError(f"{name}[{key!r}] is of type {type(item).__name__}; it must be text", fix="quote it")
