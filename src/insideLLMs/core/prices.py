"""What an answer costs, in dollars: as the run noted it, by the user's price, or by the table of the `prices` extra."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from insideLLMs.core.experiment import PriceSpec
from insideLLMs.core.types import JsonValue, Usage

Price = Callable[[Usage], float | None]
"""Gives the cost of an answer by its usage; None where its tokens are not known: unknown is not free."""
_FREE = ("embedded", "dummy", "callable", "ollama", "llama_cpp", "vllm", "served")
"""Providers that send no bill."""
_MILLION = 1_000_000
BATCH_PRICE = 0.5
"""What an answer from a batch costs, in times its price: half at OpenAI, Anthropic and Gemini alike."""
_CACHE_WRITE = 1.25
"""What a token costs that is written to the provider's cache, in tokens of input (Anthropic's and Bedrock's prices)."""


def cost_of(noted_usd: float | None, usage: Usage, price: Price | None) -> float | None:
    """Return what an answer cost: as noted when it came, else by its tokens; None where that is not known."""
    if noted_usd is not None or price is None:
        return noted_usd
    return price(usage)


def dollars(amount_usd: float) -> str:
    """Write an amount: cents from a dollar on, three digits below, so that a small one never looks like nothing."""
    return f"${amount_usd:,.2f}" if amount_usd >= 1 else f"${Decimal(f'{amount_usd:.3g}'):f}"


def find_price(identity: Mapping[str, JsonValue], given: PriceSpec | None = None) -> Price | None:
    """Return a model's price: what its answers say that they cost, else the `given` one, or that of the table.

    None where nobody knows it.
    """
    price = _price(identity, given)
    if price is None:
        settings = {**identity, **(identity.get("parameters") or {})}
        return (lambda usage: usage.cost_usd) if "cost_usd" in (settings.get("reads") or {}) else None
    return lambda usage: price(usage) if usage.cost_usd is None else usage.cost_usd


def _price(identity: Mapping[str, JsonValue], given: PriceSpec | None) -> Price | None:
    if given is not None:
        return price_at(given)
    if identity.get("type") in _FREE:
        return lambda _: 0.0
    return _table_price(str(identity.get("model_name", "")))


def price_at(spec: PriceSpec) -> Price:
    """Return the price that a user gave."""
    cached_price = spec.input if spec.cached is None else spec.cached
    write_price = spec.input * _CACHE_WRITE if spec.cache_write is None else spec.cache_write

    def price(usage: Usage) -> float | None:
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        cached = usage.cached_tokens or 0
        written = usage.cache_write_tokens or 0
        fresh = max(0, usage.input_tokens - cached - written)
        read = fresh * spec.input + cached * cached_price + written * write_price
        return (read + usage.output_tokens * spec.output) / _MILLION

    return price


def _table_price(model_name: str) -> Price | None:
    try:
        import genai_prices  # noqa: PLC0415 - an optional extra
    except ImportError:
        return None

    def price(usage: Usage) -> float | None:
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        counted = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_tokens or 0,
            cache_write_tokens=usage.cache_write_tokens or 0,
        )
        try:
            return float(genai_prices.calc_price(counted, model_ref=model_name).total_price)
        except LookupError:
            return None

    return price if price(Usage(input_tokens=1, output_tokens=1)) is not None else None
