"""Spans and metrics follow the GenAI conventions, hold no prompt, and exist only where OpenTelemetry was set up."""

import subprocess
import sys

import pytest

from insideLLMs.core.errors import RateLimitError, ServerError
from support.engine import ScriptedModel, run_engine


def script(text, attempt):
    return ServerError("500", retry_after_s=0.0) if text == "flaky" and attempt == 1 else "yes"


def test_each_call_is_a_span_without_its_text():
    trace = pytest.importorskip("opentelemetry.trace")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    run_engine(ScriptedModel(script), ["flaky", "secret prompt"], concurrency=1)
    spans = exporter.get_finished_spans()
    assert [span.attributes["insidellms.attempt"] for span in spans] == [1, 2, 1]
    assert spans[0].attributes["error.type"] == "ServerError"
    assert all(span.attributes["gen_ai.operation.name"] == "chat" for span in spans)
    assert all(span.start_time <= span.end_time for span in spans)
    assert "secret prompt" not in "".join(span.to_json() for span in spans)


def test_nothing_is_loaded_where_nobody_set_it_up():
    code = (
        "import sys\n"
        "from support.engine import ScriptedModel, run_engine\n"
        "run_engine(ScriptedModel(lambda *_: 'yes'), ['a'])\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd="tests", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_wait_that_outlasts_the_trial_is_not_begun():
    model = ScriptedModel(lambda *_: RateLimitError("429", retry_after_s=3600.0))
    records, _ = run_engine(model, ["a"], timeout_s=5.0)
    assert records[0].status == "rate_limited"
    assert len(model.calls) == 1
