"""Any JSON endpoint as a model: a template for what is sent, paths to what is read from the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from insideLLMs.core.arguments import check_mapping, check_numbers, one_of
from insideLLMs.core.errors import BadAnswerError, RequestRefusedError, TemplateError
from insideLLMs.core.template import values_of
from insideLLMs.core.thoughts import read_tags
from insideLLMs.core.types import Example, JsonValue, Message, Request, Response
from insideLLMs.providers.applications.answer_paths import AnswerPaths, json_text
from insideLLMs.providers.applications.http_templates import HttpTemplates, constant_part
from insideLLMs.providers.chat_model import RANGES, ChatCodec, Options
from insideLLMs.providers.codec import Endpoint, HttpAnswer, HttpCall, json_value
from insideLLMs.providers.failures import fail, find_error, read_failure, require_answer
from insideLLMs.providers.http_model import HttpModel
from insideLLMs.providers.lenient_json import decode_text
from insideLLMs.providers.transport import TransportOptions

METHODS = ("POST", "PUT", "PATCH", "GET")
_OURS = frozenset({"body", "reads", "method", "keep", "path", "trajectory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateCodec(ChatCodec):
    """The user's own wire: `fields` holds the body as written, method, and paths; `templates` what is filled in."""

    templates: HttpTemplates
    paths: AnswerPaths

    def path(self) -> str:
        """The base URL is all of it, but for what has fields."""
        return ""

    def encode(self, request: Request, *, repeat: int) -> HttpCall:
        """Write a request; GET sends the filled body as the query. Raises RequestRefusedError."""
        try:
            call = ChatCodec.encode(self, request, repeat=repeat)
            values = self.templates.values(request.messages, self.options(request, repeat))
            headers, path = self.templates.filled_headers(values), self.templates.filled_path(values)
        except TemplateError as error:
            raise RequestRefusedError(error.message, fix=error.fix) from error
        call = msgspec.structs.replace(call, path=path, headers=headers, method=str(self.fields.get("method", "POST")))
        if call.method != "GET":
            return call
        filled: dict[str, JsonValue] = orjson.loads(call.body)
        query = {name: value if isinstance(value, str) else json_text(value) for name, value in filled.items()}
        return msgspec.structs.replace(call, body=b"", query=query)

    def options(self, request: Request, repeat: int) -> Options:
        """Return what a template may name beside what is asked: the example's fields, and over them the options."""
        options = ChatCodec.options(self, request, repeat)
        return {**request.variables, **{name: value for name, value in options.items() if name not in _OURS}}

    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Fill the body. Raises TemplateError."""
        return self.templates.filled_body(self.templates.values(messages, options))

    def decode(self, answer: HttpAnswer) -> Response:
        """Read what the paths lead to; where nothing is at the answer's, an error in the body is what it is."""
        if not 200 <= answer.status < 300:
            return fail(read_failure(answer), answer, self.endpoint, self.model_name)
        body = self._value(answer)
        response = self.paths.response(body)
        if response is None:
            error = find_error(body)
            if error is not None:
                return fail(error, answer, self.endpoint, self.model_name)
            raise BadAnswerError(self.paths.lacks(self.endpoint.provider, body), http_status=answer.status)
        named = response.finish_reason is not None
        return require_answer(response, self.endpoint.provider, answer.status) if named else response

    def read(self, body: dict[str, Any], answer: HttpAnswer) -> Response:
        """Read a JSON object as `decode` does."""
        return self.decode(msgspec.structs.replace(answer, body=orjson.dumps(body)))

    def _value(self, answer: HttpAnswer) -> object:
        """Decode a body: JSON of any kind, or plain text where all of it is the answer."""
        is_all = self.paths.is_all
        kind = answer.headers.get("Content-Type", "")
        if is_all and kind.startswith("text/") and answer.body:
            return decode_text(answer.body, kind)
        try:
            return json_value(answer, self.endpoint.provider)
        except BadAnswerError:
            if not is_all or not answer.body.strip():
                raise
            return decode_text(answer.body, kind)


class HttpEndpointModel(HttpModel):
    """An endpoint at `base_url` that answers with JSON or plain text.

    `body` is sent by `method` (with GET, as the query) with ``{{ prompt }}``, ``{{ system }}``, ``{{ messages }}``,
    ``{{ seed }}`` and the example's fields filled in, as in `headers` and, behind the host, in `base_url`. `answer` is
    the path to the answer, `trajectory` to an agent's messages or spans (without `answer`, their last text is the
    answer). `reads` holds paths to input_tokens, output_tokens, reasoning_tokens, cached_tokens, finish_reason, model,
    reasoning and cost_usd. `keep` holds paths to parts, which probes, `diff` and the page read by name. A key named by
    `api_key_env` is sent as a bearer token, or as it is in the header `key_header`.
    """

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        base_url: str,
        *,
        body: Mapping[str, JsonValue],
        answer: str | None = None,
        trajectory: str | None = None,
        reads: Mapping[str, str] | None = None,
        keep: Mapping[str, str] | None = None,
        method: str = "POST",
        model_name: str = "http",
        seed: int | None = None,
        api_key_env: str = "",
        key_header: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 600.0,
        use_proxy_env: bool = False,
        thought_tags: Sequence[Sequence[str]] | None = None,
    ) -> None:
        check_mapping("body", body)
        check_mapping("headers", headers, texts=True)
        check_numbers({"seed": seed, "timeout_s": timeout_s}, RANGES)
        one_of("", "method", method, METHODS)
        given = {**(headers or {})}
        self._templates = HttpTemplates.of(body, given, base_url, model_name)
        endpoint = Endpoint(
            provider="http",
            base_url="",
            key_env=api_key_env,
            key_header=key_header or "Authorization",
            key_format="{key}" if key_header else "Bearer {key}",
            headers={name: text for name, text in given.items() if name not in self._templates.headers},
            operations="",
        )
        paths = AnswerPaths.of(answer, reads, keep, trajectory)
        fields: dict[str, Any] = {"body": dict(body), **paths.written}
        fields |= {"method": method} if method != "POST" else {}
        fields |= {} if seed is None else {"seed": seed}
        fields |= {"path": self._templates.path.text} if self._templates.path else {}
        super().__init__(
            model_name,
            endpoint=endpoint,
            codec=TemplateCodec(
                model_name=model_name, fields=fields, endpoint=endpoint, templates=self._templates, paths=paths
            ),
            base_url=constant_part(base_url),
            options=TransportOptions(total_s=timeout_s, use_proxy_env=use_proxy_env),
        )
        self.keeps = frozenset(paths.keep)
        self._given_headers = given
        self._thought_tags = read_tags(thought_tags)
        self.variables = self._templates.variables

    def check_example(self, example: Example) -> None:
        """Raise TemplateError for an example from which what is sent cannot be filled."""
        options = {name: value for name, value in self._codec.parameters().items() if name == "seed"}
        self._templates.check({**values_of(example, self.variables), **options})
