"""Which client talks to a store, and with which credentials: those that the vendors' tools find.

Nothing of them is kept, written or shown.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from insideLLMs.core.errors import RemoteError
from insideLLMs.remote.url import RemoteUrl

if TYPE_CHECKING:
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Credential, S3Store

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_MOST_RETRIES = 5
CREDENTIALS_FIX = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or AWS_PROFILE",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or log in: gcloud auth application-default login",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or log in: az login",
}
_READ = {"s3": "AWS_", "gs": "STORAGE_EMULATOR_HOST", "az": "AZURE_"}
"""What the variables begin with that end up in addresses and headers; Google's other one may be JSON."""
_SILENCE = timedelta(seconds=30)
_WHOLE = timedelta(minutes=30)
"""A large object over a slow line; a line that falls silent is noticed after `_SILENCE`."""


def store_for(url: RemoteUrl, *, retries: bool = True) -> "S3Store | GCSStore | AzureStore":
    """Return a client of the bucket, which may try again by itself. Raises RemoteError where something is missing."""
    try:
        from obstore import exceptions, store  # noqa: PLC0415 - optional
    except ImportError as error:
        raise RemoteError(f"{url} needs the extra `stores`", fix="pip install 'insidellms[stores]'") from error
    _check_variables(url, os.environ)
    options: ClientConfig = {"timeout": _WHOLE, "read_timeout": _SILENCE, "connect_timeout": timedelta(seconds=10)}
    retry: RetryConfig = {"max_retries": _MOST_RETRIES if retries else 0, "retry_timeout": timedelta(seconds=60)}
    try:
        if url.scheme == "gs":
            return store.GCSStore(url.bucket, **_gs(os.environ, options), retry_config=retry)
        if url.scheme == "az":
            return store.AzureStore(url.bucket, client_options=options, retry_config=retry)
        return store.S3Store(url.bucket, **_s3(os.environ, options), retry_config=retry)
    except (exceptions.BaseError, ValueError):
        raise RemoteError(
            f"{url}: the environment does not say how to reach the store",
            fix=CREDENTIALS_FIX[url.scheme],
        ) from None


def _check_variables(url: RemoteUrl, environ: Mapping[str, str]) -> None:
    """Raise RemoteError for what obstore would put into a header or an address as it is, and stop the process at."""
    for name, value in environ.items():
        if name.startswith(_READ[url.scheme]) and not value.isprintable():
            raise RemoteError(
                f"{url}: the variable {name} has a line break or a control character",
                fix="set it again without; `$(cat FILE)` in a shell leaves a last line break out",
            )


def _checked_endpoint(name: str, address: str) -> str:
    """Return the address of a store that a variable gives. Raises RemoteError, which does not show it."""
    try:
        parts = urlsplit(address)
        is_sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or " " in address or not address.isascii():
        raise RemoteError(f"{name} is not the address of a store", fix="write it as https://HOST or http://HOST:PORT")
    return address


def _gs(environ: Mapping[str, str], options: "ClientConfig") -> dict[str, Any]:
    """Return the settings of Google's store: those of an emulator where Google's own clients would talk to one."""
    settings: dict[str, Any] = {"client_options": options}
    host = environ.get("STORAGE_EMULATOR_HOST")
    if host:
        url = _checked_endpoint("STORAGE_EMULATOR_HOST", host if "://" in host else f"http://{host}")
        settings |= {"base_url": url, "bearer_token": "emulator"}
        options["allow_http"] = url.startswith("http://")
    return settings


def _s3(environ: Mapping[str, str], options: "ClientConfig") -> dict[str, Any]:
    """Return the settings of S3 beside those that obstore takes from the environment itself."""
    given = next((name for name in _ENDPOINTS if environ.get(name)), None)
    settings: dict[str, Any] = {"client_options": options}
    if given:
        settings["endpoint"] = endpoint = _checked_endpoint(given, environ[given])
        options["allow_http"] = endpoint.startswith("http://")
    if environ.get("AWS_ACCESS_KEY_ID") or environ.get("AWS_SKIP_SIGNATURE"):
        return settings
    return settings | _of_profile()


def _of_profile() -> dict[str, Any]:
    """Return what AWS's own library finds: profiles, single sign-on, roles, the machine's own rights."""
    import botocore.exceptions  # noqa: PLC0415 - optional, and slow
    import botocore.session  # noqa: PLC0415

    session = botocore.session.get_session()
    try:
        found, region = session.get_credentials(), session.get_config_variable("region")
    except botocore.exceptions.BotoCoreError as error:  # its texts name profiles and files
        raise RemoteError(f"AWS's profiles cannot be used: {error}", fix="check AWS_PROFILE") from None
    if found is None:
        raise RemoteError("there are no credentials for s3:// URLs", fix=CREDENTIALS_FIX["s3"])
    return {"credential_provider": _Provider(found), **({"region": region} if region else {})}


class _Provider:
    """Asks AWS's own library for credentials whenever obstore needs them: it renews what expires."""

    def __init__(self, credentials: Any) -> None:  # botocore has no types
        self._credentials = credentials

    def __call__(self) -> "S3Credential":
        frozen = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": getattr(self._credentials, "_expiry_time", None),
        }
