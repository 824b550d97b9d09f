"""The dummy model: a script, played alike for ever."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from insideLLMs.core import canonical
from insideLLMs.core.errors import ArgumentError, AuthError, ModelTimeoutError, RateLimitError, ServerError
from insideLLMs.core.types import Request
from insideLLMs.providers.dummy import DummyModel

PROMPTS = [f"question {number}" for number in range(400)]


def answer(model: DummyModel, prompt: str, repeat: int = 0) -> str:
    return asyncio.run(model.respond(Request.of(prompt), repeat=repeat)).text


def test_without_a_script_it_says_that_it_is_a_dummy() -> None:
    model = DummyModel()
    assert "dummy" in model.generate("hi")
    assert model.ask(Request.of("hi")).model == "dummy"
    assert model.info().provider == "dummy"


def test_a_canned_response_answers_everything() -> None:
    model = DummyModel("d", "yes")
    assert (model.name, model.generate("a"), model.chat([{"role": "user", "content": "b"}])) == ("d", "yes", "yes")


def test_of_mapped_responses_the_whole_prompt_counts_before_the_longest_part() -> None:
    model = DummyModel(responses={"France": "Paris", "capital of France": "Paris!", "France?": "q"})
    assert answer(model, "France") == "Paris"
    assert answer(model, "the capital of France is?") == "Paris!"
    assert "dummy" in answer(model, "Spain")


def test_listed_responses_are_spread_by_prompt_and_stay_put() -> None:
    model = DummyModel(responses=["a", "b", "c"])
    first = [answer(model, prompt) for prompt in PROMPTS]
    assert set(first) == {"a", "b", "c"}
    assert first == [answer(DummyModel(responses=["a", "b", "c"]), prompt) for prompt in PROMPTS]


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ("error", ServerError),
        ("timeout", ModelTimeoutError),
        ("rate_limited", RateLimitError),
        ("auth", AuthError),
    ],
)
def test_scripted_failures_strike_only_their_prompts(failure: str, error: type[Exception]) -> None:
    model = DummyModel(failures={"bad": failure}, canned_response="fine")
    assert answer(model, "good") == "fine"
    with pytest.raises(error, match="scripted to fail"):
        answer(model, "a bad one")


def test_an_empty_answer_can_be_scripted() -> None:
    assert answer(DummyModel(failures={"x": "empty"}), "x") == ""


def test_a_scripted_hang_lasts_until_it_is_cancelled() -> None:
    async def wait() -> None:
        async with asyncio.timeout(0.05):
            await DummyModel(failures={"x": "hang"}).respond(Request.of("x"))

    with pytest.raises(TimeoutError):
        asyncio.run(wait())


def test_drift_alters_its_share_of_prompts_and_the_same_ones_each_time() -> None:
    model = DummyModel(canned_response="one two", drift=0.25, seed=3)
    altered = [prompt for prompt in PROMPTS if answer(model, prompt) != "one two"]
    assert 0.15 < len(altered) / len(PROMPTS) < 0.35
    assert altered == [prompt for prompt in PROMPTS if answer(model, prompt, repeat=5) != "one two"]
    other = DummyModel(canned_response="one two", drift=0.25, seed=4)
    assert altered != [prompt for prompt in PROMPTS if answer(other, prompt) != "one two"]
    assert answer(DummyModel(canned_response="one two", drift=1.0), "x") == "(altered) two one"


def test_a_flaky_dummy_differs_between_repeats_and_agrees_with_itself() -> None:
    model = DummyModel(canned_response="one two", flaky=0.5)
    answers = [answer(model, "x", repeat) for repeat in range(40)]
    assert len(set(answers)) == 2
    assert answers == [answer(model, "x", repeat) for repeat in range(40)]


def test_identity_covers_the_script_but_not_the_delay() -> None:
    slow, quick = DummyModel(canned_response="a", delay_s=9.0), DummyModel(canned_response="a")
    assert slow.identity() == quick.identity()
    assert quick.identity() != DummyModel(canned_response="b").identity()
    assert quick.identity() != DummyModel(canned_response="a", drift=0.1).identity()
    canonical.check(dict(DummyModel(responses=["x"], failures={"a": "hang"}).identity()))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"drift": 1.5}, "drift is 1.5; it must be a number from 0 to 1"),
        ({"delay_s": -1}, "delay_s is -1"),
        ({"responses": "yes"}, "responses is 'yes'"),
        ({"responses": {"q": True}}, "responses holds True"),
        ({"failures": {"q": "explode"}}, "failures['q'] is 'explode'; it must be one of error, timeout"),
        ({"canned_response": 5}, "canned_response is 5"),
    ],
)
def test_a_script_that_cannot_be_played_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        DummyModel(**arguments)
    assert words in str(caught.value)


def test_it_starts_without_an_http_client() -> None:
    code = "import sys, insideLLMs.providers.dummy; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
