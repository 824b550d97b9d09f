"""`insidellms doctor`: what this installation has and lacks. No secret is printed, only whether it is set."""

import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata, util

import click

from insideLLMs import __version__
from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode

_EXTRAS = {
    "bedrock": ("botocore", "sign requests to AWS Bedrock"),
    "embedded": ("xllamacpp", "run models in process"),
    "zstd": ("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd", "read .zst datasets"),
    "prices": ("genai_prices", "estimate costs"),
}
_KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "bedrock": "AWS_BEARER_TOKEN_BEDROCK",
    "cohere": "CO_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "huggingface": "HF_TOKEN",
    "mistral": "MISTRAL_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(*, as_json: bool) -> int:
    """Check this installation: version, extras, weights, plug-ins, keys."""
    rows = list(_checks())
    if as_json:
        console.out_json([{"check": name, "ok": ok, "about": about} for name, ok, about in rows])
        return ExitCode.OK
    for name, ok, about in rows:
        console.out(f"{'ok     ' if ok else 'missing'}  {name:<22} {about}")
    return ExitCode.OK


def _checks() -> Iterator[tuple[str, bool, str]]:
    yield "insidellms", True, f"{__version__}, Python {platform.python_version()}, {platform.system()}"
    for extra, (module, about) in _EXTRAS.items():
        ok = _importable(module)
        yield f"extra {extra}", ok, about if ok else f"{about}: pip install 'insidellms[{extra}]'"
    yield from _weights()
    for provider, variable in _KEYS.items():
        ok = bool(os.environ.get(variable))
        yield f"key for {provider}", ok, f"{variable} is set" if ok else f"set {variable}"
    for group in ("insidellms.providers", "insidellms.probes", "insidellms.datasets", "insidellms.plugins"):
        for entry in metadata.entry_points(group=group):
            yield f"plug-in {entry.name}", True, entry.value


def _weights() -> Iterator[tuple[str, bool, str]]:
    from insideLLMs.providers import weights  # noqa: PLC0415 - only here

    for name in sorted(weights.WEIGHTS):
        path = weights.find(name)
        yield f"weights {name}", path is not None, str(path) if path else f"insidellms model pull {name}"


def _importable(module: str) -> bool:
    try:
        return util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
