"""Two versions of a text as hunks that can be applied one by one."""

import itertools

import pytest

from insideLLMs.compare.blame.hunks import MOST_HUNKS, Hunks

BEFORE = "You help customers. Answer in one word.\nBe polite.\nNever guess."
AFTER = "You help customers. Answer in one sentence.\nBe polite.\nNever ever guess.\nThank them."


def test_sentences_that_differ_are_hunks_and_others_are_not():
    assert [tuple(text.strip() for text in hunk) for hunk in Hunks.of(BEFORE, AFTER).hunks] == [
        ("Answer in one word.", "Answer in one sentence."),
        ("Never guess.", "Never ever guess."),
        ("", "Thank them."),
    ]


def test_no_hunk_is_the_first_version_and_all_are_the_second():
    found = Hunks.of(BEFORE, AFTER)
    assert found.mixed(()) == BEFORE
    assert found.mixed({0, 1, 2}) == AFTER


def test_one_hunk_changes_nothing_else():
    assert Hunks.of(BEFORE, AFTER).mixed({0}) == BEFORE.replace("word", "sentence")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "One. Two."),
        ("One. Two.", ""),
        ("One. Two.", "Two. One."),
        ("a\n\nb\n", "a\nb\n"),
        ("no full stop", "another text entirely"),
        ("Only this differs. ", "Only this differs."),
        ("{% if a %}Yes.{% endif %} Bye.", "{% if b %}Yes. No.{% endif %} Bye now."),
        ("\n".join(f"Rule {n}." for n in range(99)), "\n".join(f"Rule {n}!" for n in range(99))),
        ("x " * 5000, "y. " * 5000),
        ("Grüße.\u2028Ende.", "Grüsse.\u2028Ende!"),
    ],
)
def test_every_mixture_is_text_and_both_ends_are_what_was_given(before, after):
    found = Hunks.of(before, after)
    count = len(found.hunks)
    assert count <= MOST_HUNKS
    assert found.mixed(()) == before
    for applied in itertools.islice(itertools.combinations(range(count), 1), 30):
        assert isinstance(found.mixed(applied), str)
    assert found.mixed(range(max(count, 1))) == after


def test_a_template_with_statements_is_one_hunk_as_half_an_if_cannot_be_filled():
    assert len(Hunks.of("{% if a %}A.\n{% endif %}B.", "{% if a %}C.\n{% endif %}D.").hunks) == 1


def test_a_sentence_that_stood_last_gets_a_space_before_another():
    found = Hunks.of("Classify it well. Use one word.", "Classify it.")
    assert found.mixed({0}) in {"Classify it. Use one word.", "Classify it well. Use one word."}
    assert "it.Use" not in found.mixed({0}) + found.mixed({1})


def test_a_hunk_is_shown_as_a_diff_of_words():
    assert Hunks.of(BEFORE, AFTER).in_words(0) == "Answer in one [-word-]{+sentence+}."
    assert Hunks.of(BEFORE, AFTER).in_words(2) == "{+Thank them.+}"
