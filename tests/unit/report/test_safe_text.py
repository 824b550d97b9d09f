"""What a model wrote cannot act on a terminal, a page or a reader's eye."""

import pytest

from insideLLMs.report.safe_text import printable, shorten
from support.hostile_texts import HOSTILE


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode, 漢字, עברית", "plain, ünïcode, 漢字, עברית"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\u202e", r"\u202e"),
        ("\U000e0041", r"\U000e0041"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("non\u00a0breaking", "non\u00a0breaking"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_does_not_print_becomes_a_visible_escape(text, shown):
    assert printable(text) == shown


def test_newlines_and_tabs_are_kept_on_request_and_all_line_ends_become_newlines():
    assert printable("a\r\nb\rc\u2028d\te\x1b", keep_newlines=True) == "a\nb\nc\nd\te\\x1b"


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_unprintable_is_left_of_any_hostile_text(text):
    kept = set("\u200c\u200d\u00a0\u202f\u3000")
    assert all(character.isprintable() or character in kept for character in printable(text))
    assert all(line.isprintable() for line in printable(text, keep_newlines=True).split("\n"))


def test_a_text_that_is_cut_says_so():
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abc", 3) == "abc"
