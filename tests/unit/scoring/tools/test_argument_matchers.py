"""Matchers in the place of a tool's arguments: what each takes, and what it says of anything else."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core.errors import ArgumentError
from insideLLMs.scoring.tools.argument_matchers import check_matchers, mismatch, pair_up


@pytest.mark.parametrize(
    ("due", "takes", "refuses"),
    [
        (7, [7, 7.0], ["7", 8, None, True, [7]]),
        ("Oslo", ["Oslo"], ["oslo", "Oslo ", None]),
        (True, [True], [1, "true", False]),
        (None, [None], [0, "", False]),
        ([1, {"a": 2}], [[1, {"a": 2.0}]], [[{"a": 2}, 1], [1], [1, {"a": 3}], {"0": 1}]),
        ({"$any": True}, [1, "", None, [], {}], []),
        ({"$one_of": [1, "a", {"$regex": "^b"}]}, [1, "a", "bcd"], [2, "ab", None]),
        ({"$regex": r"\d{4}"}, ["2024", "in 2024"], ["24", 2024, None]),
        ({"$number": 20, "$within": 0.5}, [20, 19.5, 20.5], [19.4, "20", True, None]),
        ({"$number": 20}, [20, 20.0], [20.001]),
        ({"$number": 20, "$within": 0.01}, [20.01, 19.99], [20.011]),  # 20.01 - 20 > 0.01 in floating point
        ({"$ignore_case": "New  York"}, ["new york", " NEW YORK "], ["newyork", 3]),
        ({"$any_order": [1, 1, {"$any": True}]}, [[1, 5, 1], [1, 1, 1]], [[1, 5, 5], [1, 1], "11"]),
        ({"$equals": {"$any": True}}, [{"$any": True}], [1, {"$any": False}]),
        ({"a": 1, "$others": "allowed"}, [{"a": 1}, {"a": 1, "b": 2}], [{"b": 2}, {"a": 2, "b": 2}]),
        ({"a": 1}, [{"a": 1}], [{"a": 1, "b": 2}, {}]),
        ({"a": {"$absent": True}}, [{}], [{"a": 1}, {"a": None}]),
        ({"a": {"$optional": 1}}, [{}, {"a": 1}], [{"a": 2}, {"a": None}]),
        ({"a": {"$any": True}}, [{"a": None}], [{}]),
    ],
)
def test_a_matcher_takes_and_refuses(due, takes, refuses):
    check_matchers(due)
    assert [mismatch(due, one, "x") for one in takes] == [None] * len(takes)
    assert all(mismatch(due, one, "x") for one in refuses)


@pytest.mark.parametrize(
    ("due", "given", "says"),
    [
        ({"a": 20}, {"a": 200}, "a is 200, due is 20"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1] is 3, due is 2"),
        ({"a": 1}, {}, "a is missing, due is 1"),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, "a.c is not due"),
        ({"a": {"$absent": True}}, {"a": 1}, "a is 1, and should be left out"),
        ({"a": {"$regex": "^x"}}, {"a": "y"}, 'a is "y", due is {"$regex":"^x"}'),
        ({"a": "x" * 300}, {"a": "y"}, "…"),
    ],
)
def test_the_first_place_that_differs_is_named(due, given, says):
    assert says in mismatch(due, given)


@pytest.mark.parametrize(
    ("due", "says"),
    [
        ({"$regx": "a"}, "did you mean $regex?"),
        ({"a": [{"$anything": True}]}, "$anything is not a matcher"),
        ({"$any": False}, "write {$any: true}"),
        ({"$one_of": []}, "write {$one_of: [VALUE, ...]}"),
        ({"$one_of": "a"}, "write {$one_of"),
        ({"$one_of": [{"$nope": 1}]}, "$nope is not a matcher"),
        ({"$regex": "("}, "regex '('"),
        ({"$regex": "(a+)+$"}, "can take forever"),
        ({"$regex": 3}, "write {$regex: TEXT}"),
        ({"$number": "20"}, "write {$number: 20}"),
        ({"$number": 20, "$within": -1}, "write {$number: 20}"),
        ({"$number": 20, "$within": True}, "write {$number: 20}"),
        ({"amount": {"$within": 0.5}}, "write {$number: 20}"),
        ({"$any": True, "x": 1}, "cannot be read"),
        ({"$optional": {"$any": 1}}, "write {$any: true}"),
        ({"a": 1, "$others": "maybe"}, "write allowed or forbidden"),
    ],
)
def test_a_matcher_that_cannot_be_read_is_refused(due, says):
    with pytest.raises(ArgumentError) as caught:
        check_matchers(due)
    assert says in f"{caught.value.message} {caught.value.fix}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab$", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_a_value_takes_itself_and_equals_takes_what_the_value_takes(one, other):
    assert mismatch(one, one) is None
    assert (mismatch({"$equals": one}, other) is None) == (mismatch(one, other) is None)
    assert mismatch({"$any_order": [one, other]}, [other, one]) is None


def test_thousands_of_values_that_all_change_places_are_paired():
    """Each row fits two columns, and the last one only the first: all others must give way."""
    most = 2000
    fits = [[column in (row, row + 1) for column in range(most)] for row in range(most - 1)]
    pairs = pair_up(most, [*fits, [column == 0 for column in range(most)]])
    assert pairs == {0: most - 1, **{row + 1: row for row in range(most - 1)}}


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), max_size=4))
def test_as_many_are_paired_as_any_choice_of_columns_pairs(fits):
    pairs = pair_up(len(fits), fits)
    assert all(fits[row][column] for column, row in pairs.items())
    assert len(set(pairs.values())) == len(pairs)
    choices = itertools.permutations([*range(4), *[None] * len(fits)], len(fits))
    best = max(sum(c is not None and fits[r][c] for r, c in enumerate(choice)) for choice in choices)
    assert len(pairs) == best
