"""Free-text answers, lists, and user regular expressions."""

import re

import pytest

from insideLLMs.core.errors import ArgumentError
from insideLLMs.scoring.final_answer import final_text, items, says
from insideLLMs.scoring.normalise import bare, fold
from insideLLMs.scoring.patterns import SEARCH_LIMIT, compile_safely, found_in


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [
        ("Paris", "Paris", True),
        ("paris.", "Paris", True),
        ("**Paris**", "Paris", True),
        ("The answer is Paris.", "Paris", True),
        ("Paris, the capital of France", "Paris", True),
        ("The capital of France is Paris.", "Paris", True),
        ("Answer: the Louvre", "Louvre", True),
        ("\\boxed{\\text{Paris}}", "Paris", True),
        ("Ｐａｒｉｓ", "Paris", True),
        ("Pa\u200bris", "Paris", True),
        ("It is not Paris.", "Paris", False),
        ("Not Paris", "Paris", False),
        ("Paris or London", "Paris", False),
        ("Parisian", "Paris", False),
        ("The capital is not Paris but London.", "Paris", False),
        ("London", "Paris", False),
        ("The answer is London. Paris is nice.", "Paris", False),
        ("Рaris", "Paris", False),
        ("New York City", "New York", False),
    ],
)
def test_a_text_answer_is_right_only_when_it_says_what_is_expected(answer: str, expected: str, right: bool) -> None:
    given = final_text(answer)
    assert given is not None
    assert says(given, expected) is right


@pytest.mark.parametrize("answer", ["", "   ", "I don't know.", "I'm sorry, but I can't help with that."])
def test_an_empty_answer_or_a_refusal_gives_no_text(answer: str) -> None:
    assert final_text(answer) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("red, green and blue", {"red", "green", "blue"}),
        ("- red\n- green", {"red", "green"}),
        ("* red\n* green", {"red", "green"}),
        ("1. red\n2. green", {"red", "green"}),
        ('["red", "green"]', {"red", "green"}),
        ("The colours are: red; green", {"red", "green"}),
        ("Final answer: red, green", {"red", "green"}),
        ("{2, 3, 5}", {"2", "3", "5"}),
        ("rouge et vert", {"rouge", "vert"}),
        ("red", {"red"}),
    ],
)
def test_a_list_is_read_as_a_set_of_items(answer: str, expected: set[str]) -> None:
    assert items(answer) == expected


def test_short_answers_compare_without_case_articles_and_outer_punctuation() -> None:
    assert bare(" The  Beatles! ") == bare("beatles")
    assert bare("beatles") != bare("beetles")
    assert bare("the") == "the"
    assert fold("Straße") == "strasse"


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a*)*b", "((a+)b*)+", r"(\w+\s?)*$", "(?:x+){2,}", "(?P<n>a+)*", "([a-z]+)+?"]
)
def test_a_repetition_of_a_repetition_is_refused(pattern: str) -> None:
    with pytest.raises(ArgumentError, match="repeats a repetition"):
        compile_safely(pattern, ignore_case=False)


@pytest.mark.parametrize(
    "pattern", ["(a+)", "(?>a+)+", "(?:a+)++", "(a{3})+", r"\(a+\)+", "[(a+)]+", "(a+){3}", "a+b+", "(ab)+c*"]
)
def test_a_flat_or_possessive_repetition_is_accepted(pattern: str) -> None:
    assert isinstance(compile_safely(pattern, ignore_case=False), re.Pattern)


@pytest.mark.parametrize("pattern", ["(", "[a", "a{2,1}", "*", "(?P<a>x)(?P<a>y)"])
def test_a_broken_regex_is_named(pattern: str) -> None:
    with pytest.raises(ArgumentError, match="not valid"):
        compile_safely(pattern, ignore_case=False)


def test_a_very_long_answer_is_searched_at_both_ends() -> None:
    pattern = compile_safely("needle", ignore_case=False)
    padding = "x" * SEARCH_LIMIT * 2
    assert found_in(pattern, "needle" + padding)
    assert found_in(pattern, padding + "needle")
    assert not found_in(pattern, padding + "needle" + padding)
