"""The laws of canonical JSON, against the RFC 8785 package as oracle."""

import json
import math
import struct

import msgspec
import orjson
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from insideLLMs.core import canonical, merkle
from insideLLMs.core.errors import CanonicalError
from insideLLMs.core.types import Response

text = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | integers | floats | text
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=20)


@given(values)
def test_identities_hash_the_rfc_8785_form(value):
    assert canonical.jcs(value) == rfc8785.dumps(value)


@given(st.binary(min_size=8, max_size=8))
@example(struct.pack(">d", 1e21))
@example(struct.pack(">d", 1e-7))
@example(struct.pack(">d", 5e-324))
@example(struct.pack(">d", 333333333.33333329))
def test_every_finite_double_is_spelt_as_ecmascript_does(raw):
    (number,) = struct.unpack(">d", raw)
    if math.isfinite(number):
        assert canonical.jcs(number) == rfc8785.dumps(number)


@given(values)
def test_a_line_parses_back_to_the_value_and_to_the_same_line(value):
    line = canonical.line(value)
    assert b"\n" not in line
    assert json.loads(line) == value
    assert canonical.line(orjson.loads(line)) == line


anything = st.recursive(
    scalars | st.floats() | st.integers() | st.text() | st.sampled_from([b"x", 1e305, -1e305, "\ud800", "\u02ff"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
)


@given(anything)
@example(math.nan)
@example(-math.inf)
@example([1e304, {"a": -math.nan}])
@example(2**53)
@example(2**70)
def test_a_struct_is_written_and_refused_as_what_it_holds_is(value):
    response = Response(text="a", value=value)
    try:
        expected: object = canonical.line(msgspec.to_builtins(response))
    except CanonicalError as error:
        expected = error.message
    try:
        written: object = canonical.line(response)
    except CanonicalError as error:
        written = error.message
    assert written == expected


@pytest.mark.parametrize("depth", [97, 98, 99, 100, 101, 255, 300])
def test_a_struct_may_hold_as_many_levels_as_a_plain_value(depth):
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    if depth < canonical._DEEPEST:
        assert json.loads(canonical.line(Response(value=value)))["value"] == value
    else:
        with pytest.raises(CanonicalError, match="deeper than 100 levels"):
            canonical.line(Response(value=value))


@given(st.dictionaries(text, scalars))
def test_key_order_does_not_matter(mapping):
    reordered = dict(reversed(mapping.items()))
    assert canonical.line(mapping) == canonical.line(reordered)
    assert canonical.identity("test/1", mapping) == canonical.identity("test/1", reordered)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"a": [1, math.nan]}, "$.a[1]"),
        ({"a": -math.inf}, "$.a"),
        ({"n": 2**53}, "$.n"),
        ({1: 2}, "key 1"),
        ({"s": "\ud800"}, "surrogate"),
        ({"\ud800": 1}, "surrogate"),
        ({"o": {1, 2}}, "set"),
        ({"b": b"x"}, "bytes"),
    ],
)
@pytest.mark.parametrize("spell", [canonical.line, canonical.jcs, canonical.pretty])
def test_what_has_no_canonical_form_is_refused_by_name(value, names, spell):
    with pytest.raises(CanonicalError) as caught:
        spell(value)
    assert names in str(caught.value)


def test_merkle_root_is_that_of_rfc_6962():
    # Test vectors of the certificate-transparency reference implementation (RFC 6962, 2.1).
    leaves = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31"]
    tree = merkle.MerkleTree()
    assert tree.root() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    roots = []
    for leaf in leaves:
        tree.add(leaf)
        roots.append(tree.root())
    assert roots[:3] == [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    ]
