"""The embedded model, with real weights (`make test` pulls them before the tests)."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from insideLLMs.core import canonical
from insideLLMs.core.errors import ArgumentError, ModelUnavailableError, RequestRefusedError
from insideLLMs.core.types import Message, Request, Response, Usage
from insideLLMs.local import weights
from insideLLMs.providers.in_process.embedded import EmbeddedModel, assemble

CAPITALS = ["France", "Japan", "Norway", "Egypt"]


def ask(country: str, **options: Any) -> Request:
    system = Message(role="system", content="Answer with the name of the city alone.")
    question = Message(role="user", content=f"What is the capital of {country}?")
    return Request(messages=(system, question), options=options)


@pytest.fixture(scope="module")
def model() -> Iterator[EmbeddedModel]:
    if weights.find("smollm2") is None:
        pytest.fail("the weights are missing: run `insidellms model pull smollm2`")
    made = EmbeddedModel(max_tokens=16)
    yield made
    asyncio.run(made.aclose())


def answers(model: EmbeddedModel, requests: list[Request], repeat: int = 0) -> list[Response]:
    async def gather() -> list[Response]:
        return await asyncio.gather(*(model.respond(request, repeat=repeat) for request in requests))

    return asyncio.run(gather())


def test_it_answers_questions_with_usage_and_finish_reason(model: EmbeddedModel) -> None:
    responses = answers(model, [ask(country) for country in CAPITALS])
    cities = ("Paris", "Tokyo", "Oslo", "Cairo")
    right = [city in response.text for city, response in zip(cities, responses, strict=True)]
    assert right.count(True) >= 3
    assert {response.finish_reason for response in responses} <= {"stop", "length"}
    for response in responses:
        assert response.usage is not None
        assert response.usage.input_tokens
        assert response.usage.output_tokens
        assert response.model == "smollm2"
    cut = answers(model, [ask("France", max_tokens=2)])[0]
    assert (cut.finish_reason, cut.usage and cut.usage.output_tokens) == ("length", 2)


def test_answers_do_not_depend_on_order_neighbours_or_slots(model: EmbeddedModel) -> None:
    requests = [ask(country, max_tokens=8) for country in CAPITALS]
    alone = [answers(model, [request])[0] for request in requests]
    other = EmbeddedModel(max_tokens=16, n_parallel=4)
    together = answers(other, requests[::-1])[::-1]
    asyncio.run(other.aclose())
    assert alone == together


def test_at_a_temperature_each_repeat_is_a_new_draw_and_can_be_drawn_again(model: EmbeddedModel) -> None:
    request = Request.of("Name an animal.", temperature=1.5, max_tokens=12)
    first, second = (answers(model, [request], repeat)[0].text for repeat in (0, 1))
    assert first != second
    assert answers(model, [request], 1)[0].text == second


def test_the_event_loop_runs_on_while_it_thinks(model: EmbeddedModel) -> None:
    async def main() -> int:
        turns = 0
        task = asyncio.ensure_future(model.respond(ask("France")))
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(main()) > 100


def test_a_call_that_is_given_up_frees_its_slot(model: EmbeddedModel) -> None:
    async def main() -> Response:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await model.respond(Request.of("Tell me a very long story.", max_tokens=1900))
        return await model.respond(ask("France", max_tokens=4))

    assert asyncio.run(main()).text


def test_requests_that_do_not_fit_are_refused_by_the_model(model: EmbeddedModel) -> None:
    with pytest.raises(RequestRefusedError, match="exceeds the available context size"):
        model.generate("word " * 4000)
    with pytest.raises(RequestRefusedError, match="temperature"):
        model.generate("x", temperature="hot")
    with pytest.raises(RequestRefusedError, match="cannot set n"):
        model.generate("x", n=2)


def test_it_is_a_plain_model_too(model: EmbeddedModel) -> None:
    assert model.generate("Say hello.", max_tokens=4) == model.chat(
        [{"role": "user", "content": "Say hello."}], max_tokens=4
    )
    assert model.info().provider == "embedded"


def test_it_may_be_used_again_after_it_was_closed() -> None:
    model = EmbeddedModel(max_tokens=4)
    first = model.generate("Say hello.")
    asyncio.run(model.aclose())
    assert model.generate("Say hello.") == first
    asyncio.run(model.aclose())


def test_identity_names_weights_runtime_and_cpu_features_but_not_the_number_of_threads(model: EmbeddedModel) -> None:
    identity = model.identity()
    assert identity["gguf_sha256"] == weights.WEIGHTS["smollm2"].files[0].sha256
    assert set(identity["runtime"]) == {"xllamacpp", "features"}
    assert identity == EmbeddedModel(max_tokens=16, n_threads=2, n_parallel=3).identity()
    assert identity != EmbeddedModel(max_tokens=17).identity()
    canonical.check(dict(identity))


def test_a_gguf_of_ones_own_is_used_by_path_and_has_the_same_digest(model: EmbeddedModel, tmp_path: Path) -> None:
    found = weights.find("smollm2")
    assert found is not None
    link = tmp_path / "own.gguf"
    link.symlink_to(found[0])
    own = EmbeddedModel("my-model", path=link, max_tokens=4)
    own.check()
    assert own.identity()["gguf_sha256"] == model.identity()["gguf_sha256"]


def test_missing_weights_name_the_command_that_fetches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path))
    for attempt in (EmbeddedModel().check, EmbeddedModel().identity, lambda: EmbeddedModel().generate("x")):
        with pytest.raises(ModelUnavailableError, match="insidellms model pull smollm2"):
            attempt()


def test_what_is_no_gguf_is_refused_by_name(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUFnope" * 100)
    with pytest.raises(ModelUnavailableError, match=r"bad\.gguf cannot be loaded"):
        EmbeddedModel(path=bad).generate("x")
    with pytest.raises(ModelUnavailableError, match="there is no GGUF file"):
        EmbeddedModel(path=tmp_path / "none.gguf").check()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model_name": "smolm2"}, "known: smollm2"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"n_threads": 0}, "n_threads is 0"),
        ({"temperature": -1}, "temperature is -1"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        EmbeddedModel(**arguments)
    assert words in str(caught.value)


def test_pieces_of_a_stream_are_joined() -> None:
    def piece(content: str | None, finish: str | None = None) -> dict[str, Any]:
        return {"choices": [{"delta": {"content": content}, "finish_reason": finish}]}

    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    assert assemble([piece(None), piece("a"), piece("b"), piece(None, "stop"), usage, None], "m") == Response(
        text="ab", finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=2), model="m"
    )


def test_a_process_ends_quietly_in_the_middle_of_an_answer() -> None:
    code = """
import asyncio
from insideLLMs.core.types import Request
from insideLLMs.providers.in_process.embedded import EmbeddedModel
async def main():
    async with asyncio.timeout(1):
        await EmbeddedModel(max_tokens=1900).respond(Request.of("Tell me a very long story."))
try:
    asyncio.run(main())
except TimeoutError:
    pass
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_the_extra_the_command_that_installs_it_is_named() -> None:
    code = (
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'xllamacpp' else find(name, *rest)\n"
        "from insideLLMs.providers.in_process.embedded import EmbeddedModel\n"
        "EmbeddedModel().check()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'insidellms[embedded]'" in done.stderr


def test_no_two_requests_of_a_run_draw_the_same_luck() -> None:
    model = EmbeddedModel(temperature=0.8, seed=7)
    bodies = [model._options(Request.of(prompt), repeat) for prompt in ("one", "two") for repeat in (0, 1)]
    seeds = [body["seed"] for body in bodies]
    assert len(set(seeds)) == 4
    assert seeds[0] == EmbeddedModel(temperature=0.8, seed=7)._options(Request.of("one"), 0)["seed"]
    assert seeds[0] != EmbeddedModel(temperature=0.8, seed=8)._options(Request.of("one"), 0)["seed"]
