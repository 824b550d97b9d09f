"""Cancellation out of users' code is that trial's error, and code that swallows ours is left behind."""

import asyncio
import logging

import pytest

from insideLLMs.api.run_writer import MemorySink
from insideLLMs.core.protocols import Probe
from insideLLMs.execute.adapt import close_model
from support import virtual_time
from support.engine import ScriptedModel, YesProbe, run_engine

SIX = ["a", "b", "c", "d", "e", "f"]


async def cancelled_inside():
    task = asyncio.ensure_future(asyncio.sleep(5))
    await asyncio.sleep(0)
    task.cancel()
    await task


class NativeModel(ScriptedModel):
    """What the engine calls as it is."""

    def __init__(self):
        super().__init__(lambda text, _: cancelled_inside() if text == "c" else "yes")


class AsyncModel:
    async def agenerate(self, prompt):
        if prompt == "c":
            await cancelled_inside()
        return "yes"


class SyncModel:
    def generate(self, prompt):
        if prompt == "c":
            raise asyncio.CancelledError
        return "yes"


@pytest.mark.parametrize("concurrency", [1, 2, 3])
@pytest.mark.parametrize("model", [NativeModel, AsyncModel, SyncModel])
def test_a_model_that_raises_cancelled_error_costs_one_trial(model, concurrency):
    records, _ = run_engine(model(), SIX, concurrency=concurrency)
    assert [record.status for record in records] == ["success", "success", "error", "success", "success", "success"]
    assert records[2].failure.type == "CancelledError"
    assert records[2].failure.message.endswith("a task that it awaited was cancelled")


class SyncScorer(YesProbe):
    scores_in_place = False

    def score(self, example, response):
        if example.text == "c":
            raise asyncio.CancelledError
        return super().score(example, response)


class InPlaceScorer(SyncScorer):
    scores_in_place = True


class AsyncScorer(YesProbe):
    scores_in_place = False

    async def score(self, example, response):
        if example.text == "c":
            await cancelled_inside()
        return super().score(example, response)


@pytest.mark.parametrize("concurrency", [1, 2, 3])
@pytest.mark.parametrize("probe", [SyncScorer, InPlaceScorer, AsyncScorer])
def test_a_scorer_that_raises_cancelled_error_keeps_the_answer(probe, concurrency):
    records, _ = run_engine(ScriptedModel(lambda *_: "yes"), SIX, probe=probe(), concurrency=concurrency)
    assert [record.status for record in records] == ["success", "success", "error", "success", "success", "success"]
    assert (records[2].failure.stage, records[2].response.text) == ("score", "yes")


@pytest.mark.parametrize("concurrency", [1, 2, 3])
def test_a_probe_that_calls_itself_and_raises_cancelled_error_costs_one_trial(concurrency):
    class Calls(Probe):
        async def run(self, model, data, **kwargs):
            if data == "c":
                await cancelled_inside()
            return await model.agenerate(data)

    records, _ = run_engine(ScriptedModel(lambda *_: "yes"), SIX, probe=Calls(), concurrency=concurrency)
    assert [record.status for record in records].count("error") == 1
    assert len(records) == 6


def test_a_callback_that_raises_cancelled_error_does_not_stop_the_run():
    def callback(info):
        raise asyncio.CancelledError

    records, _ = run_engine(ScriptedModel(lambda *_: "yes"), SIX, callback=callback)
    assert len(records) == 6


def test_a_task_that_all_calls_share_fails_those_that_wait_for_it_and_loses_none():
    class Shared:
        token = None

        async def agenerate(self, prompt):
            if self.token is None:
                self.token = asyncio.ensure_future(asyncio.sleep(3600))
            await self.token
            return "yes"

    records, _ = run_engine(
        Shared(), SIX, concurrency=3, timeout_s=0.2, attempt_timeout_s=None, max_attempts=1, run=virtual_time.run
    )
    assert len(records) == 6
    assert {record.status for record in records} <= {"timeout", "error"}


def swallow(seconds=3600):
    async def forever():
        while True:
            try:
                await asyncio.sleep(seconds)
            except BaseException:  # noqa: BLE001 - what is tested
                continue

    return forever()


def test_a_model_that_swallows_its_cancellation_times_out_and_the_run_ends():
    records, _ = run_engine(
        ScriptedModel(lambda text, _: swallow() if text == "b" else "yes"),
        ["a", "b", "c"],
        timeout_s=2.0,
        attempt_timeout_s=None,
        run=virtual_time.run,
    )
    assert [record.status for record in records] == ["success", "timeout", "success"]


def test_a_trial_may_end_while_an_attempt_that_swallows_its_cancellation_is_waited_for():
    records, _ = run_engine(
        ScriptedModel(lambda text, _: swallow() if text == "b" else "yes"),
        ["a", "b", "c"],
        timeout_s=2.0,
        attempt_timeout_s=1.9,
        run=virtual_time.run,
    )
    assert [record.status for record in records] == ["success", "timeout", "success"]


def test_an_attempt_that_swallows_its_cancellation_is_tried_again():
    def script(text, attempt):
        return swallow() if attempt == 1 else "yes"

    records, sink = run_engine(
        ScriptedModel(script), ["a"], timeout_s=60.0, attempt_timeout_s=2.0, run=virtual_time.run
    )
    assert [record.status for record in records] == ["success"]
    assert next(sink.entries())[2].attempts == 2


@pytest.mark.parametrize("ending", [swallow, cancelled_inside])
def test_a_model_that_cannot_be_closed_does_not_hang_the_run(ending, caplog):
    class Unclosable(ScriptedModel):
        async def aclose(self):
            await ending()

    with caplog.at_level(logging.WARNING):
        virtual_time.run(close_model(Unclosable(None)))
    assert "aclose()" in caplog.text


def test_a_trial_that_came_to_nothing_is_a_bug_and_not_a_green_run():
    class Leaky(MemorySink):
        def append_record(self, index, record, telemetry, **marks):
            if index != 2:
                super().append_record(index, record, telemetry, **marks)

    with pytest.raises(RuntimeError, match="1 trials have no record"):
        run_engine(ScriptedModel(lambda *_: "yes"), SIX, sink=Leaky())


def test_a_scorers_own_timeout_error_is_not_told_as_ours():
    class Slow(YesProbe):
        scores_in_place = False

        def score(self, example, response):
            raise TimeoutError("the database timed out")

    records, _ = run_engine(ScriptedModel(lambda *_: "yes"), ["a"], probe=Slow(), timeout_s=None)
    assert records[0].status == "error"
    assert records[0].failure.message == "Slow.score() raised TimeoutError: the database timed out"


def test_a_scorer_that_hangs_is_a_timeout_that_names_it():
    class Hangs(YesProbe):
        scores_in_place = False

        async def score(self, example, response):
            await asyncio.sleep(3600)

    records, _ = run_engine(ScriptedModel(lambda *_: "yes"), ["a"], probe=Hangs(), timeout_s=0.2)
    assert records[0].status == "timeout"
    assert records[0].failure.message == "Hangs.score() did not return within 0.2 s"
