"""Models of transformers, with a real library and a tiny model of random weights."""

# ruff: noqa: PLC0415 - torch takes seconds to import, and may not be there

import asyncio
import subprocess
import sys

import pytest

from insideLLMs.core import canonical
from insideLLMs.core.errors import ArgumentError, ModelUnavailableError, RequestRefusedError
from insideLLMs.core.types import ImagePart, Message, Request
from insideLLMs.providers.in_process.transformers import TransformersModel
from support.tiny_model import CONTEXT, build, needs_torch

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def model(folder):
    made = TransformersModel("tiny", path=folder, max_tokens=12)
    yield made
    asyncio.run(made.aclose())


def answers(model, requests, repeat=0):
    async def gather():
        return await asyncio.gather(*(model.respond(request, repeat=repeat) for request in requests))

    return asyncio.run(gather())


@needs_torch
def test_it_answers_alike_every_time_with_usage_and_finish_reason(model, folder):
    first, second = answers(model, [Request.of("hello")] * 2)
    assert first == second == TransformersModel("tiny", path=folder, max_tokens=12).ask(Request.of("hello"))
    assert (first.usage.input_tokens, first.usage.output_tokens) == (4, 12)
    assert (first.finish_reason, first.model) == ("length", "tiny")


@needs_torch
def test_a_chat_is_written_by_the_tokenizers_template(model):
    loaded = model._load_once()
    chat = [Message(role="system", content="Be brief."), Message(role="user", content="hi"),
            Message(role="assistant", content="ho"), Message(role="user", content="ha")]  # fmt: skip
    tokens = loaded.encode(model._messages(Request.of(chat)), 1)["input_ids"][0]
    written = "<|system|>Be brief.</s><|user|>hi</s><|assistant|>ho</s><|user|>ha</s><|assistant|>"
    assert loaded.tokenizer.decode(tokens) == written


@needs_torch
def test_answers_do_not_depend_on_neighbours_or_on_the_draws_of_others(model):
    import torch

    requests = [Request.of(f"question {number}", temperature=1.0, top_p=0.9) for number in range(6)]
    alone = [answers(model, [request])[0] for request in requests]
    torch.manual_seed(99)
    assert answers(model, requests[::-1])[::-1] == alone
    assert len({response.text for response in alone}) == 6


@needs_torch
def test_each_repeat_is_a_new_draw_and_can_be_drawn_again(model, folder):
    request = Request.of("hello", temperature=1.0)
    first, second = (answers(model, [request], repeat)[0].text for repeat in (0, 1))
    assert first != second
    assert answers(model, [request], 1)[0].text == second
    reseeded = TransformersModel("tiny", path=folder, max_tokens=12, temperature=1.0, seed=1)
    assert reseeded.ask(Request.of("hello")).text not in {first, second}


@needs_torch
def test_a_narrow_top_p_leaves_only_the_likeliest_token(model):
    greedy, narrow = answers(model, [Request.of("hello"), Request.of("hello", temperature=1.0, top_p=0.0)])
    assert narrow.text == greedy.text


@needs_torch
def test_log_probabilities_are_those_of_the_model_itself(model):
    import torch

    request = Request.of("hello", logprobs=True, max_tokens=3)
    response = answers(model, [request])[0]
    loaded = model._load_once()
    tokens = loaded.encode(model._messages(request), 3)["input_ids"]
    for found in response.logprobs:
        with torch.inference_mode():
            logs = torch.log_softmax(loaded.model(tokens).logits[0, -1].double(), dim=-1)
        best = int(logs.argmax())
        assert found.token == loaded.tokenizer.decode([best])
        assert found.logprob == pytest.approx(float(logs[best]), abs=1e-4)
        tokens = torch.cat([tokens, torch.tensor([[best]])], dim=1)
    assert answers(model, [Request.of("hello")])[0].logprobs == ()


@needs_torch
def test_an_answer_ends_before_a_stop_text_and_after_the_models_own_end(model, folder, tmp_path):
    text = answers(model, [Request.of("hello")])[0].text
    place = next(place for place in range(1, len(text)) if text[place].isascii() and text[place] not in text[:place])
    cut = answers(model, [Request.of("hello", stop=text[place])])[0]
    assert (cut.text, cut.finish_reason) == (text[:place], "stop")
    assert cut.usage.output_tokens < 12
    loaded = model._load_once()
    drawn = answers(model, [Request.of("hello", logprobs=True)])[0].logprobs[2].token
    end = next(token for token in range(len(loaded.tokenizer)) if loaded.tokenizer.decode([token]) == drawn)
    ended = TransformersModel("own", path=build(tmp_path, eos_token_id=[1, end])).ask(Request.of("hello"))
    assert ended.finish_reason == "stop"
    assert ended.usage.output_tokens <= 3


@needs_torch
def test_it_says_nothing_on_stderr_and_draws_by_our_settings_not_by_the_files(tmp_path, model):
    folder = build(tmp_path, do_sample=True, temperature=0.7, top_k=5, top_p=0.8, max_length=20)
    code = (
        "from insideLLMs.providers.in_process.transformers import TransformersModel\n"
        f"print(ascii(TransformersModel('tiny', path={str(folder)!r}, max_tokens=12).generate('hello')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == ascii(model.generate("hello"))


@needs_torch
def test_a_call_that_is_given_up_frees_the_model(folder):
    model = TransformersModel("tiny", path=folder)

    async def main():
        await model.respond(Request.of("warm up", max_tokens=1))
        loaded, seen = model._load_once(), asyncio.Event()
        loop, forward = asyncio.get_running_loop(), loaded.model.forward

        def slow(*args, **options):
            loop.call_soon_threadsafe(seen.set)
            return forward(*args, **options)

        loaded.model.forward = slow
        task = asyncio.ensure_future(model.respond(Request.of("go on", max_tokens=CONTEXT - 10)))
        await seen.wait()
        task.cancel()
        return await model.respond(Request.of("hello", max_tokens=2))

    assert asyncio.run(main()).usage.output_tokens == 2
    asyncio.run(model.aclose())


@needs_torch
def test_requests_that_cannot_be_answered_are_refused_by_name(model):
    for options, words in (
        ({"tools": []}, "takes no tools"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"stop": [""]}, "none of them empty"),
        ({"max_tokens": CONTEXT}, f"exceeds the context of {CONTEXT} tokens"),
    ):
        with pytest.raises(RequestRefusedError, match=words):
            model.generate("hello", **options)
    with pytest.raises(RequestRefusedError, match="the chat template refuses the messages: no tools here"):
        model.chat([{"role": "tool", "content": "4"}])
    image = Message(role="user", content=(ImagePart(url="https://example.com/a.png"),))
    with pytest.raises(RequestRefusedError, match="does not accept images"):
        model.ask(Request.of([image]))


@needs_torch
def test_identity_holds_the_files_digest_and_versions_but_no_path_and_no_device(model, folder, tmp_path):
    identity = model.identity()
    canonical.check(dict(identity))
    assert set(identity["runtime"]) == {"torch", "transformers"}
    assert "+" not in identity["runtime"]["torch"]
    assert str(folder) not in repr(identity)
    moved = build(tmp_path / "moved")
    assert TransformersModel("tiny", path=moved, max_tokens=12, device="cuda").identity() == identity
    (moved / "README.md").write_text("no part of the model")
    assert TransformersModel("tiny", path=moved, max_tokens=12).identity() == identity
    others = [
        TransformersModel("tiny", path=build(tmp_path / "other", seed=1), max_tokens=12),
        TransformersModel("tiny", path=build(tmp_path / "written", template=" {{ messages }}"), max_tokens=12),
        TransformersModel("tiny", path=folder, max_tokens=13),
        TransformersModel("tiny", path=folder, max_tokens=12, dtype="bfloat16"),
    ]
    assert len({canonical.line(dict(one.identity())) for one in [model, *others]}) == 5


@needs_torch
def test_a_folder_that_is_no_model_is_said_to_be_none(tmp_path):
    for folder, words in ((tmp_path / "none", "there is no such folder"), (tmp_path, "it has no .safetensors files")):
        with pytest.raises(ModelUnavailableError, match=words):
            TransformersModel("x", path=folder).check()
    torn = build(tmp_path / "torn")
    (torn / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelUnavailableError, match=r"torn cannot be loaded"):
        TransformersModel("x", path=torn).generate("hello")
    (torn / "tokenizer_config.json").write_text("{")
    with pytest.raises(ModelUnavailableError, match=r"torn cannot be loaded"):
        TransformersModel("x", path=torn).check()


@needs_torch
def test_a_tokenizer_without_a_chat_template_is_no_model_to_chat_with(tmp_path):
    folder = build(tmp_path, template=None)
    with pytest.raises(ModelUnavailableError, match="has no chat template") as caught:
        TransformersModel("base", path=folder).check()
    assert "chat_template.jinja" in str(caught.value)


@needs_torch
def test_a_model_of_the_hub_that_is_cached_needs_no_network(tmp_path, monkeypatch):
    from huggingface_hub import constants

    snapshot = tmp_path / "models--own--tiny" / "snapshots" / COMMIT
    build(snapshot)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    here = TransformersModel("own/tiny", revision=COMMIT, max_tokens=4)
    assert here.generate("hello") == TransformersModel("x", path=snapshot, max_tokens=4).generate("hello")
    with pytest.raises(ModelUnavailableError, match=f"own/other at {COMMIT} cannot be loaded"):
        TransformersModel("own/other", revision=COMMIT).check()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model_name": "own/tiny"}, "revision is None"),
        ({"model_name": "own/tiny", "revision": "main"}, "40 hex digits"),
        ({"path": "x", "dtype": "int4"}, "dtype is 'int4'"),
        ({"path": "x", "max_tokens": 0}, "max_tokens is 0"),
        ({"path": "x", "temperature": -1}, "temperature is -1"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(arguments, words):
    with pytest.raises(ArgumentError) as caught:
        TransformersModel(**{"model_name": "tiny", **arguments})
    assert words in str(caught.value)


def test_without_the_extra_the_command_that_installs_it_is_named():
    code = (
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'torch' else find(name, *rest)\n"
        "from insideLLMs.providers.in_process.transformers import TransformersModel\n"
        "TransformersModel('tiny', path='.').check()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'insidellms[transformers]'" in done.stderr
