"""The run's store of answers, which workers elsewhere ask by the driver: as on one machine, whoever is lost."""

import asyncio

import msgspec
import pytest

from insideLLMs.api.run_writer import MemorySink
from insideLLMs.core.errors import CassetteMissError, RequestRefusedError, ServerError, StorageError
from insideLLMs.core.protocols import JudgedProbe
from insideLLMs.core.types import Request, Scores
from insideLLMs.execute.asked_models import Flights
from insideLLMs.execute.remote.answers import LookupDesk
from insideLLMs.execute.remote.messages import Lookup, Report
from insideLLMs.execute.work import EngineOptions, ReadyModel
from support.engine import ScriptedModel, run_engine, work_of
from support.remote_workers import FakeCluster, dispatch

INPUTS = [f"question {number % 7}" for number in range(20)]
SETTINGS = {"repeats": 2, "concurrency": 3, "max_attempts": 1}


class FakeStore:
    """Keeps answers in memory."""

    batch = False
    takes_user_code = True

    def __init__(self, answers=None, *, closed=False, finds_again=True):
        self.answers = dict(answers or {})
        self.closed = closed
        self.finds_again = finds_again
        self.kept = []

    def find(self, key, model_digest):
        answer = self.answers.get((key, model_digest))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def keep(self, exchange):
        self.kept.append((exchange.key, exchange.model_digest))
        if self.finds_again:
            self.answers[exchange.key, exchange.model_digest] = exchange.response


def slow(text, _):
    return asyncio.sleep(0.001, f"about {text}")


def digested(work, sharing="shared"):
    models = {name: msgspec.structs.replace(ready, digest=f"{name} digest") for name, ready in work.models.items()}
    return msgspec.structs.replace(work, models=models, sharing=sharing)


def run_remotely(models, store, *, sharing="shared", **cluster):
    sink = MemorySink()
    work = digested(work_of(models, INPUTS, **SETTINGS), sharing)
    dispatch(FakeCluster(work, **cluster), sink, options=EngineOptions(answers=store))
    return [line for _, line, _ in sink.entries()], [telemetry for _, _, telemetry in sink.entries()]


@pytest.fixture(scope="module")
def filled():
    """Return a store that has every answer, and the records of the run that filled it."""
    store = FakeStore()
    records, _ = run_remotely({"m": ScriptedModel(slow)}, store)
    return store, records


def test_what_a_store_has_is_not_asked_and_gives_the_same_records(filled):
    store, records = filled
    model = ScriptedModel(slow)
    again, telemetry = run_remotely({"m": model}, FakeStore(store.answers), size=3)
    assert model.calls == []
    assert again == records
    assert all(facts.cached or facts.shared for facts in telemetry)


def test_every_answer_is_kept_under_the_key_of_one_machine(filled):
    store, records = filled
    alone = FakeStore()
    work = digested(work_of({"m": ScriptedModel(slow)}, INPUTS, **SETTINGS))
    sink = MemorySink()
    dispatch(FakeCluster(work, size=1), sink, options=EngineOptions(answers=alone))
    _, on_one_machine = run_engine(ScriptedModel(slow), INPUTS, **SETTINGS)
    assert [line for _, line, _ in on_one_machine.entries()] == records
    assert alone.answers.keys() == store.answers.keys()


@pytest.mark.parametrize("finds_again", [True, False])
def test_equal_requests_of_all_workers_are_asked_one_at_a_time_where_the_store_finds_them_again(finds_again):
    model, store = ScriptedModel(slow), FakeStore(finds_again=finds_again)
    run_remotely({"m": model}, store, sharing="each", size=4)
    asked_once = len({(text, repeat) for text in INPUTS for repeat in range(2)})
    assert len(model.calls) == len(store.kept) == (asked_once if finds_again else 2 * len(INPUTS))


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("lost_at", range(14))
def test_a_lost_worker_gives_its_turns_to_others(filled, lost_at, arrives):
    model, store = ScriptedModel(slow), FakeStore()
    losses = [{"lost_at": lost_at, "arrives": arrives}, {"lost_at": lost_at + 3, "arrives": arrives}]
    records, _ = run_remotely({"m": model}, store, losses=losses)
    assert records == filled[1]
    assert store.answers == filled[0].answers
    assert len(model.calls) <= 14 + len(losses) * SETTINGS["concurrency"]


def test_a_replay_asks_nothing_and_names_what_is_not_recorded(filled):
    model, store = ScriptedModel(slow), FakeStore(filled[0].answers, closed=True, finds_again=False)
    assert run_remotely({"m": model}, store)[0] == filled[1]
    store.answers.popitem()
    with pytest.raises(CassetteMissError, match="the cassette has no answer for example '00000"):
        run_remotely({"m": model}, store)
    assert model.calls == []


def test_an_error_that_the_store_has_is_the_outcome_and_names_no_worker():
    refusal = RequestRefusedError("too rude", http_status=400)

    class Refusing(FakeStore):
        def find(self, key, model_digest):
            raise refusal

    model = ScriptedModel(slow)
    _, alone = run_engine(ScriptedModel(lambda *_: refusal), INPUTS, **SETTINGS)
    assert run_remotely({"m": model}, Refusing())[0] == [line for _, line, _ in alone.entries()]
    assert model.calls == []


def test_a_store_that_cannot_be_written_stops_the_run():
    class Full(FakeStore):
        def keep(self, exchange):
            raise StorageError("the disk is full")

    model = ScriptedModel(slow)
    with pytest.raises(StorageError, match="the disk is full"):
        run_remotely({"m": model}, Full())
    assert len(model.calls) <= 2 * SETTINGS["concurrency"]


class Judged(JudgedProbe):
    """Lets one judge say yes or no."""

    def judge_models(self):
        return {}

    async def score_with(self, example, response, judges):
        answer = await judges["judge"](Request.of(f"Is {response.text} good?"))
        return Scores.of(answer.text == "yes")


def test_answers_of_judges_are_found_too():
    judge, store = ScriptedModel(lambda *_: "yes"), FakeStore()
    for _ in range(2):
        work = digested(work_of({"m": ScriptedModel(slow)}, INPUTS, probe=Judged(), **SETTINGS))
        judges = {"probe": {"judge": ReadyModel(model=judge, digest="judge digest")}}
        work = msgspec.structs.replace(work, judges=judges)
        dispatch(FakeCluster(work, size=2), MemorySink(), options=EngineOptions(answers=store))
    assert len(judge.calls) == 14


def test_a_call_that_fails_gives_its_turn_back():
    model = ScriptedModel(lambda _, attempt: ServerError("down") if attempt == 1 else "yes")
    work = digested(work_of({"m": model}, ["same"] * 4, max_attempts=1, concurrency=4), "each")
    dispatch(FakeCluster(work, size=2), MemorySink(), options=EngineOptions(answers=FakeStore()))
    assert len(model.calls) == 2


def test_a_lookup_that_was_given_up_before_it_arrived_holds_nobody_up():
    async def serve():
        woken = asyncio.Event()
        desk = LookupDesk(FakeStore(), Flights(), woken.set)
        lookups = [Lookup(ticket=number, key="same", model_digest="d") for number in range(2)]
        async with asyncio.TaskGroup() as talk:
            desk.serve(Report(lookups=tuple(lookups), looked_up=(0,)), talk)
            await woken.wait()
            desk.close()
        return desk.take_found()

    assert [found.ticket for found in asyncio.run(serve())] == [1]
