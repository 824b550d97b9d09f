"""A conversation is one trial: the subject gets the whole chat at each turn, and what was said is never paid twice."""

import asyncio

import pytest

from insideLLMs.core.conversation import Conversation
from insideLLMs.core.errors import ServerError
from insideLLMs.core.experiment import PromptSpec
from insideLLMs.core.protocols import ConversingProbe
from insideLLMs.core.types import Message, Response, Scores, ToolCall, Usage
from insideLLMs.execute.work import EngineOptions
from insideLLMs.probes.conversation import ConversationProbe
from support import virtual_time
from support.engine import run_engine

THREE = ["Hello", "What is the capital?", "Thanks"]
ANYTHING = [{"type": "regex", "pattern": "."}]


class Subject:
    """Answers by the number of the turn, and remembers what it was sent."""

    variables = ()

    def __init__(self, *answers):
        self.answers = answers or ("one", "two", "three")
        self.chats = []

    def identity(self):
        return {"subject": True}

    async def respond(self, request, *, repeat=0):
        self.chats.append([(message.role, message.text) for message in request.messages])
        turn = sum(message.role == "user" for message in request.messages) - 1
        answer = self.answers[turn]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response) else Response(text=answer, usage=Usage(output_tokens=2))

    async def aclose(self):
        pass


def held(turns, model, **settings):
    probe = ConversationProbe(turns=turns, checks=ANYTHING)
    records, _ = run_engine(model, ["input"], probe=probe, **settings)
    return records[0]


def said(record):
    return [(message.role, message.text) for message in record.response.trajectory]


def test_the_subject_is_sent_the_whole_chat_at_each_turn():
    model = Subject()
    record = held(THREE, model)
    assert model.chats[2] == [
        ("user", "Hello"), ("assistant", "one"), ("user", "What is the capital?"), ("assistant", "two"),
        ("user", "Thanks"),
    ]  # fmt: skip
    assert said(record) == [*model.chats[2], ("assistant", "three")]
    assert (record.response.text, record.response.usage.output_tokens) == ("three", 6)
    assert Conversation.of(record.response).ended == "script_over"


def test_no_turn_counts_as_a_retry_and_a_turn_that_failed_at_first_does():
    class Flaky(Subject):
        async def respond(self, request, *, repeat=0):
            if len(self.chats) == 1:
                self.chats.append([])
                raise ServerError("down")
            return await super().respond(request, repeat=repeat)

    for subject, attempts in ((Subject(), 1), (Flaky(), 2)):
        probe = ConversationProbe(turns=THREE, checks=ANYTHING)
        _, sink = run_engine(subject, ["input"], probe=probe, run=virtual_time.run)
        assert next(sink.entries())[2].attempts == attempts


class Knows:
    """A cache that has the answers to the first turns, `so_many` of them."""

    closed = batch = finds_again = False
    takes_user_code = True

    def __init__(self, so_many):
        self.left = so_many

    def find(self, key, model_digest):
        self.left -= 1
        return Response(text="known") if self.left >= 0 else None

    def keep(self, exchange):
        pass


@pytest.mark.parametrize(("known", "cached"), [(0, False), (1, False), (2, False), (3, True)])
def test_a_conversation_is_cached_where_every_turn_is(known, cached):
    probe = ConversationProbe(turns=THREE, checks=ANYTHING)
    model = Subject()
    _, sink = run_engine(model, ["input"], probe=probe, options=EngineOptions(answers=Knows(known)))
    told = next(sink.entries())[2]
    assert (told.cached, len(model.chats)) == (cached, 3 - known)


def test_the_prompt_is_put_around_every_message_of_the_user_and_its_system_and_examples_come_once():
    chat = [("user", "2 + 2"), ("assistant", "4"), ("user", "Please: {{ input }}")]
    spec = PromptSpec(id="p", system="Be kind.", messages=[Message(role=role, content=text) for role, text in chat])
    model = Subject("zero", "one", "two", "three")
    record = held(THREE[:2], model, prompts=[spec])
    assert model.chats[1] == [
        ("system", "Be kind."), *chat[:2], ("user", "Please: Hello"), ("assistant", "one"),
        ("user", "Please: What is the capital?"),
    ]  # fmt: skip
    assert said(record)[0] == ("user", "Hello")


def test_a_turn_that_fails_fails_the_trial_and_keeps_what_was_said():
    record = held(THREE, Subject("one", ServerError("down"), "three"), max_attempts=1)
    assert (record.status, record.failure.stage, record.failure.message) == ("error", "model", "turn 2: down")
    assert said(record) == [("user", "Hello"), ("assistant", "one"), ("user", "What is the capital?")]


def test_the_time_limit_is_that_of_the_whole_conversation():
    class Slow(Subject):
        async def respond(self, request, *, repeat=0):
            if len(request.messages) > 1:
                await asyncio.sleep(3600)
            return await super().respond(request, repeat=repeat)

    record = held(THREE, Slow(), timeout_s=0.05)
    assert (record.status, record.failure.type) == ("timeout", "Timeout")
    assert "1 turns were answered" in record.failure.message
    assert said(record)[:2] == [("user", "Hello"), ("assistant", "one")]


def test_calls_of_tools_that_nothing_runs_are_answered_before_the_next_turn():
    call = ToolCall(name="search", arguments={"q": "x"})
    model = Subject(Response(tool_calls=(call,)), "two")
    record = held(THREE[:2], model)
    assert [role for role, _ in model.chats[1]] == ["user", "assistant", "tool", "user"]
    _, called, result, *_ = record.response.trajectory
    assert (called.tool_calls[0].id, result.tool_call_id) == ("call_0", "call_0")
    assert record.status == "success"


def test_of_an_application_that_says_what_it_did_later_turns_get_the_answer_alone():
    steps = (
        Message(role="assistant", tool_calls=(ToolCall(name="search", id="1"),)),
        Message(role="tool", content="found", tool_call_id="1"),
    )
    chat = (Message(role="user", content="Hello"), *steps)  # it repeats what it was sent
    model = Subject(Response(text="one", trajectory=chat), "two")
    record = held(THREE[:2], model)
    assert model.chats[1] == [("user", "Hello"), ("assistant", "one"), ("user", "What is the capital?")]
    assert [role for role, _ in said(record)] == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert [turn.answered for turn in Conversation.of(record.response).turns] == [3, 1]


def test_an_empty_answer_is_an_answer_and_the_conversation_goes_on():
    record = held(THREE, Subject("one", "", "three"))
    assert said(record)[3] == ("assistant", "")
    assert record.status == "success"


def test_a_long_conversation_is_held_to_its_end():
    record = held([f"turn {number}" for number in range(200)], Subject(*map(str, range(200))))
    assert len(Conversation.of(record.response).turns) == 200


class Stubborn(ConversingProbe):
    """A probe of somebody else's that raises in the middle."""

    def led_by(self, example):
        return None

    async def converse(self, example, talk):
        await talk.say("Hello")
        raise ValueError("oops")

    def score(self, example, response):
        return Scores.of(passed=True)


@pytest.mark.parametrize("broken", ["converse", "led_by"])
def test_a_probe_that_raises_is_an_error_of_its_trial(broken):
    probe = Stubborn("stubborn")
    if broken == "led_by":
        probe.led_by = lambda example: 1 / 0
    (record,), _ = run_engine(Subject(), ["input"], probe=probe)
    assert (record.status, record.failure.stage) == ("error", "probe")
