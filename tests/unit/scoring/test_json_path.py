"""JSON paths: what they select, and where a malformed one stops making sense."""

import pytest

from insideLLMs.core.errors import ArgumentError
from insideLLMs.scoring.json_path import parse_path, select

STORE = {"book": [{"id": 1, "tags": ["x"]}, {"id": 2}, {"id": 3}], "a b": None, "it's": True, "größe": 4}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", [STORE]),
        ("$.book[0].id", [1]),
        ("$.book[-1].id", [3]),
        ("$.book[*].id", [1, 2, 3]),
        ("$.book[1:].id", [2, 3]),
        ("$.book[:-1].id", [1, 2]),
        ("$..id", [1, 2, 3]),
        ("$..tags[*]", ["x"]),
        ("$['a b']", [None]),
        ('$["it\'s"]', [True]),
        (r"$['it\'s']", [True]),
        ("$.größe", [4]),
        ("$.book[9]", []),
        ("$.book.id", []),
        ("$.nothing.at.all", []),
        ("$.*[0].id", [1]),
    ],
)
def test_a_path_selects(path, found):
    assert select(STORE, path) == found


@pytest.mark.parametrize(
    "path", ["", "name", "$name", "$.", "$[", "$[x]", "$.a[?(@.b)]", "$*", "$.a..", "$[0", "$.a b"]
)
def test_a_malformed_path_is_refused(path):
    with pytest.raises(ArgumentError, match="malformed at position"):
        parse_path(path)


def test_a_deep_document_is_no_trouble():
    document: object = {"id": 1}
    for _ in range(5000):
        document = [document]
    assert select(document, "$..id") == [1]
