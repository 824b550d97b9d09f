"""A prompt wraps what a probe asks: templates, few-shot chats, system messages, images."""

import pytest
from tests.support.engine import ScriptedModel, run_engine

from insideLLMs.core.errors import TemplateError
from insideLLMs.core.experiment import PromptSpec
from insideLLMs.core.protocols import Probe
from insideLLMs.core.template import Template
from insideLLMs.core.types import Example, ImagePart, Message, Request, TextPart
from insideLLMs.execute.ready_prompt import ReadyPrompt
from insideLLMs.execute.work import ReadyModel

EXAMPLE = Example(id="e", input="2+2?", fields={"style": "briefly"})


def wrapped(request=None, **prompt):
    found = ReadyPrompt.of(PromptSpec(id="v", **prompt)).wrap(request or EXAMPLE.request(), EXAMPLE)
    return [(message.role, message.text) for message in found.messages]


def test_a_template_knows_the_examples_fields_and_the_probes_own_text_as_input():
    asked = Request.of("Say if 2+2 is 4.", max_tokens=5)
    found = ReadyPrompt.of(PromptSpec(id="v", template="Answer {{ style }}: {{ input }}")).wrap(asked, EXAMPLE)
    assert found == Request.of("Answer briefly: Say if 2+2 is 4.", max_tokens=5)


def test_messages_stand_where_the_last_question_stood():
    chat = [Message(role=role, content=text) for role, text in (("user", "a?"), ("assistant", "b"), ("user", "c?"))]
    shots = tuple(
        Message(role=role, content=text)
        for role, text in (("user", "1?"), ("assistant", "1"), ("user", "{{ input }}!"))
    )
    assert wrapped(Request.of(chat), messages=shots) == [
        ("user", "a?"), ("assistant", "b"), ("user", "1?"), ("assistant", "1"), ("user", "c?!"),
    ]  # fmt: skip


def test_a_system_text_is_a_template_too_and_gives_way_to_the_probes_own():
    assert wrapped(system="Answer {{ style }}.") == [("system", "Answer briefly."), ("user", "2+2?")]
    own = Request.of([Message(role="system", content="Mine."), Message(role="user", content="2+2?")])
    assert wrapped(own, system="Answer {{ style }}.") == [("system", "Mine."), ("user", "2+2?")]


def test_an_image_of_the_question_stays_with_it():
    image = ImagePart(url="https://example.org/cat.png")
    asked = Request.of([Message(role="user", content=(TextPart(text="Which animal?"), image))])
    found = ReadyPrompt.of(PromptSpec(id="v", template="{{ style }}: {{ input }}")).wrap(asked, EXAMPLE)
    assert found.messages[0].content == (TextPart(text="briefly: Which animal?"), image)


def test_a_field_that_an_example_lacks_is_named():
    prompt = ReadyPrompt.of(PromptSpec(id="v", template="{{ input }} {{ styl }}"))
    with pytest.raises(TemplateError, match=r"did you mean \{\{ style \}\}"):
        prompt.check(EXAMPLE)
    ReadyPrompt.of(PromptSpec(id="v", template="{{ input }} {{ style }}")).check(EXAMPLE)
    with pytest.raises(TemplateError):
        ReadyPrompt.of(PromptSpec(id="v", system="{{"))


PROMPTS = (PromptSpec(id="short", template="Short: {{ input }}"), PromptSpec(id="long", template="Long: {{ input }}"))


def test_every_model_answers_every_example_with_every_prompt():
    models = {name: ScriptedModel(lambda text, _: text.upper()) for name in ("b", "a")}
    records, _ = run_engine(models, ["x", "y"], prompts=PROMPTS)
    assert [(record.example.input, record.subject.label, record.response.text) for record in records] == [
        (text, f"{model} · {prompt}", f"{prompt}: {text}".upper())
        for text in "xy" for model in "ab" for prompt in ("long", "short")
    ]  # fmt: skip
    assert len({record.key for record in records}) == 8
    assert sorted(models["a"].calls) == sorted(f"{name}: {text}" for name in ("Long", "Short") for text in "xy")


class AskingProbe(Probe):
    def run(self, model, data, **options):
        return model.generate(f"Is {data} fine?")


def test_a_probe_that_asks_by_itself_is_wrapped_too():
    records, _ = run_engine(lambda prompt, **_: prompt, ["x"], probe=AskingProbe("own"), prompts=PROMPTS)
    assert [record.response.text for record in records] == ["Long: Is x fine?", "Short: Is x fine?"]


def test_the_system_prompt_of_a_model_is_filled_from_each_example():
    ready = ReadyModel(model=ScriptedModel("s"), system=Template("You help {{ style }}."))
    sent = ready.sent(Request.of("hi"), EXAMPLE)
    assert [(message.role, message.text) for message in sent.messages] == [
        ("system", "You help briefly."),
        ("user", "hi"),
    ]
    own = Request.of([Message(role="system", content="own"), Message(role="user", content="hi")])
    assert ready.sent(own, EXAMPLE) == own
