"""`insidellms doctor`: what this installation has and lacks. No secret is printed, only whether it is set."""

import os
import platform
import socket
import ssl
from collections.abc import Iterator
from importlib import util
from typing import TYPE_CHECKING

import click

from insideLLMs import __version__
from insideLLMs.cli import console
from insideLLMs.core import zstd
from insideLLMs.core.errors import ExitCode
from insideLLMs.plugins import entry_points

if TYPE_CHECKING:
    from insideLLMs.providers.codec import Endpoint

_EXTRAS = {
    "bedrock": ("botocore", "sign requests to AWS Bedrock"),
    "datasets": ("datasets", "read Hugging Face datasets"),
    "embedded": ("xllamacpp", "run models in process"),
    "transformers": ("torch transformers", "run Hugging Face models in process"),
    "language": ("lingua", "tell the language of an answer"),
    "parquet": ("pyarrow", "read and write Parquet"),
    "schema": ("jsonschema", "hold answers against a JSON Schema"),
    "stores": ("obstore", "read and write s3://, gs:// and az:// URLs"),
    "zstd": (zstd.NAME, "read .zst datasets and .eval logs of inspect_ai, store records compressed"),
    "mcp": ("mcp", "serve coding agents"),
    "otel": ("opentelemetry", "record spans and metrics"),
    "prices": ("genai_prices", "estimate costs"),
    "ray": ("ray", "run on a cluster"),
    "redact": ("phonenumbers", "find phone numbers in what is exported"),
    "sign": ("securesystemslib cryptography", "sign runs, and check signatures"),
    "semantic": ("numpy", "compare the meaning of texts"),
}
_NETWORK_S = 5.0


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--network", is_flag=True, help="Also check whether providers with a key can be reached.")
@console.common_options
def command(*, as_json: bool, network: bool) -> int:
    """Check this installation: version, extras, weights, plug-ins, keys."""
    rows = [*_checks(), *(_reached() if network else ())]
    if as_json:
        console.out_json([{"check": name, "ok": ok, "about": about} for name, ok, about in rows])
        return ExitCode.OK
    for name, ok, about in rows:
        console.out(f"{'ok     ' if ok else 'missing'}  {name:<22} {about}")
    return ExitCode.OK


def _checks() -> Iterator[tuple[str, bool, str]]:
    yield "insidellms", True, f"{__version__}, Python {platform.python_version()}, {platform.system()}"
    for extra, (modules, about) in _EXTRAS.items():
        ok = all(map(_importable, modules.split()))
        yield f"extra {extra}", ok, about if ok else f"{about}: pip install 'insidellms[{extra}]'"
    yield from _weights()
    for endpoint in _endpoints():
        ok = bool(os.environ.get(endpoint.key_env))
        yield f"key for {endpoint.provider}", ok, f"{endpoint.key_env} {'is set' if ok else 'is not set'}"
    for group in ("insidellms.providers", "insidellms.probes", "insidellms.datasets", "insidellms.plugins"):
        for entry in entry_points(group):
            yield f"plug-in {entry.name}", True, entry.value


def _endpoints() -> "list[Endpoint]":
    """Return where the built-in providers listen that need a key, each once."""
    from insideLLMs.plugins import PROVIDERS, model_registry  # noqa: PLC0415 - loads every provider

    found = {}
    for name in PROVIDERS:
        endpoint = getattr(model_registry.get_factory(name), "endpoint", None)
        if endpoint is not None and endpoint.key_env and "localhost" not in endpoint.base_url:
            found[endpoint.provider] = endpoint
    return [found[name] for name in sorted(found)]


def _reached() -> Iterator[tuple[str, bool, str]]:
    """Open a connection to each provider whose key is set; no key is sent."""
    for endpoint in _endpoints():
        if os.environ.get(endpoint.key_env):
            address = os.environ.get(endpoint.base_url_env) or endpoint.base_url
            address = address.format(region=os.environ.get("AWS_REGION", "us-east-1"))
            unset = (False, f"{endpoint.base_url_env} is not set")
            yield f"network to {endpoint.provider}", *(_reach(address) if address else unset)


def _reach(address: str) -> tuple[bool, str]:
    """Say whether a connection to a URL's host stands, TLS included, and if not, why."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - only here

    parts = urlsplit(address)
    where = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    host, _, port = where.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_NETWORK_S) as plain:
            if parts.scheme == "https":
                with ssl.create_default_context().wrap_socket(plain, server_hostname=host):
                    return True, f"{where} answers"
        return True, f"{where} answers"
    except OSError as error:
        return False, f"{where}: {error.strerror or error}"


def _weights() -> Iterator[tuple[str, bool, str]]:
    from insideLLMs.local import weights  # noqa: PLC0415 - only here

    for name in sorted(weights.WEIGHTS):
        found = weights.find(name)
        yield f"weights {name}", found is not None, str(found[0]) if found else f"insidellms model pull {name}"


def _importable(module: str) -> bool:
    try:
        return util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
