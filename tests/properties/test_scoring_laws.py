"""Laws of scoring: it never raises, it is bounded in time, and chance earns nothing."""

import importlib.util
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insideLLMs.core.types import Example, Response
from insideLLMs.probes.logic import LogicProbe
from insideLLMs.scoring.constraints import FAMILIES, check_constraints, parse_constraint
from insideLLMs.scoring.final_answer import Options, choice, final_text, items, number, says, yes_no
from insideLLMs.scoring.json_values import find_json
from insideLLMs.scoring.normalise import READ_LIMIT, bare, fold, readable

CAPITALS = Options({"A": "London", "B": "Paris", "C": "Rome", "D": "New York"})
PIECES = [
    "yes", "no", "not", "true", "A", "B", "C", "D", "Paris", "London", "42", "-5", "3/4", "1,000", "50%",
    "the answer is:", "final answer", "\\boxed{", "}", "####", "(", ")", "**", "or", "and", "$", "\\frac{1}{2}",
    "=", ".", ",", "?", "\n", "-", "<think>", "</think>", "<answer>", "答案", "是", "不", "wait,", "option",
    "it isn't", "\u200b", "２", "10^2",
]  # fmt: skip
hostile = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join))
CONSTRAINTS = [
    parse_constraint(
        {
            "type": name,
            **{key: {"count": 1, "text": "de", "texts": ["x"]}[kind] for key, kind in family.required.items()},
            **({"max": 3} if family.counts else {}),
        }
    )
    for name, family in FAMILIES.items()
    if name != "response_language" or importlib.util.find_spec("lingua")  # an extra
]


@settings(max_examples=300)
@given(hostile)
def test_extraction_takes_any_text(answer: str) -> None:
    assert yes_no(answer) in {True, False, None}
    assert choice(answer, CAPITALS) in {*CAPITALS.texts, None}
    found = number(answer)
    assert found is None or str(found)
    text = final_text(answer)
    assert text is None or says(text, "x") in {True, False}
    listed = items(answer)
    assert listed is None or all(listed)
    assert isinstance(find_json(answer), object)


@settings(max_examples=150)
@given(hostile)
def test_every_constraint_takes_any_text_and_loose_forgives_what_strict_does(answer: str) -> None:
    for result in check_constraints(answer, CONSTRAINTS):
        assert result.loose or not result.strict


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert bare(fold(text)) == bare(text)
    assert readable(text) == readable(text).strip()


@given(st.integers(-(10**15), 10**15))
def test_a_number_is_read_back_with_and_without_separators(value: int) -> None:
    for answer in (f"{value}", f"{value:,}", f"The answer is {value:,}.", f"\\boxed{{{value}}}", f"x = {value}"):
        found = number(answer)
        assert found is not None
        assert found.value == value


@given(st.sampled_from("ABCD"), st.sampled_from(["{}", "({})", "{}.", "The answer is {}.", "**{}**", "\\boxed{{{}}}"]))
def test_a_letter_is_read_back_however_it_is_put(letter: str, form: str) -> None:
    assert choice(form.format(letter), CAPITALS) == letter


NONSENSE = st.lists(st.text(alphabet="bcdfghjklmpqrstvwxz", min_size=3, max_size=8), min_size=1, max_size=40).map(
    " ".join
)


@settings(max_examples=200)
@given(NONSENSE, st.sampled_from([True, False, "B", 4, "Paris"]))
def test_nonsense_never_scores_right(answer: str, expected: object) -> None:
    example = Example(id="1", input="Question?", expected=(expected,))
    assert LogicProbe().score(example, Response(text=answer)).passed is False


@pytest.mark.timeout(60)  # quadratic work on a megabyte takes hours
@pytest.mark.parametrize(
    "piece",
    ["a", " ", "7", "1,", "\\boxed{", "not ", "the answer is ", "*", "<a", "$1", "答案是", '"answer":', "1/",
     "option A ", "Paris ", "```\n", '{"a":', "\u200b"],
)  # fmt: skip
def test_a_hostile_megabyte_is_read_at_its_ends(piece: str) -> None:
    answer = piece * (1_000_000 // len(piece))
    assert len(readable(answer)) <= 2 * READ_LIMIT + 1
    yes_no(answer), number(answer), choice(answer, CAPITALS), final_text(answer), items(answer)


@pytest.mark.parametrize(
    "piece",
    [
        "The answer is 12. ",
        "If it were 12, it would be 13, but ",
        '"the answer is 5" ',
        "people think ",
        "x=1, ",
        "#### 1\n",
    ],
)
@pytest.mark.parametrize("read", [yes_no, number, lambda answer: choice(answer, CAPITALS), final_text, items])
def test_four_times_the_answer_takes_about_four_times_as_long(piece, read):
    def least(length):
        return min(_processor_time(read, piece * (length // len(piece)) + str(repeat)) for repeat in range(2))

    assert least(20_000) < 10 * least(5_000) + 0.02  # quadratic work takes sixteen times as long


def _processor_time(read, answer):
    start = time.process_time()
    read(answer)
    return time.process_time() - start
