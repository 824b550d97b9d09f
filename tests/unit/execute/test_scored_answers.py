"""What a probe's scores of an answer become in its record."""

import threading

import pytest

from insideLLMs.core.errors import (
    InsideLLMsError,
    ServerError,
)
from insideLLMs.core.protocols import Model, Probe, PromptProbe
from insideLLMs.core.types import Message, Request, Response, ResultStatus, Scores, ToolCall
from insideLLMs.execute.returned_answers import as_response
from support import virtual_time
from support.engine import ScriptedModel, YesProbe, run_engine
from support.virtual_time import HeldClock, by


def test_a_wrong_answer_scores_wrong():
    records, _ = run_engine(ScriptedModel(lambda *_: "garbage"), ["a", "b"])
    assert [record.scores.values["correct"] for record in records] == [0.0, 0.0]


def test_a_scorer_that_raises_is_an_error_on_an_answer_that_is_kept():
    class Broken(PromptProbe):
        scores_in_place = True

        def score(self, example, response):
            raise KeyError("oops")

    records, _ = run_engine(ScriptedModel(lambda *_: "paid for"), ["a"], probe=Broken())
    assert records[0].status is ResultStatus.ERROR
    assert records[0].failure.stage == "score"
    assert records[0].failure.type == "KeyError"
    assert records[0].response.text == "paid for"


def test_a_scorer_that_hangs_is_a_timeout_on_an_answer_that_is_kept():
    release, clock = threading.Event(), HeldClock()

    class Hanging(PromptProbe):
        def score(self, example, response):
            clock.turn(0.2)
            release.wait()

    model = ScriptedModel(lambda *_: "paid for")
    try:
        records, _ = run_engine(model, ["a"], probe=Hanging(), timeout_s=0.2, run=by(clock))
    finally:
        release.set()
    assert records[0].status is ResultStatus.TIMEOUT
    assert records[0].response.text == "paid for"


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (lambda: Scores(values={"f1": float("nan")}), "'f1' is nan"),
        (lambda: Scores(values={"f1": 1.5}), "outside its range 0 to 1"),
        (lambda: 0.7, "returned float"),
        (lambda: None, "returned NoneType"),
    ],
)
def test_scores_that_are_no_scores_are_refused_by_name(scores, says):
    class Odd(PromptProbe):
        scores_in_place = True

        def score(self, example, response):
            return scores()

    records, _ = run_engine(ScriptedModel(lambda *_: "x"), ["a"], probe=Odd())
    assert records[0].status is ResultStatus.ERROR
    assert says in records[0].failure.message


@pytest.mark.parametrize("answer", ["lone \ud800 surrogate", Response(text="", value=float("nan"))])
def test_an_answer_that_cannot_be_stored_is_an_error_not_a_crash(answer):
    class Odd(Model):
        def generate(self, prompt, **kwargs):
            return answer

    records, _ = run_engine(Odd("odd"), ["a"])
    assert records[0].status is ResultStatus.ERROR
    assert "cannot be stored" in records[0].failure.message


def test_an_error_of_a_trajectory_says_once_how_to_fix_it():
    with pytest.raises(InsideLLMsError) as caught:
        as_response({"text": "yes", "trajectory": "nonsense"}, "model 'm'")
    assert "fix:" not in caught.value.message
    assert "Responses items" in (caught.value.fix or "")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "must return text"),
        (7, "must return text"),
        (["yes"], "message 1 of the trajectory is text, not an object with a role"),
        ([], "the list of messages is empty"),
        ({"answer": "yes"}, "a mapping without text; it has 'answer'"),
        ({"messages": [{"role": "wizard"}]}, "message 1 of the trajectory has the role 'wizard'"),
        ({"text": "yes", "trajectory": "done"}, "the trajectory is text, not a list of messages"),
    ],
)
def test_a_model_must_return_text_or_messages(answer, says):
    records, _ = run_engine(lambda prompt: answer, ["a"])
    assert records[0].status is ResultStatus.ERROR
    assert says in records[0].failure.message


class PydanticMessage:
    """Has what the messages of openai, anthropic and langchain have: a dump of itself."""

    def __init__(self, **fields):
        self.fields = fields

    def model_dump(self):
        return self.fields


CALL = {"id": "1", "function": {"name": "refund", "arguments": '{"order": 7}'}}


@pytest.mark.parametrize(
    "answer",
    [
        [{"role": "assistant", "tool_calls": [CALL]}, {"role": "assistant", "content": "Done."}],
        {"trajectory": [{"role": "assistant", "tool_calls": [CALL]}], "text": "Done.", "kept": {"route": "shop"}},
        {"trajectory": [CALL["function"]], "text": "Done."},
        {"messages": [PydanticMessage(type="ai", tool_calls=[CALL]), PydanticMessage(type="ai", content="Done.")]},
        (Message(role="assistant", tool_calls=(ToolCall(name="refund", arguments={"order": 7}),)),
         Message(role="assistant", content="Done.")),
    ],
)  # fmt: skip
def test_a_model_may_return_the_messages_of_an_agent(answer):
    records, _ = run_engine(lambda prompt: answer, ["a"])
    response = records[0].response
    assert response.text == "Done."
    assert [(call.name, call.arguments) for call in response.calls] == [("refund", {"order": 7})]


def test_a_simple_probe_may_call_the_model_as_often_as_it_likes_and_no_call_counts_as_a_retry():
    class Twice(Probe):
        def run(self, model, data, **kwargs):
            return {"first": model.generate(data), "second": model.chat([{"role": "user", "content": "again"}])}

    class AsyncTwice(Probe):
        async def run(self, model, data, **kwargs):
            return {"first": await model.agenerate(data), "second": await model.agenerate("again")}

    for probe in (Twice(), AsyncTwice()):
        model = ScriptedModel(lambda text, _: f"<{text}>")
        records, sink = run_engine(model, ["a"], probe=probe)
        assert records[0].response.value == {"first": "<a>", "second": "<again>"}
        assert next(sink.entries())[2].attempts == 1


def test_each_retry_counts_in_whichever_call_of_a_trial_it_is():
    class Twice(Probe):
        async def run(self, model, data, **kwargs):
            return await model.agenerate("first") + await model.agenerate("second")

    def flaky(text, attempt):
        if attempt < (3 if text == "first" else 2):
            return ServerError("busy")
        return text

    records, sink = run_engine(ScriptedModel(flaky), ["a"], probe=Twice(), run=virtual_time.run)
    assert records[0].response.text == "firstsecond"
    assert next(sink.entries())[2].attempts == 4


def test_a_simple_probe_gets_a_users_own_model_as_it_is():
    class Special(Model):
        def generate(self, prompt, **kwargs):
            return "yes"

        def own_method(self):
            return "mine"

    class Uses(Probe):
        def run(self, model, data, **kwargs):
            return model.own_method()

    records, _ = run_engine(Special("s"), ["a"], probe=Uses())
    assert records[0].response.text == "mine"


def test_a_simple_probe_asks_models_of_its_own_and_each_call_is_noted():
    class Asks(Probe):
        def run(self, model, data, **kwargs):
            looked_up = model.respond_to(Request.of("where?"), by="map")
            return model.generate(f"{data} {looked_up.text}")

    for model in (ScriptedModel(lambda text, _: f"<{text}>"), lambda prompt: f"<{prompt}>"):
        records, sink = run_engine(model, ["a"], probe=Asks(), own={"map": ScriptedModel(lambda *_: "north")})
        assert records[0].response.text == "<a north>"
        telemetry = next(sink.entries())[2]
        assert [(call.model, call.status, call.attempts) for call in telemetry.judges] == [("probe/map", "success", 1)]
        assert telemetry.attempts == 1


def test_a_probe_in_place_and_one_on_a_thread_score_alike():
    class OnThread(YesProbe):
        scores_in_place = False

    script = ["yes", "no", "yes"]
    here, _ = run_engine(ScriptedModel(lambda text, _: script[int(text)]), ["0", "1", "2"])
    there, _ = run_engine(ScriptedModel(lambda text, _: script[int(text)]), ["0", "1", "2"], probe=OnThread())
    assert [record.scores for record in here] == [record.scores for record in there]


def test_each_of_many_calls_of_a_probe_has_attempts_of_its_own():
    class Many(Probe):
        async def run(self, model, data, **kwargs):
            return [await model.agenerate(f"{data}{number}") for number in range(6)]

    def flaky(text, attempt):
        error = ServerError("down")
        error.retry_after_s = 0.0
        return error if attempt == 1 else "yes"

    records, _ = run_engine(ScriptedModel(flaky), ["a"], probe=Many(), max_attempts=3)
    assert [record.status for record in records] == ["success"]
