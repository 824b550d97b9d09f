"""Codec and transport joined: the AsyncModel of every provider that is reached over HTTP."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from yarl import URL

import insideLLMs
from insideLLMs.core.describe import FromEnvironment, secret_texts, without_secrets
from insideLLMs.core.errors import ArgumentError, AuthError, BadAnswerError, ModelError, RequestRefusedError
from insideLLMs.core.thoughts import Tags, separate
from insideLLMs.core.types import JsonValue, Request, Response
from insideLLMs.providers.addresses import bare_url, base_address, is_loopback, literal_query
from insideLLMs.providers.codec import Codec, Endpoint, HttpAnswer, HttpCall
from insideLLMs.providers.failures import fail, read_failure
from insideLLMs.providers.provider_model import ProviderModel
from insideLLMs.providers.redaction import Redactor
from insideLLMs.providers.transport import Transport, TransportOptions

_MOST_BULK_BYTES = 2 * 1024**3
"""The results of a batch are long."""
SECRET_WORDS = ("auth", "key", "token", "secret", "cookie", "password")
"""A header or query parameter whose name holds one of these carries a secret."""


class HttpModel(ProviderModel):
    """A model behind an endpoint. The key is read from the environment at the first call, and kept nowhere else."""

    def __init__(
        self,
        model_name: str,
        *,
        endpoint: Endpoint,
        codec: Codec,
        base_url: str | None = None,
        options: TransportOptions | None = None,
    ) -> None:
        if not isinstance(model_name, str) or not model_name.strip():
            raise ArgumentError(f"model_name is {model_name!r}", fix="name the model, e.g. gpt-4o-mini")
        super().__init__(model_name, model_name)
        self.provider = endpoint.provider
        self._endpoint = endpoint
        self._codec = codec
        self._options = options or TransportOptions()
        given = find_address(base_url, endpoint)
        self._base_url = FromEnvironment.like(given, base_address(given, endpoint))
        self._given_headers: Mapping[str, str] = {}
        self._thought_tags: Tags = ()
        self._transport: Transport | None = None
        self._bulk: Transport | None = None
        self._reader: Redactor | None = None

    def identity(self) -> Mapping[str, JsonValue]:
        """Return the model, its parameters, where it is asked and with which headers: no key, and no secret.

        What came from the environment is named by its reference.
        """
        query = URL(f"?{literal_query(self._base_url)}").query
        told: dict[str, JsonValue] = {
            "header_values": dict(shown_settings(self._given_headers.items())),
            "query": [list(pair) for pair in shown_settings(query.items())],
            "thought_tags": [list(pair) for pair in self._thought_tags],
        }
        return {
            "type": self._endpoint.provider,
            "model_name": self.model_id,
            "base_url": bare_url(self._base_url),
            "parameters": without_secrets(self._codec.parameters()),
            **{name: value for name, value in told.items() if value},
        }

    def private_settings(self) -> tuple[str, ...]:
        """Return what tells this model from others and may not be written: values from the environment, and secrets."""
        private = [
            f"{name}: {value}"
            for name, value in self._given_headers.items()
            if isinstance(value, FromEnvironment) or is_secret(name)
        ]
        query = self._base_url.partition("?")[2]
        if isinstance(self._base_url, FromEnvironment) or any(is_secret(name) for name in URL(f"?{query}").query):
            private.append(f"?{query}")
        return tuple(private)

    def check(self) -> None:
        """Raise AuthError if the key is missing or cannot be one. A server on this machine needs none."""
        self._key()

    def account(self) -> str:
        """Return what shares a rate limit with this model: where it is asked and with which key, unrecognisably."""
        key = os.environ.get(self._endpoint.key_env, "")
        text = f"{self._endpoint.provider}\n{URL(self._base_url).host}\n{URL(self._base_url).port}\n{key}"
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

    async def respond(self, request: Request, *, repeat: int = 0) -> Response:
        """Make one call. Raises ModelError."""
        transport = self._connected()
        return self._read(await transport.send(self._codec.encode(request, repeat=repeat)))

    def _read(self, answer: HttpAnswer) -> Response:
        """Decode an answer, split its thoughts off, and blank the key out of what was decoded once more."""
        redactor = self._redactor()
        try:
            response = self._codec.decode(answer)
            if b"\\u" in answer.body:  # else what was decoded holds no spelling that the bytes did not hold
                response = redactor.response(response)
            return separate(response, self._thought_tags)
        except ModelError as error:
            if isinstance(error, BadAnswerError):
                error.answer_digest = hashlib.sha256(answer.body).hexdigest()
            raise redactor.error(error) from error.__cause__

    def read(self, answer: HttpAnswer) -> Response:
        """Read an answer that came another way than by `respond`; it needs no key. Raises ModelError."""
        return self._read(msgspec.structs.replace(answer, body=self._redactor().blank(answer.body)))

    def secrets_sent(self) -> list[str]:
        """Return the secrets that stand in the bodies of requests."""
        return secret_texts(self._codec.parameters())

    async def call(self, call: HttpCall) -> HttpAnswer:
        """Make another call of the API than a question, of any size. Raises the ModelError of a status but 2xx."""
        self._bulk = self._bulk or self._open(msgspec.structs.replace(self._options, max_body_bytes=_MOST_BULK_BYTES))
        answer = await self._bulk.send(call)
        if 200 <= answer.status < 300:
            return answer
        try:
            fail(read_failure(answer), answer, self._endpoint, self.model_id)
        except ModelError as error:
            raise self._redactor().error(error) from None
        raise RequestRefusedError(f"{self.provider} refused the content of {call.path}", http_status=answer.status)

    async def aclose(self) -> None:
        """Close this loop's connections; a later call opens new ones."""
        for transport in filter(None, (self._transport, self._bulk)):
            await transport.aclose()

    _release = aclose

    def _connected(self) -> Transport:
        return self._transport or self._connect()

    def _connect(self) -> Transport:
        self._transport = self._open(self._options)
        return self._transport

    def _open(self, options: TransportOptions) -> Transport:
        key = self._key()
        headers = {
            "User-Agent": f"insideLLMs/{insideLLMs.__version__}",
            "Content-Type": "application/json",
            **self._endpoint.headers,
        }
        if key:
            headers[self._endpoint.key_header] = self._endpoint.key_format.format(key=key)
        return Transport(self._base_url, headers=headers, secrets=self._secrets(key, headers), options=options)

    def _secrets(self, key: str, headers: Mapping[str, str]) -> list[str]:
        referred = [value for value in self._given_headers.values() if isinstance(value, FromEnvironment)]
        return [key, *referred, *find_secrets(self._base_url, headers), *self.secrets_sent()]

    def _redactor(self) -> Redactor:
        """Return what blanks out secrets: the transport's, or one of the same secrets where nothing is sent."""
        if self._transport is not None:
            return self._transport.redactor
        if self._reader is None:
            key = os.environ.get(self._endpoint.key_env, "").strip() if self._endpoint.key_env else ""
            self._reader = Redactor(self._secrets(key, self._endpoint.headers))
        return self._reader

    def _key(self) -> str:
        return read_key(self._endpoint.key_env, self._base_url, self._endpoint.provider)


def read_key(name: str, address: str, who: str) -> str:
    """Return the key in a variable; "" where none is needed, as on this machine.

    Raises AuthError for one that is missing, or cannot be one.
    """
    key = os.environ.get(name, "").strip() if name else ""
    if not key and name and not is_loopback(address):
        raise AuthError(
            f"{who} needs a key, and the environment variable {name} is not set",
            fix=f"export {name}=... (or name another variable in api_key_env)",
        )
    if not (key.isascii() and key.isprintable()):
        raise AuthError(
            f"the key in {name} contains characters that no key has (line breaks, control or non-ASCII characters)",
            fix=f"set {name} to the key and nothing else",
        )
    return key


def find_address(given: str | None, endpoint: Endpoint) -> str:
    """Return the address that was given, else that of the environment, else the endpoint's own.

    Raises ArgumentError for one that is empty: prompts would go elsewhere than the user means.
    """
    if given is not None:
        if not isinstance(given, str) or not given.strip():
            raise ArgumentError(f"base_url is {given!r}", fix="write the address, or leave base_url out")
        return given
    found = os.environ.get(endpoint.base_url_env, endpoint.base_url)
    if not found.strip():
        name = endpoint.base_url_env
        raise ArgumentError(f"the environment variable {name} is empty", fix=f"export {name}=..., or unset it")
    return found


def find_secrets(url: str, headers: Mapping[str, str]) -> list[str]:
    """Return what is secret in a URL and in headers: a password, and values under names that say so."""
    parsed = URL(url)
    named = [value for name, value in (*headers.items(), *parsed.query.items()) if is_secret(name)]
    return [parsed.password or "", *named]


def is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)


def shown_settings(settings: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield what may be written of named settings: what came from the environment by its reference, and no secret."""
    for name, value in settings:
        if isinstance(value, FromEnvironment):
            yield name, value.written
        elif not is_secret(name):
            yield name, value
