"""What the codecs of all chat APIs share: options over parameters, JSON both ways, errors; and their constructor."""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypedDict, TypeVar, get_type_hints

import msgspec
import orjson

from insideLLMs.core.arguments import check_mapping, check_numbers, flag, nearest, stop_texts
from insideLLMs.core.errors import ArgumentError, BadAnswerError, RequestRefusedError
from insideLLMs.core.thoughts import read_tags
from insideLLMs.core.types import JsonValue, Message, Request, Response
from insideLLMs.providers.codec import Endpoint, HttpAnswer, HttpCall, excerpt, json_object
from insideLLMs.providers.events import EventAssembler
from insideLLMs.providers.failures import fail, find_error, read_failure, require_answer
from insideLLMs.providers.http_model import HttpModel
from insideLLMs.providers.request_options import RESERVED, merge_options
from insideLLMs.providers.transport import TransportOptions

RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 10**6),
    "max_tokens": (1, 10**7),
    "max_completion_tokens": (1, 10**7),
    "seed": (-(2**53) + 1, 2**53 - 1),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "timeout_s": (0.001, 86_400),
}
Options = dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCodec(ABC):
    """A chat API's wire; `fields` are the user's parameters in our spelling, apart from model and messages.

    With `stream`, `stream_fields` ask for an answer in events, which `events` puts together. Neither is a
    parameter: how an answer travels does not shape it, and a streamed run compares with, and is replayed as, one
    that was not.
    """

    events: ClassVar[type[EventAssembler] | None] = None
    """What reads this API's streams; None where nothing does."""
    stream_fields: ClassVar[Mapping[str, JsonValue]] = {"stream": True}

    batch_prefix: ClassVar[str | None] = None
    """What comes before the path of a call in a batch file; None where an API has no batches."""

    model_name: str
    fields: Mapping[str, JsonValue]
    endpoint: Endpoint
    stream: bool = False

    def parameters(self) -> Mapping[str, JsonValue]:
        """Return the parameters and the names of extra headers."""
        headers = sorted(self.endpoint.headers)
        fields = {name: value for name, value in self.fields.items() if name not in self.stream_fields}
        return {**fields, **({"headers": headers} if headers else {})}

    def encode(self, request: Request, *, repeat: int) -> HttpCall:
        """Write a request; its options override `fields`, and None takes a field out, also one of the codec's own."""
        body = {
            **(self.stream_fields if self.stream else {}),
            **self.body(request.messages, self.options(request, repeat)),
        }
        body = {name: value for name, value in body.items() if value is not None}
        try:
            return HttpCall(path=self.path(), body=orjson.dumps(body), assembler=self.events and self.assembler)
        except TypeError as error:
            raise RequestRefusedError(f"the request cannot be written as JSON: {error}") from error

    def options(self, request: Request, repeat: int) -> Options:
        """Return `fields` with the options of a request over them. Raises RequestRefusedError for one that is ours."""
        return merge_options(self.fields, request, repeat)

    def assembler(self) -> EventAssembler:
        """Make what puts a streamed answer together."""
        assert self.events is not None, "only an API whose streams are read offers `stream`"
        return self.events(self.endpoint.provider)

    def decode(self, answer: HttpAnswer) -> Response:
        """Read an answer. Raises the ModelError that fits; a filtered prompt is an answer, not a failure."""
        if not 200 <= answer.status < 300:
            return fail(read_failure(answer), answer, self.endpoint, self.model_name)
        body = json_object(answer, self.endpoint.provider)
        error = find_error(body)
        if error is not None:
            return fail(error, answer, self.endpoint, self.model_name)
        return require_answer(self.read(body, answer), self.endpoint.provider, answer.status)

    @abstractmethod
    def path(self) -> str:
        """Return where requests go, below the endpoint's base URL."""

    @abstractmethod
    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Write a request's body."""

    @abstractmethod
    def read(self, body: dict[str, Any], answer: HttpAnswer) -> Response:
        """Turn the body of a good answer into a Response, its finish reason as it came. Raises BadAnswerError."""

    def unexpected(self, body: Mapping[str, Any], answer: HttpAnswer, missing: str) -> BadAnswerError:
        """Make the error for an answer that lacks what the API promises."""
        return BadAnswerError(
            f"{self.endpoint.provider} answered without {missing}; it sent the fields "
            f"{excerpt(', '.join(sorted(body))) or 'none'}",
            http_status=answer.status,
        )

    def refuse(self, options: Mapping[str, JsonValue], *names: str) -> None:
        """Raise RequestRefusedError if an option is set that this API does not have."""
        for name in names:
            if name in options:
                raise RequestRefusedError(f"{self.endpoint.provider} takes no {name}", fix=f"take {name} out")


class Connection(TypedDict, total=False):
    """How a model is reached and read.

    `extra` holds further fields of the request body, `headers` further headers; `thought_tags` are pairs of texts
    between which a model of tags of its own thinks.
    """

    base_url: str | None
    api_key_env: str | None
    extra: Mapping[str, JsonValue] | None
    headers: Mapping[str, str] | None
    timeout_s: float
    use_proxy_env: bool
    thought_tags: Sequence[Sequence[str]] | None


class Sampling(TypedDict, total=False):
    """How an answer is drawn and how long it may be; what is None is not sent."""

    temperature: float | None
    top_p: float | None
    max_tokens: int | None


class SeededSampling(Sampling, total=False):
    """The same for APIs that take a seed and texts that end an answer."""

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


class ChatModel(HttpModel):
    """A model behind a chat API: `endpoint` says where, `codec_type` how it is spoken to."""

    endpoint: ClassVar[Endpoint]
    codec_type: ClassVar[type[ChatCodec]]

    def __init__(self, model_name: str, args: Mapping[str, Any]) -> None:  # the TypedDict of a subclass
        """Sort the arguments into those of the connection and the parameters of requests."""
        check_mapping("headers", args["headers"], texts=True)
        check_numbers(args, RANGES)
        stream = args.get("stream", False)
        flag("", "stream", stream)
        ours = {**Connection.__annotations__, **Streaming.__annotations__}
        parameters = {name: value for name, value in args.items() if name not in ours}
        endpoint = msgspec.structs.replace(
            self.endpoint,
            key_env=self.endpoint.key_env if args["api_key_env"] is None else args["api_key_env"],
            headers={**self.endpoint.headers, **(args["headers"] or {})},
        )
        super().__init__(
            model_name,
            endpoint=endpoint,
            codec=self.codec_type(
                model_name=model_name, fields=body_fields(parameters, args["extra"]), endpoint=endpoint, stream=stream
            ),
            base_url=args["base_url"],
            options=TransportOptions(total_s=args["timeout_s"], use_proxy_env=args["use_proxy_env"]),
        )
        self._given_headers = args["headers"] or {}
        self._thought_tags = read_tags(args["thought_tags"])

    @property
    def batch_prefix(self) -> str | None:
        """What comes before the path of a call in a batch file; None where the API has no batches."""
        return self.codec_type.batch_prefix

    def written(self, request: Request, *, repeat: int) -> HttpCall:
        """Return the call that asks a request in a batch, which knows no streams. Raises RequestRefusedError."""
        assert isinstance(self._codec, ChatCodec)
        return replace(self._codec, stream=False).encode(request, repeat=repeat)


def body_fields(parameters: Mapping[str, JsonValue], extra: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
    """Join the parameters that are set with `extra`. Raises ArgumentError for a field that is set twice or is ours."""
    check_mapping("extra", extra)
    check_mapping("response_format", parameters.get("response_format"))
    fields = {name: value for name, value in parameters.items() if value is not None}
    if "stop" in fields:
        fields["stop"] = stop_texts(fields["stop"])
    for name, value in (extra or {}).items():
        if name in RESERVED or name in fields:
            raise ArgumentError(f"extra sets {name!r}", fix=RESERVED.get(name, "set it once, as an argument"))
        fields[name] = value
    return fields


def move(options: Options, names: Mapping[str, str]) -> dict[str, JsonValue]:
    """Take the options that `names` lists out of `options`, and return them under their new names."""
    return {theirs: options.pop(ours) for ours, theirs in names.items() if ours in options}


def merge(body: dict[str, JsonValue], options: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Put what is left of the options into the body; mappings on both sides are joined, the options' values first."""
    for name, value in options.items():
        held = body.get(name)
        body[name] = {**held, **value} if isinstance(held, dict) and isinstance(value, Mapping) else value
    return {name: value for name, value in body.items() if value not in ({}, None)}
