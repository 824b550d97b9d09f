"""Text and tables keep to the width of the terminal, and lose no word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import width as width_of

from insideLLMs.report.drawing import DrawnTable, StyledText, draw

CELLS = st.text(st.sampled_from("ab  é\n日本→…") | st.characters(categories=["L", "N", "P"]), max_size=60)


def letters(text):
    return [letter for letter in text if not letter.isspace()]


def test_columns_line_up_and_nothing_trails():
    table = DrawnTable("probe", "passed")
    table.add_row("logic", "4/4")
    table.add_row("x", StyledText("0/4", "red"))
    assert draw([table], width=40) == "probe  passed\nlogic  4/4\nx      0/4"


def test_the_widest_column_gives_way_and_breaks_between_words():
    grid = DrawnTable()
    grid.add_row("answer", "one two three four")
    assert draw([grid], width=16).splitlines() == ["answer  one two", "        three", "        four"]


def test_a_word_that_is_too_long_is_folded():
    assert draw([StyledText("abcdefghij k")], width=4).splitlines() == ["abcd", "efgh", "ij k"]


def test_what_does_not_fit_goes_on_below_the_beginning_of_its_line():
    assert draw([StyledText("  one two three")], width=9).splitlines() == ["  one two", "  three"]


def test_wide_letters_take_two_columns_and_marks_none():
    assert draw([StyledText("日本")], width=4) == "日本"
    assert draw([StyledText("e\u0301e\u0301 e")], width=4) == "e\u0301e\u0301 e"
    assert draw([StyledText("日本日")], width=4).splitlines() == ["日本", "日"]


def test_a_letter_made_of_several_is_not_broken():
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert draw([StyledText(f"{family}{family}")], width=2).splitlines() == [family, family]


def test_a_style_goes_on_where_its_piece_is_broken():
    text = StyledText("a ", "bold")
    text.append("bb cc", "red")
    assert draw([text], width=4, color=True).splitlines() == [
        "\x1b[1ma \x1b[0m\x1b[31mbb\x1b[0m",
        "\x1b[31mcc\x1b[0m",
    ]


@pytest.mark.hypothesis
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=4), st.integers(20, 60))
def test_every_letter_of_a_table_is_shown_within_the_width(rows, width):
    table = DrawnTable("one", "two", "three")
    for row in rows:
        table.add_row(*row)
    shown = draw([table], width=width)
    assert max(map(width_of, shown.split("\n"))) <= width
    assert sorted(letters(shown)) == sorted(letters("onetwothree" + "".join("".join(row) for row in rows)))
