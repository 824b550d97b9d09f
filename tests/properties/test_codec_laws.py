"""Whatever comes over the wire, a codec gives a Response that can be stored or raises a ModelError."""

import copy
import itertools
import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, ModelError
from insideLLMs.providers.codec import HttpAnswer
from insideLLMs.providers.events import EventData
from support.api_server import STREAMS
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


def cutter(data):
    """Return a function that cuts a text at places of hypothesis's choice."""

    def cut(text):
        marks = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=4)))
        ends = [0, *marks, len(text)]
        return [text[start:end] for start, end in itertools.pairwise(ends) if start < end]

    return cut


def events_of(codec, pieces):
    parser, assembler = EventData(), codec.assembler()
    for piece in pieces:
        for event in parser.feed(piece):
            assembler.add(event)
    return codec.decode(HttpAnswer(status=200, headers={}, body=assembler.body()))


@pytest.mark.parametrize("name", ["openai", "anthropic", "openai_responses"])
@given(data=st.data(), text=st.text(max_size=40))
def test_a_stream_cut_anywhere_comes_to_the_plain_answer(name, data, text):
    codec, body, _, _, _ = EXCHANGES[name]
    whole = b"".join(STREAMS[body](body(text), cutter(data)))
    marks = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[start:end] for start, end in itertools.pairwise([0, *marks, len(whole)])]
    assert events_of(codec, pieces) == codec.decode(HttpAnswer(status=200, headers={}, body=orjson.dumps(body(text))))


@pytest.mark.parametrize("name", ["openai", "anthropic", "openai_responses"])
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_events_are_read_or_refused_but_never_a_crash(name, data):
    codec, body, _, _, _ = EXCHANGES[name]
    events = [json.loads(line[6:]) for line in b"".join(STREAMS[body](body("Oslo"))).split(b"\n") if line[6:7] == b"{"]
    number = data.draw(st.integers(0, len(events) - 1))
    events[number] = put(events[number], data.draw(st.sampled_from(list(places(events[number])))), data.draw(values))
    try:
        pieces = [b"data: %s\n\n" % orjson.dumps(event) for event in events]
    except TypeError:
        return
    try:
        canonical.line(events_of(codec, [*pieces, b"data: [DONE]\n\n"]))
    except ModelError:
        return
    except CanonicalError:
        pytest.fail("an answer was read that cannot be stored")
