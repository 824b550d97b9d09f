"""Prompt templates."""

import pytest

from insideLLMs.core.errors import TemplateError
from insideLLMs.core.types import Example, Message
from insideLLMs.probes.template import Template

EXAMPLE = Example(id="1", input="2+2?", fields={"topic": "sums", "hints": ["a", 1], "n": 3})


def test_a_template_is_filled_from_input_and_fields() -> None:
    template = Template("{question} / {input} / {topic} / {hints} / {n} / {{topic}}")
    assert template.fill(EXAMPLE) == '2+2? / 2+2? / sums / ["a",1] / 3 / {topic}'


def test_what_a_field_holds_is_not_filled_again() -> None:
    assert Template("{a}").fill(Example(id="1", input="", fields={"a": "{b}", "b": "x"})) == "{b}"


def test_a_given_field_takes_the_place_of_the_examples_own() -> None:
    assert (
        Template("{choices}{more}").fill(
            Example(id="1", input="", fields={"choices": "own"}), choices="given", more="!"
        )
        == "given!"
    )


@pytest.mark.parametrize(
    "text", ["{", "}", "{a", "a}", "{a.b}", "{a[0]}", "{a!r}", "{a:>5}", "{}", "{0}", "{{a}", "{a b}"]
)
def test_anything_but_plain_fields_is_refused(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(text)
    assert caught.value.fix


def test_an_unknown_field_is_named_with_the_nearest_known() -> None:
    template = Template("{questoin}")
    assert "did you mean {question}" in (template.missing(EXAMPLE) or "")
    with pytest.raises(TemplateError, match="example '1'"):
        template.fill(EXAMPLE)


def test_a_chat_keeps_its_other_messages() -> None:
    chat = Example(
        id="1",
        input=(Message(role="system", content="s"), Message(role="user", content="u"), Message(role="assistant")),
    )
    request = Template("<{input}>").request(chat)
    assert [(message.role, message.content) for message in request.messages] == [
        ("system", "s"), ("user", "<u>"), ("assistant", ""),
    ]  # fmt: skip


def test_a_chat_without_a_user_message_gets_one() -> None:
    chat = Example(id="1", input=(Message(role="system", content="s"),), fields={"q": "why"})
    assert Template("{q}?").request(chat).messages[-1] == Message(role="user", content="why?")
