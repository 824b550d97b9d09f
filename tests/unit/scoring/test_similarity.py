"""How alike two texts are: known values, laws, and speed on long texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insideLLMs.scoring.similarity import (
    common_subsequence,
    edit_distance,
    edit_similarity,
    rouge_l,
    rouge_n,
    token_f1,
)

SHORT = st.text(alphabet="abcñ字 ", max_size=12)


def plain_distance(left, right):
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def plain_subsequence(left, right):
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left, 1):
        for j, b in enumerate(right, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if a == b else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


@given(SHORT, SHORT)
@settings(max_examples=300)
def test_bit_vectors_agree_with_the_plain_tables(left, right):
    assert edit_distance(left, right) == plain_distance(left, right)
    assert common_subsequence(left, right) == plain_subsequence(left, right)


@given(SHORT, SHORT)
def test_a_similarity_is_symmetric_within_0_and_1_and_1_for_itself(left, right):
    for measure in (token_f1, rouge_l, edit_similarity, lambda a, b: rouge_n(a, b, 2)):
        assert 0 <= measure(left, right) == measure(right, left) <= 1
        assert measure(left, left) == 1


@pytest.mark.parametrize(
    ("measure", "left", "right", "value"),
    [
        (token_f1, "the cat sat", "a cat stood", 0.5),
        (token_f1, "CAT!", "cat", 1.0),
        (token_f1, "", "cat", 0.0),
        (token_f1, "東京タワー", "東京", 4 / 7),
        (rouge_l, "police killed the gunman", "police kill the gunman", 0.75),
        (rouge_l, "the gunman police killed", "police killed the gunman", 0.5),
        (lambda a, b: rouge_n(a, b, 1), "a b c", "a b d", 2 / 3),
        (lambda a, b: rouge_n(a, b, 2), "a b c", "a b d", 0.5),
        (edit_similarity, "kitten", "sitting", 1 - 3 / 7),
        (edit_similarity, "a  b", "a b", 1.0),
        (edit_similarity, "", "", 1.0),
    ],
)
def test_known_values(measure, left, right, value):
    assert measure(left, right) == pytest.approx(value)


def test_long_texts_are_compared_whole_within_bounds():
    left = "one two three four " * 3000
    right = "one three two four " * 3000
    assert 0.5 < rouge_l(left, right) < 1
    assert 0.5 < edit_similarity(left, right) < 1
