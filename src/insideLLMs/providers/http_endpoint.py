"""Any JSON endpoint as a model: a template for what is sent, paths to what is read from the answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from insideLLMs.core.arguments import check_mapping, check_numbers
from insideLLMs.core.errors import ArgumentError, BadAnswerError
from insideLLMs.core.types import JsonValue, Message, Response, Usage, expand
from insideLLMs.providers.answer_fields import read_count, read_text
from insideLLMs.providers.chat_model import RANGES, ChatCodec, Options
from insideLLMs.providers.codec import Endpoint, HttpAnswer, excerpt
from insideLLMs.providers.http_model import HttpModel
from insideLLMs.providers.transport import TransportOptions

READABLE = ("input_tokens", "output_tokens", "finish_reason", "model", "reasoning")
_FIELD = re.compile(r"\{([a-z_]+)\}")
_STEP = re.compile(r"""\.([A-Za-z_][\w-]*)|\[(-?\d+)\]|\[(?:"([^"]*)"|'([^']*)')\]""")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path to one value, such as ``$.choices[0].text``. Raises ArgumentError for what is none."""

    text: str
    steps: tuple[str | int, ...] = field(init=False)

    def __post_init__(self) -> None:
        text = self.text if isinstance(self.text, str) else ""
        rest = text.removeprefix("$")
        rest = rest if rest.startswith((".", "[")) or not rest else f".{rest}"
        found = list(_STEP.finditer(rest))
        if not text or "".join(step.group() for step in found) != rest:
            raise ArgumentError(f"{self.text!r} is not a path", fix="write names and numbers: $.choices[0].text")
        steps = tuple(int(step[2]) if step[2] else step[1] or step[3] or step[4] or "" for step in found)
        object.__setattr__(self, "steps", steps)

    def find(self, value: object) -> object:
        """Return what stands there, or a mark that nothing does."""
        for step in self.steps:
            try:
                value = value[step]  # type: ignore[index]  # whatever cannot be indexed so is caught
            except (TypeError, LookupError):
                return _MISSING
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateCodec(ChatCodec):
    """The user's own wire: `fields` holds template and paths."""

    def path(self) -> str:
        """The base URL is all of it."""
        return ""

    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Fill the template; the options of a request may be named in it too."""
        template, reads = options.pop("body"), options.pop("reads")
        del reads
        seed = options.get("seed")
        values: dict[str, JsonValue] = {
            **options,
            "prompt": next((message.text for message in reversed(messages) if message.role == "user"), ""),
            "system": "\n\n".join(message.text for message in messages if message.role == "system"),
            "messages": [expand(message) for message in messages],
            "model_name": self.model_name,
        }
        if seed is not None:
            values["seed"] = seed
        filled: Mapping[str, JsonValue] = fill(template, values)
        return filled

    def read(self, body: dict[str, Any], answer: HttpAnswer) -> Response:
        """Read what the paths lead to; the answer itself must be there and be text."""
        reads = self.fields["reads"]
        text = JsonPath(reads["text"]).find(body)
        if not isinstance(text, str):
            kind = "nothing" if text is _MISSING else f"{type(text).__name__}"
            raise BadAnswerError(
                f"{self.endpoint.provider} answered with {kind} at {reads['text']}; it sent the fields "
                f"{excerpt(', '.join(sorted(body))) or 'none'}",
                http_status=answer.status,
            )
        found = {name: JsonPath(reads[name]).find(body) for name in READABLE if name in reads}
        counts = {name: read_count(found.get(name)) for name in ("input_tokens", "output_tokens")}
        return Response(
            text=text,
            finish_reason=read_text(found.get("finish_reason")),
            usage=Usage(**counts) if any(count is not None for count in counts.values()) else None,
            model=read_text(found.get("model")),
            reasoning=read_text(found.get("reasoning")),
        )


def fill(template: JsonValue, values: Mapping[str, JsonValue]) -> JsonValue:
    """Replace ``{name}`` in every text; a text that is nothing else becomes the value itself, list or number."""
    if isinstance(template, Mapping):
        return {key: fill(item, values) for key, item in template.items()}
    if isinstance(template, list | tuple):
        return [fill(item, values) for item in template]
    if not isinstance(template, str):
        return template
    alone = _FIELD.fullmatch(template)
    if alone and alone[1] in values:
        return values[alone[1]]
    return _FIELD.sub(lambda found: str(values[found[1]]) if found[1] in values else found[0], template)


class HttpEndpointModel(HttpModel):
    """Whatever answers JSON at `base_url`.

    `body` is sent with ``{prompt}``, ``{system}``, ``{messages}``, ``{seed}`` filled in; `answer` is the path to
    the text, `reads` holds paths to input_tokens, output_tokens, finish_reason, model and reasoning. A key named
    by `api_key_env` is sent as a bearer token, or alone under `key_header`.
    """

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        base_url: str,
        *,
        body: Mapping[str, JsonValue],
        answer: str,
        reads: Mapping[str, str] | None = None,
        model_name: str = "http",
        seed: int | None = None,
        api_key_env: str = "",
        key_header: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 600.0,
        use_proxy_env: bool = False,
    ) -> None:
        check_mapping("body", body)
        check_mapping("reads", reads, texts=True)
        check_mapping("headers", headers, texts=True)
        check_numbers({"seed": seed, "timeout_s": timeout_s}, RANGES)
        paths = {"text": answer, **(reads or {})}
        for name, path in paths.items():
            if name not in {"text", *READABLE}:
                raise ArgumentError(f"reads has {name!r}", fix=f"known are {', '.join(READABLE)}")
            JsonPath(path)
        endpoint = Endpoint(
            provider="http",
            base_url="https://example.com/answer",
            key_env=api_key_env,
            key_header=key_header or "Authorization",
            key_format="{key}" if key_header else "Bearer {key}",
            headers=dict(headers or {}),
        )
        fields = {"body": dict(body), "reads": paths, **({} if seed is None else {"seed": seed})}
        super().__init__(
            model_name,
            endpoint=endpoint,
            codec=TemplateCodec(model_name=model_name, fields=fields, endpoint=endpoint),
            base_url=base_url,
            options=TransportOptions(total_s=timeout_s, use_proxy_env=use_proxy_env),
        )
