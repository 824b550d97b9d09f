"""A key that stands twice in one object is found, however it is spelled and wherever it stands; nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core.repeated_keys import repeated_key, split_object

TWICE = [
    ('{"a": 1, "b": 2, "a": 3}', "a"),
    ('{"a": 1, "a": 1}', "a"),
    ('{"a" : 1, "a"\t:\r2}', "a"),
    (r'{"a": 1, "\u0061": 2}', "a"),
    (r'{"a": "\u003a", "a": ""}', "a"),
    (r'{"a\\": "x", "a\\": "\":"}', "a\\"),
    ('{"a": [{"b": {"c": 1, "c": 2}}]}', "c"),
    ('{"a": {"b": 1, "b": 2}, "a": ":"}', "b"),
    ('{"a": "::::", "a": ""}', "a"),
    ('{"a": 123456789012345678901234567890, "a": 1}', "a"),
    ('{"": 1, "": 2}', ""),
]
ONCE = [
    '{"a": {"a": [{"a": 1}, {"a": 2}]}}',
    r'{"a": "\":{\"a\": \"a\":", "b": " : \u003a \u0022"}',
    "[]",
    "null",
    '":"',
]
VALUES = st.recursive(
    st.none() | st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(("text", "key"), TWICE)
def test_a_key_that_is_given_twice_is_found(text, key):
    assert repeated_key(text.encode()) == key
    assert repeated_key(text.encode(), json.loads(text)) == key


@pytest.mark.parametrize("text", ONCE)
def test_the_same_key_in_other_objects_and_in_texts_is_none_that_is_given_twice(text):
    assert repeated_key(text.encode()) is None


@given(value=st.dictionaries(st.text(), VALUES), key=st.text(), ascii=st.booleans())
def test_whatever_else_an_object_holds_its_repeated_key_is_found(value, key, ascii):
    members = [f"{json.dumps(name, ensure_ascii=ascii)}: {json.dumps(one)}" for name, one in value.items()]
    text = f"{{{', '.join(members)}}}".encode("utf-8", "surrogatepass")
    assert repeated_key(text, value) is None
    once = [*members, *([] if key in value else [f"{json.dumps(key)}: 0"])]
    assert repeated_key(f"{{{', '.join([*once, f'{json.dumps(key)} : 1'])}}}".encode()) == key


def test_an_object_is_split_with_its_repeated_key():
    members, key = split_object(b'{"a": [1], "b": 2, "a": [3]}')
    assert ({name: bytes(raw) for name, raw in members.items()}, key) == ({"a": b"[3]", "b": b"2"}, "a")
    assert split_object(b'{"a": {"b": 1, "b": 2}}')[1] is None
