"""Thoughts are split off where an answer enters; what an answer only mentions stays."""

import pytest

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.thoughts import answer_of, read_tags, separate, split_thoughts
from insideLLMs.core.types import Response

SPLIT = [
    ("<think>\nLyon?\n</think>\n\nParis", "Paris", "Lyon?"),
    ("<think>\n\n</think>\n\nParis", "Paris", None),
    ("<Think>Lyon?</Think>\nParis", "Paris", "Lyon?"),
    ("<thinking>Lyon?</thinking>Paris", "Paris", "Lyon?"),
    ("<thought>Lyon?</thought>Paris", "Paris", "Lyon?"),
    ("<thoughts>Lyon?</thoughts>Paris", "Paris", "Lyon?"),
    ("<reasoning>Lyon?</reasoning>\nParis", "Paris", "Lyon?"),
    ('<think duration="3s">Lyon?</think>Paris', "Paris", "Lyon?"),
    ("<seed:think>Lyon?</seed:think>Paris", "Paris", "Lyon?"),
    ("[THINK]Lyon?[/THINK]Paris", "Paris", "Lyon?"),
    ("◁think▷Lyon?◁/think▷Paris", "Paris", "Lyon?"),
    (
        "<|begin_of_thought|>Lyon?<|end_of_thought|>\n<|begin_of_solution|>Paris<|end_of_solution|>",
        "Paris",
        "Lyon?",
    ),
    ("<|channel>thought\nLyon?<channel|>Paris", "Paris", "Lyon?"),
    (
        "<|channel|>analysis<|message|>Lyon?<|end|><|start|>assistant<|channel|>final<|message|>Paris<|return|>",
        "Paris",
        "Lyon?",
    ),
    ("Lyon?<|end|><|start|>assistant<|channel|>final<|message|>Paris", "Paris", "Lyon?"),
    ("analysisLyon? No.assistantfinalParis", "Paris", "Lyon? No."),
    # the template opened the thoughts
    ("Lyon? No.</think>\n\nParis", "Paris", "Lyon? No."),
    ("Lyon? No.</think>Paris", "Paris", "Lyon? No."),
    ("Lyon? No.\n</think>\n\nParis", "Paris", "Lyon? No."),
    ("It must not be in <think> tags. Lyon?</think>\n\nParis", "Paris", "It must not be in <think> tags. Lyon?"),
    # thoughts that were cut off have no answer
    ("<think>\nIs it Par", "", "Is it Par"),
    ("<|channel|>analysis<|message|>Is it Par", "", "Is it Par"),
    ("Paris.\n<think>or is it", "Paris.\n", "or is it"),
    # several, nested, and such as speak of tags themselves
    ("<think>one</think>Sure.\n<think>two</think>\nParis", "Sure.\n\nParis", "one\ntwo"),
    ("<think>a<think>b</think>c</think>Paris", "Paris", "a<think>b\nc"),
    ("<think>I end with `</think>` then.</think>Paris", "Paris", "I end with `</think>` then."),
    ("<think>```py\nprint(1)\n</think>\n```py\nx = 1\n```", "```py\nx = 1\n```", "```py\nprint(1)"),
    ("<think>hm</think>\n\n    return 1\n", "    return 1\n", "hm"),
]
KEPT = [
    "Paris",
    "",
    "I think it is Paris.",
    "5 < 6 and 7 > 3",
    "The parser looks for `</think>` as the end of the thoughts.",
    "Thoughts end with `</think>`.",
    'Thoughts end with "</think>".',
    "Thoughts end with </think>.",
    "The answer is 8. (I closed my thinking with </think>)",
    "Thoughts end with </think> and then the answer follows.",
    "Ask for this form:\n```\n<thinking>your plan goes here</thinking>\n<result>42</result>\n```",
    "Ask for this form:\n\n<thinking>your plan goes here</thinking>\n<result>42</result>",
    "Answer: C. (Written without <think> tags, as you wished.)",
    "Write <think> before your thoughts; the answer is 4.",
    "Use <think>...</think> for thoughts.",
    "The format is <think>plan</think> then answer.",
    "1. <think>\n2. </think>\n",
    "- `<think>`: opens\n- `</think>`: closes",
    "<think> is the tag that opens thoughts.",
    '{"thinking": "Lyon or Paris?", "city": "Paris"}',
    '{"text": "<think>a</think>b"}',
    "Harmony writes `<|channel|>final<|message|>` first.",
    "An analysis of the assistant's final answer.",
]


@pytest.mark.parametrize(("text", "answer", "thoughts"), SPLIT)
def test_thoughts_are_split_off_whatever_their_tags(text, answer, thoughts):
    response = separate(Response(text=text, finish_reason="stop"))
    assert (response.text, response.reasoning, response.finish_reason) == (answer, thoughts, "stop")


@pytest.mark.parametrize(("text", "answer", "thoughts"), SPLIT)
def test_an_answer_without_thoughts_is_left_as_it_is(text, answer, thoughts):
    assert separate(Response(text=answer, reasoning=thoughts)) == separate(Response(text=text))


@pytest.mark.parametrize("text", KEPT)
def test_a_tag_that_is_only_mentioned_stays(text):
    assert separate(Response(text=text)) == Response(text=text)


def test_thoughts_that_the_server_split_off_come_to_the_same():
    inline = separate(Response(text="<think>\nLyon?\n</think>\n\nParis"))
    assert separate(Response(text="\n\nParis", reasoning="Lyon?\n")) == inline
    assert separate(Response(text="<think>Lyon?</think>Paris", reasoning="Lyon?")) == inline


def test_a_model_may_have_tags_of_its_own():
    tags = read_tags([["<hidden>", "</hidden>"], ["%%", "%%/"]])
    assert split_thoughts("<hidden>Lyon?</hidden>Paris", tags) == ("Paris", "Lyon?")
    assert split_thoughts("<hidden>Lyon?</hidden>Paris") == ("<hidden>Lyon?</hidden>Paris", None)
    for wrong in ("<a>", [["<a>"]], [["<a>", ""]], [5]):
        with pytest.raises(ArgumentError, match="thought_tags is"):
            read_tags(wrong)


def test_a_probe_that_calls_a_users_model_itself_gets_the_answer_alone():
    class Mine:
        thought_tags = (("<hidden>", "</hidden>"),)

    assert answer_of("<hidden>Lyon?</hidden>Paris", Mine()) == "Paris"
    assert answer_of("<think>Lyon?</think>Paris", object()) == "Paris"


@pytest.mark.timeout(30)  # quadratic work on so much takes minutes
@pytest.mark.parametrize(
    "piece",
    ["<think>", "</think> ", "a `<think>` ", "<think>x</think>", "```\n<think>\n", "<|channel|>final", "<", "\n "],
)
def test_time_is_linear_in_the_length_of_an_answer(piece):
    split_thoughts(piece * (250_000 // len(piece)))


@pytest.mark.timeout(30)
def test_very_many_closing_tags_are_read_in_time_that_grows_with_the_text():
    answer, thoughts = split_thoughts("so\n" + "</think>" * 300_000 + "\nyes")
    assert (answer.strip(), thoughts) == ("yes", "so")
