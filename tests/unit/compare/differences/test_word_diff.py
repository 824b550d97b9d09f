"""A word diff says exactly what was removed and added."""

from insideLLMs.compare.differences.word_diff import word_diff


def sides(segments):
    before = "".join(text for kind, text in segments if kind in {"same", "removed"})
    after = "".join(text for kind, text in segments if kind in {"same", "added"})
    return before, after


def test_a_changed_word_is_shown_in_its_sentence():
    assert word_diff("It is Paris, I think.", "It is Lyon, I think.") == (
        ("same", "It is "),
        ("removed", "Paris"),
        ("added", "Lyon"),
        ("same", ", I think."),
    )


def test_both_texts_can_be_read_back_from_the_diff():
    before, after = "one two three four", "one 2 three, four five"
    assert sides(word_diff(before, after)) == (before, after)


def test_texts_that_share_little_are_not_mixed():
    assert word_diff("Paris", "I cannot answer that question") is None


def test_a_long_common_stretch_is_left_out():
    long = "word " * 500
    diff = word_diff(long + "a", long + "b")
    assert ("gap", " … ") in diff
    assert len("".join(text for _, text in diff)) < 200


def test_long_texts_that_differ_throughout_are_not_compared_word_by_word():
    before = " ".join(f"a{n}" for n in range(50_000))
    after = " ".join(f"b{n}" for n in range(50_000))
    assert word_diff(before, after) is None


def test_empty_texts_have_a_diff_or_none_but_no_error():
    assert word_diff("", "") == ()
    assert word_diff("", "x") is None
