"""Codec and transport joined: the AsyncModel of every provider that is reached over HTTP."""

import hashlib
import os
from collections.abc import Mapping
from ipaddress import ip_address

from yarl import URL

import insideLLMs
from insideLLMs.core.describe import secret_texts, without_secrets
from insideLLMs.core.errors import ArgumentError, AuthError
from insideLLMs.core.types import JsonValue, Request, Response
from insideLLMs.providers.codec import Codec, Endpoint
from insideLLMs.providers.provider_model import ProviderModel
from insideLLMs.providers.transport import Transport, TransportOptions, bare_url

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
        self._base_url = base_url or os.environ.get(endpoint.base_url_env) or endpoint.base_url
        self._transport: Transport | None = None
        if bare_url(self._base_url).partition("://")[0] not in {"http", "https"}:
            raise ArgumentError(
                f"base_url is {bare_url(self._base_url) or 'not a URL'!r}; it must begin with http:// or https://",
                fix=f"write it as in {endpoint.base_url}",
            )

    def identity(self) -> Mapping[str, JsonValue]:
        """Return the model, its parameters and where it is asked: host and path, no key and no query."""
        return {
            "type": self._endpoint.provider,
            "model_name": self.model_id,
            "base_url": bare_url(self._base_url),
            "parameters": without_secrets(self._codec.parameters()),
        }

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
        transport = self._transport or self._connect()
        answer = await transport.post(self._codec.encode(request, repeat=repeat))
        return self._codec.decode(answer)

    async def aclose(self) -> None:
        """Close this loop's connections; a later call opens new ones."""
        if self._transport is not None:
            await self._transport.aclose()

    _release = aclose

    def _connect(self) -> Transport:
        key = self._key()
        headers = {
            "User-Agent": f"insideLLMs/{insideLLMs.__version__}",
            "Content-Type": "application/json",
            **self._endpoint.headers,
        }
        if key:
            headers[self._endpoint.key_header] = self._endpoint.key_format.format(key=key)
        secrets = [key, *find_secrets(self._base_url, headers), *secret_texts(self._codec.parameters())]
        self._transport = Transport(self._base_url, headers=headers, secrets=secrets, options=self._options)
        return self._transport

    def _key(self) -> str:
        name = self._endpoint.key_env
        key = os.environ.get(name, "").strip() if name else ""
        if not key and name and not is_loopback(self._base_url):
            raise AuthError(
                f"{self._endpoint.provider} needs a key, and the environment variable {name} is not set",
                fix=f"export {name}=... (or name another variable in api_key_env)",
            )
        if not (key.isascii() and key.isprintable()):
            raise AuthError(
                f"the key in {name} contains characters that no key has (line breaks, control or non-ASCII characters)",
                fix=f"set {name} to the key and nothing else",
            )
        return key


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    host = URL(url).host or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def find_secrets(url: str, headers: Mapping[str, str]) -> list[str]:
    """Return what is secret in a URL and in headers: a password, and values under names that say so."""
    parsed = URL(url)
    named = [
        value
        for name, value in (*headers.items(), *parsed.query.items())
        if any(word in name.lower() for word in SECRET_WORDS)
    ]
    return [parsed.password or "", *named]
