"""Whatever comes over the wire, a codec gives a Response that can be stored or raises a ModelError."""

import copy

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, ModelError
from insideLLMs.providers.codec import HttpAnswer
from support.wire import EXCHANGES

leaves = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=5) | st.just("stop")
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner))


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))


def put(value, path, new):
    if not path:
        return new
    value = copy.deepcopy(value)
    holder = value
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = new
    return value


@pytest.mark.parametrize("name", EXCHANGES)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_damaged_answer_is_read_or_refused_but_never_a_crash(name, data):
    codec, body, _, _, _ = EXCHANGES[name]
    whole = body("Oslo")
    damaged = put(whole, data.draw(st.sampled_from(list(places(whole)))), data.draw(values))
    status = data.draw(st.sampled_from([200, 200, 400, 401, 429, 500]))
    try:
        encoded = orjson.dumps(damaged)
    except TypeError:
        return
    try:
        response = codec.decode(HttpAnswer(status=status, headers={}, body=encoded))
    except ModelError:
        return
    try:
        canonical.line(response)
    except CanonicalError:
        pytest.fail("an answer was read that cannot be stored")
