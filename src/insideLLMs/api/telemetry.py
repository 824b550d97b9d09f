"""How a finished run went: its telemetry summed up, priced by the table of the `prices` extra."""

from collections.abc import Mapping
from importlib import util
from pathlib import Path

import msgspec

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.types import PriceSpec
from insideLLMs.execute.budget import find_price
from insideLLMs.report.telemetry import Price, RunTelemetry, sum_up
from insideLLMs.store.directory import TELEMETRY, read_lines, read_manifest
from insideLLMs.store.manifest import Manifest, all_identities


def read_telemetry(run: Path, prices: Mapping[str, PriceSpec] | None = None) -> RunTelemetry:
    """Sum up a run's telemetry; `prices` by model id take the place of the table. Raises RunDirectoryError."""
    manifest = read_manifest(run)
    if not (run / TELEMETRY).is_file():
        raise RunDirectoryError(f"{run / TELEMETRY} is missing", fix="the run was made with --no-telemetry")
    priced = prices_of(manifest, prices)
    try:
        return sum_up(read_lines(run / TELEMETRY), priced, price_source(given=bool(prices)))
    except msgspec.DecodeError as error:
        raise RunDirectoryError(f"{run / TELEMETRY} cannot be read: {error}", fix="was it edited?") from error


def prices_of(manifest: Manifest, prices: Mapping[str, PriceSpec] | None = None) -> dict[str, Price | None]:
    """Return what an answer of each model costs, by model id; None where nobody knows."""
    identities = all_identities(manifest.models, manifest.probes)
    return {name: find_price(identity, (prices or {}).get(name)) for name, identity in identities.items()}


def price_source(*, given: bool = False) -> str | None:
    """Name the table of prices with its version: prices change, and with them what a run would have cost."""
    if util.find_spec("genai_prices") is None:
        return "execution.prices" if given else None
    from importlib import metadata  # noqa: PLC0415 - 10 ms

    table = f"genai-prices {metadata.version('genai-prices')}"
    return f"execution.prices, {table}" if given else table
