"""How a finished run went: its telemetry summed up, priced by the table of the `prices` extra."""

from importlib import util

from insideLLMs.core.prices import Price, find_price
from insideLLMs.report.telemetry import RunTelemetry, sum_up
from insideLLMs.store.manifest import Manifest, all_identities
from insideLLMs.store.sealed_run import SealedRun


def read_telemetry(run: SealedRun) -> RunTelemetry:
    """Sum up a run's telemetry, at the prices that it was given, else by the table. Raises RunDirectoryError."""
    return sum_up(run.telemetry(), prices_of(run.manifest), price_table())


def prices_of(manifest: Manifest) -> dict[str, Price | None]:
    """Return what an answer of each model costs by the table, by model id; None where nobody knows."""
    identities = all_identities(manifest.models, manifest.probes)
    return {name: find_price(identity) for name, identity in identities.items()}


def price_table() -> str | None:
    """Name the table of prices with its version: prices change, and with them what a run would have cost."""
    if util.find_spec("genai_prices") is None:
        return None
    from importlib import metadata  # noqa: PLC0415 - 10 ms

    return f"genai-prices {metadata.version('genai-prices')}"
