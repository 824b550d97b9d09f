"""Prompts from Python: what is taken, how examples are named, what the digest covers."""

import pytest

from insideLLMs.core.errors import OptionError
from insideLLMs.core.types import Example, Message
from insideLLMs.runner.prompts import Prompts


def examples(*items, any_json=False):
    return [example for _, example in Prompts(items, any_json=any_json).examples()]


def test_text_rows_chats_and_examples_are_taken():
    text, row, chat, given = examples(
        "hello",
        {"question": "1+1?", "answer": "2", "topic": "sums"},
        [{"role": "user", "content": "hi"}],
        Example(id="mine", input="x"),
    )
    assert text.input == "hello"
    assert (row.input, row.expected, row.fields) == ("1+1?", ("2",), {"topic": "sums"})
    assert chat.input == (Message(role="user", content="hi"),)
    assert given.id == "mine"


def test_ids_are_given_or_the_hash_of_the_content():
    first, second, third = examples({"id": 7, "prompt": "a"}, {"example_id": "b", "prompt": "a"}, "a")
    assert (first.id, second.id) == ("7", "b")
    assert third.id == examples("a")[0].id
    assert len(third.id) == 24


def test_the_same_content_again_gets_a_suffix_in_input_order():
    base = examples("a")[0].id
    assert [one.id for one in examples("a", "b", "a", "a")][::2] == [base, f"{base}-2"]
    assert [one.id for one in examples("a", "a", "a")] == [base, f"{base}-2", f"{base}-3"]


def test_a_suffix_that_is_taken_is_passed_over():
    base = examples("a")[0].id
    made = [one.id for one in examples("a", {"id": f"{base}-2", "prompt": "b"}, "a", "a")]
    assert made == [base, f"{base}-2", f"{base}-3", f"{base}-4"]


def test_one_id_given_twice_is_refused_by_both_indexes():
    with pytest.raises(OptionError, match=r"prompts\[0\] and prompts\[2\] have the same id 'x'"):
        examples({"id": "x", "prompt": "a"}, "b", {"id": "x", "prompt": "c"})


@pytest.mark.parametrize(
    "item",
    [
        None,
        3,
        object(),
        {"prompt": object()},
        {"prompt": "a", "n": float("nan")},
        {"no": "input"},
        {1: 2},
        "\ud800",
        [],
    ],
    ids=lambda item: type(item).__name__,
)
def test_what_cannot_be_an_example_is_refused_by_its_index(item):
    with pytest.raises(ValueError, match=r"prompts\[1\]"):
        examples("fine", item)


@pytest.mark.parametrize("item", [None, 3, {"code": "x = 1"}, [1, 2], {"id": "x", "task": {"a": 1}}], ids=repr)
def test_a_simple_probe_may_be_given_any_json(item):
    prompts = Prompts([item], any_json=True)
    ((_, example),) = prompts.examples()
    assert prompts.item(example.id) == item


@pytest.mark.parametrize(
    "item", [object(), {"code": object()}, {1, 2}, {"n": float("inf")}], ids=lambda item: type(item).__name__
)
def test_what_is_not_json_is_refused_for_every_probe(item):
    with pytest.raises(ValueError, match=r"prompts\[0\]"):
        examples(item, any_json=True)


def test_the_digest_does_not_depend_on_the_order_but_on_every_item():
    def digest(*items):
        return Prompts(items, any_json=False).facts.sha256

    assert digest("a", "b", "c") == digest("c", "a", "b")
    assert digest("a", "b") != digest("a", "b", "b")
    assert digest({"id": "1", "prompt": "a"}) != digest({"id": "1", "prompt": "b"})


def test_ranks_follow_the_order_of_ids():
    prompts = Prompts([{"id": name, "prompt": "x"} for name in ("c", "a", "b")], any_json=False)
    assert [rank for rank, _ in prompts.examples()] == [2, 0, 1]
