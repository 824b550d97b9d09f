"""Strict JSON in answers."""

import pytest

from insideLLMs.scoring.json_values import Parsed, Unparsed, fenced_blocks, find_json


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("1", 1),
        (' {"a": [true, null]} ', {"a": [True, None]}),
        ("```json\n[1]\n```", [1]),
        ("~~~json\n[1]\n~~~", [1]),
        ("````json\n[1]\n````", [1]),
        ("Here:\n```\n{}\n```\nDone.", {}),
        ('"text"', "text"),
        ("```python\nx\n```\n```json\n2\n```", 2),
        ("\ufeff[]", []),
        ('```json {"a": 1} ```', {"a": 1}),
        ('Run:\n```\npip install x\n```\nResult:\n```\n{"a": 1}\n```', {"a": 1}),
        ('```\n{"a": 2}\n```\n```json\n{"a": 1}\n```', {"a": 1}),
        ('{"body": "x:\\n\\n```ts\\nfoo\\n```\\n"}', {"body": "x:\n\n```ts\nfoo\n```\n"}),
    ],
)
def test_json_is_the_whole_answer_or_its_one_fenced_block(answer: str, value: object) -> None:
    assert find_json(answer) == Parsed(value)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "empty"),
        ("NaN", "NaN"),
        ("[Infinity]", "Infinity"),
        ("1e999", "too large"),
        ('{"a": 1, "a": 1}', "twice"),
        ("{'a': 1}", "Expecting"),
        ("[1 2]", "Expecting"),
        ('{"a": 1} and so on', "Extra data"),
        ("```json\n1\n```\n```json\n2\n```", "2 fenced blocks"),
        ("[" * 100_000, "deep"),
        ("9" * 5_000, "digits"),
    ],
)
def test_what_is_not_strict_json_says_why(answer: str, why: str) -> None:
    found = find_json(answer)
    assert isinstance(found, Unparsed)
    assert why in found.why


def test_only_closed_fences_are_blocks() -> None:
    assert fenced_blocks("```a\n1\n```\n```b\n2") == [("a", "1")]
