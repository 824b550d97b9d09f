"""Ways in which models give a number; each row is an answer and the number that it gives, exactly."""

import pytest

from insideLLMs.scoring.extract import number
from insideLLMs.scoring.numeric import quantity_of, same_number

ANSWERS = [
    ("42", "42"),
    ("42.", "42"),
    ("The answer is 42.", "42"),
    ("-5", "-5"),
    ("−5", "-5"),
    ("minus five", "-5"),
    ("Negative 5", "-5"),
    ("1,234", "1234"),
    ("1,234.5", "1234.5"),
    ("1.234,56", "1234.56"),
    ("12,34,567", "1234567"),
    ("1 234 567", "1234567"),
    ("1 234", "1234"),
    ("3.14", "3.14"),
    ("3,14", "3.14"),
    (".5", "0.5"),
    ("0.5", "0.5"),
    ("1/2", "0.5"),
    ("1 1/2", "1.5"),
    ("½", "0.5"),
    ("1½", "1.5"),
    ("\\frac{1}{2}", "0.5"),
    ("$\\frac{3}{4}$", "0.75"),
    ("\\boxed{42}", "42"),
    ("\\boxed{\\frac{1}{3}}", "1/3"),
    ("\\boxed{1{,}234}", "1234"),
    ("$1,200.50", "1200.5 $"),
    ("€5", "5 €"),
    ("5 €", "5 €"),
    ("50%", "50%"),
    ("50 percent", "50%"),
    ("\\boxed{50\\%}", "50%"),
    ("5 km", "5 km"),
    ("5 kilometres", "5 km"),
    ("5 apples", "5"),
    ("3e8", "300000000"),
    ("3 × 10^8", "300000000"),
    ("3 \\times 10^{8}", "300000000"),
    ("1.5e-3", "0.0015"),
    ("10^2", "100"),
    ("10²", "100"),
    ("2^10", "1024"),
    ("#### 42", "42"),
    ("6 * 7 = 42", "42"),
    ("The answer is 6*7 = 42", "42"),
    ("x = 5", "5"),
    ("x=-5", "-5"),
    ("x = 5 or x = -5", None),
    ("5 or 6", None),
    ("between 3 and 5", None),
    ("3-5", None),
    ("3 to 5", None),
    ("3–5", None),
    ("The answer is 3-5.", None),
    ("2√3", None),
    ("2\\sqrt{3}", None),
    ("\\boxed{\\sqrt{2}}", None),
    ("5x", None),
    ("2π", None),
    ("2\\pi", None),
    ("H2O", None),
    ("12/25/2020", None),
    ("3:30", None),
    ("1.2.3", None),
    ("", None),
    ("I don't know.", None),
    ("I cannot answer 5 questions", None),
    ("five", "5"),
    ("forty-two", "42"),
    ("one hundred and five", "105"),
    ("two and a half", "2.5"),
    ("three quarters", "0.75"),
    ("The answer is seven.", "7"),
    ("The answer is one of these", None),
    ("five million", "5000000"),
    ("5 million", "5000000"),
    ("5k", "5000"),
    ("1.2 billion dollars", "1200000000 $"),
    ("There are 12 apples and she gives away 5, leaving 7.", "7"),
    ("She has 7 left out of 12.", "7"),
    ("1. First add 2 and 3.\n2. That gives 5.\n\nSo the answer is 5.", "5"),
    ("Step 1: 3+4 = 7\nStep 2: 7*2 = 14", "14"),
    ("42. That's because 6*7=42", "42"),
    ("Therefore, she pays $18.", "18 $"),
    ("**42**", "42"),
    ("42", "42"),
    ("٤٢", "42"),
    ("The total is 1,000,000.", "1000000"),
    ("答案是42。", "42"),
    ("Ответ: 42", "42"),
    ("La respuesta es 42", "42"),
    ("Die Antwort ist 42", "42"),
    ("答えは42です", "42"),
    ("정답은 42입니다", "42"),
    ("The answer is not 42.", None),
    ("It is not 42.", None),
    ("approximately 3.14", "3.14"),
    ("~3.14", "3.14"),
    ("1e999999", None),
    (
        "99999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999",
        None,
    ),
    ("The answer is 5 apples out of 10", "5"),
    ("(5)", "5"),
    ("5th", "5"),
    ("1,2,3", None),
    ("1, 2, 3", None),
    ("The answer is 5!", "5"),
    ("#5", "5"),
    ("5°C", "5 °c"),
    ("90°", "90 °"),
    ("$90^\\circ$", "90 °"),
    ("5 m/s", "5 m/s"),
    ("60 km/h", "60 km/h"),
    ("- 5", "-5"),
    ("infinity", None),
    ("NaN", None),
    ("Final answer: 12\n\nNote: 13 is unlucky.", "12"),
    ("1 kg", "1 kg"),
    ("USD 500", "500 $"),
    ("-$5", "-5 $"),
    ("$-5$", "-5"),
    ("1'000", "1000"),
    ("1_000", "1000"),
    ("9007199254740993", "9007199254740993"),
    ("The sum of 2 and 3 is 5", "5"),
    ("2 + 3 = 5", "5"),
    ("2+3", None),
    ("The answer is 2+3", None),
    ("The answer is 12 (twelve)", "12"),
    ("12 cm^2", "12 cm^2"),
    ("12 cm²", "12 cm^2"),
    ('{"answer": 42}', "42"),
    ("<answer>42</answer>", "42"),
    ("Of 10, 20 and 30 I like them", None),
]


@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
def test_an_answer_gives_one_number_or_none(answer: str, expected: str | None) -> None:
    found = number(answer)
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize(
    ("answer", "expected", "same"),
    [
        ("50%", 0.5, True), ("50%", 50, True), ("0.5%", 0.5, False), ("0.5", "50%", True), ("50", "50%", True),
        ("5 km", "5000 m", True), ("5 miles", "5 km", False), ("5", "5 km", True), ("5 kg", "5 km", False),
        ("$5", "5", True), ("$5", "€5", False), ("1/3", 1 / 3, True), ("0.333", 1 / 3, False), ("-5", 5, False),
        ("9007199254740993", 9007199254740992, False), ("0.1", 0.1, True), ("1,000", 1000, True),
        ("90 minutes", "1.5 h", True),
        ("5 m/s", "18 km/h", True), ("1e3", 1000, True),
    ],
)  # fmt: skip
def test_numbers_are_the_same_across_notation_and_units(answer: str, expected: object, same: bool) -> None:
    given, wanted = number(answer), quantity_of(expected)
    assert given is not None
    assert wanted is not None
    assert same_number(given, wanted) is same


def test_a_tolerance_is_absolute_or_relative() -> None:
    given, wanted = number("3.1"), quantity_of(3)
    assert given is not None
    assert wanted is not None
    assert not same_number(given, wanted)
    assert same_number(given, wanted, tolerance=0.1000001)
    assert same_number(given, wanted, relative_tolerance=0.04)
    assert not same_number(given, wanted, relative_tolerance=0.03)


@pytest.mark.parametrize("expected", [True, None, [1], float("nan"), float("inf"), "cat", "1 or 2"])
def test_what_is_no_number_has_no_quantity(expected: object) -> None:
    assert quantity_of(expected) is None
