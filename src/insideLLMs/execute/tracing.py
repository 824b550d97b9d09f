"""Spans and metrics of calls under OpenTelemetry's GenAI conventions, where OpenTelemetry is set up.

Nothing is imported and nothing recorded unless the process has loaded OpenTelemetry before the run, as
``opentelemetry-instrument insidellms run ...`` does. Neither prompts nor answers are recorded. Names are those of
open-telemetry/semantic-conventions-genai 0.1.0, which calls them all in development; they stand here alone.
"""

import time
from collections.abc import Mapping
from typing import Any

from insideLLMs.core.errors import ModelError
from insideLLMs.core.types import JsonValue, Response

_PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "openai_responses": "openai",
}
"""Our names of providers, where the conventions have another."""


class CallTracer:
    """Records the calls of one model: a client span each, its duration, and its tokens."""

    def __init__(self, identity: Mapping[str, JsonValue]) -> None:
        from opentelemetry import metrics, trace  # noqa: PLC0415 - an optional extra

        kind, name = str(identity.get("type", "custom")), str(identity.get("model_name", ""))
        self._name = f"chat {name}".strip()
        self._attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _PROVIDERS.get(kind, kind),
            "gen_ai.request.model": name,
        }
        self._tracer = trace.get_tracer("insidellms")
        self._kind = trace.SpanKind.CLIENT
        meter = metrics.get_meter("insidellms")
        self._duration = meter.create_histogram("gen_ai.client.operation.duration", unit="s")
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", unit="{token}")

    def record(self, began_ns: int, outcome: Response | ModelError, *, attempt: int) -> None:
        """Record one call that began at `began_ns` (since the epoch) and has just ended."""
        ended_ns = time.time_ns()
        span = self._tracer.start_span(self._name, kind=self._kind, attributes=self._attributes, start_time=began_ns)
        span.set_attribute("insidellms.attempt", attempt)
        failed: dict[str, Any] = {}
        if isinstance(outcome, ModelError):
            failed = {"error.type": type(outcome).__name__}
            span.set_attributes(failed)
        else:
            span.set_attributes(_of_response(outcome))
            self._count_tokens(outcome)
        span.end(ended_ns)
        self._duration.record((ended_ns - began_ns) / 1e9, {**self._attributes, **failed})

    def _count_tokens(self, response: Response) -> None:
        usage = response.usage
        counts = {"input": usage.input_tokens, "output": usage.output_tokens} if usage else {}
        for kind, count in counts.items():
            if count is not None:
                self._tokens.record(count, {**self._attributes, "gen_ai.token.type": kind})


def _of_response(response: Response) -> dict[str, Any]:
    usage = response.usage
    found = {
        "gen_ai.response.model": response.model,
        "gen_ai.response.finish_reasons": (response.finish_reason,) if response.finish_reason else None,
        "gen_ai.usage.input_tokens": usage.input_tokens if usage else None,
        "gen_ai.usage.output_tokens": usage.output_tokens if usage else None,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens if usage else None,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens if usage else None,
    }
    return {name: value for name, value in found.items() if value is not None}
