"""What stops a run, and what is the error of one trial alone: refusals, stop_on_error, interrupts."""

import asyncio
import signal
import sys

import pytest

from insideLLMs.api.run_writer import MemorySink
from insideLLMs.core.errors import (
    AuthError,
    InsideLLMsError,
    ModelError,
    ModelNotFoundError,
    ModelUnavailableError,
    ProbeExecutionError,
    RequestRefusedError,
    TrialTimeoutError,
)
from insideLLMs.core.types import ResultStatus
from insideLLMs.execute.work import EngineOptions
from support import virtual_time
from support.engine import ScriptedModel, YesProbe, run_engine


def refusing(error, *prompts):
    return ScriptedModel(lambda text, _: error() if text in prompts else "yes")


REFUSALS = [
    lambda: AuthError("403: not for you", http_status=403),
    lambda: ModelNotFoundError("404: no such thing", http_status=404),
]
NINE = [str(number) for number in range(9)]


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_before_any_answer_stops_the_run_and_is_not_recorded(error):
    model, sink = refusing(error, "0"), MemorySink()
    with pytest.raises(ModelError, match="40"):
        run_engine(model, NINE, concurrency=1, sink=sink)
    assert model.calls == ["0"]
    assert not list(sink.entries())


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_of_one_prompt_among_answers_is_that_trials_error(error):
    records, _ = run_engine(refusing(error, "1", "3", "8"), NINE, concurrency=1)
    assert [number for number, record in enumerate(records) if record.status == "error"] == [1, 3, 8]
    assert {record.failure.type for record in records if record.failure} == {type(error()).__name__}


@pytest.mark.parametrize("error", REFUSALS)
def test_five_refusals_in_a_row_stop_the_run(error):
    model, sink = refusing(error, *NINE[2:]), MemorySink()
    with pytest.raises(ModelError, match="40"):
        run_engine(model, NINE, concurrency=1, sink=sink)
    assert model.calls == NINE[:7]
    assert [index for index, _, _ in sink.entries()] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("error", REFUSALS)
def test_a_resume_gets_past_a_prompt_that_is_refused_first(error):
    records, _ = run_engine(refusing(error, "0"), NINE, concurrency=1, options=EngineOptions(is_resumed=True))
    assert [record.status for record in records] == ["error", *["success"] * 8]


@pytest.mark.parametrize(
    "error", [lambda: ModelUnavailableError("no weights"), lambda: AuthError("401: bad key", http_status=401)]
)
def test_what_no_prompt_can_be_the_cause_of_stops_the_run_at_once(error):
    model = refusing(error, "3")
    with pytest.raises(type(error())):
        run_engine(model, NINE, concurrency=1)
    assert model.calls == NINE[:4]


@pytest.mark.parametrize(("slow", "kind"), [(False, ProbeExecutionError), (True, TrialTimeoutError)])
def test_stop_on_error_raises_after_what_was_in_flight_is_kept(slow, kind):
    async def hang():
        await asyncio.Event().wait()

    model = ScriptedModel(lambda text, _: (hang() if slow else RequestRefusedError("400")) if text == "1" else "yes")
    sink = MemorySink()
    with pytest.raises(kind) as caught:
        run_engine(
            model, ["0", "1", "2"], concurrency=1, stop_on_error=True, timeout_s=0.2, sink=sink, run=virtual_time.run
        )
    assert isinstance(caught.value, TimeoutError) is slow
    assert "000001" in str(caught.value)
    assert [index for index, _, _ in sink.entries()] == [0, 1]


class Own(BaseException):
    """An error of a user's own that is no Exception."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, Own])
def test_a_model_ends_its_call_and_nothing_else_whatever_it_raises(error):
    def script(text, _):
        if text == "a":
            raise error
        return "yes"

    records, _ = run_engine(ScriptedModel(script), ["a", "b"])
    assert [record.status for record in records] == [ResultStatus.ERROR, ResultStatus.SUCCESS]


@pytest.mark.parametrize("where", ["request", "score"])
@pytest.mark.parametrize("is_in_place", [True, False])
def test_a_probe_ends_its_trial_and_nothing_else(where, is_in_place):
    kind = type("Exiting", (YesProbe,), {where: lambda *_: sys.exit(0), "scores_in_place": is_in_place})
    records, _ = run_engine(ScriptedModel(lambda *_: "yes"), ["a", "b"], probe=kind())
    assert [record.status for record in records] == [ResultStatus.ERROR] * 2


def test_ctrl_c_gets_through():
    def script(*_):
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_engine(ScriptedModel(script), ["a", "b"])


def test_what_is_not_a_model_is_refused():
    with pytest.raises(InsideLLMsError, match="not a model"):
        run_engine(object(), ["a"])
