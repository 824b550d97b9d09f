"""Ways in which models pick an option; each row is an answer and the label that it picks."""

import pytest

from insideLLMs.scoring.final_answer import Options, choice

CAPITALS = Options.of(["London", "Paris", "Rome", "New York"])
ANSWERS = [
    ("B", "B"),
    ("B.", "B"),
    ("B.The salt dissolves", "B"),
    ("B.B.The salt dissolves", "B"),
    ("B. B.The salt dissolves", "B"),
    ("B.C.The salt dissolves", None),
    ("B.B.C.", None),
    ("A.An article goes before it, so B", "A"),
    ("(B)", "B"),
    ("[B]", "B"),
    ("B)", "B"),
    ("**B**", "B"),
    ("b", "B"),
    ("(b)", "B"),
    ("The answer is (B)", "B"),
    ("The answer is (B).", "B"),
    ("The answer is B", "B"),
    ("The answer is B.", "B"),
    ("The answer is: B", "B"),
    ("Answer: B", "B"),
    ("answer: b", "B"),
    ("B) Paris", "B"),
    ("B. Paris", "B"),
    ("B: Paris", "B"),
    ("B - Paris", "B"),
    ("option b", "B"),
    ("Option B is correct.", "B"),
    ("I choose option B", "B"),
    ("The correct option is B", "B"),
    ("The correct answer is B) Paris.", "B"),
    ("**Answer:** B", "B"),
    ("**Final Answer:**\n\nB", "B"),
    ("\\boxed{B}", "B"),
    ("$\\boxed{\\text{B}}$", "B"),
    ("\\boxed{(B)}", "B"),
    ("A good answer would be hard", None),
    ("Answer", None),
    ("A", "A"),
    ("A.", "A"),
    ("A good answer is B.", "B"),
    ("The answer is a.", "A"),
    ("The answer is A because it fits", "A"),
    ("The answer is A, London", "A"),
    ("The answer is A good one", None),
    ("I think a is nice", None),
    ("A or B", None),
    ("The answer is A or B", None),
    ("Both A and B", None),
    ("The answer is either A or B", None),
    ("The answer is A. Wait, the answer is B.", "B"),
    ("The answer is A.\nFinal answer: B", "B"),
    ("Final answer: B. The answer is not A.", "B"),
    ("The answer is not A.", None),
    ("Not A.", None),
    ("It is not option A, it is option B.", "B"),
    ("Option A is wrong. Option B is correct.", "B"),
    ("Option A and option B", None),
    ("Paris", "B"),
    ("paris.", "B"),
    ("The capital is Paris.", "B"),
    ("It's not London but Paris", "B"),
    ("Paris, not London.", "B"),
    ("London or Paris", None),
    ("It's not Paris.", None),
    ("The answer is Paris.", "B"),
    ("The answer is New York", "D"),
    ("B) London", None),
    ("The answer is B) London", None),
    ("", None),
    ("I cannot answer that.", None),
    ("I don't know.", None),
    ("选B", "B"),
    ("答案是B。", "B"),
    ("答案:B", "B"),
    ("正确答案是 B", "B"),
    ("答えはBです", "B"),
    ("정답은 B입니다", "B"),
    ("Ответ: B", "B"),
    ("Respuesta: B", "B"),
    ("La respuesta correcta es B", "B"),
    ("Die Antwort ist B.", "B"),
    ("La réponse est B", "B"),
    ("B", "B"),
    ("(B)", "B"),
    ("Ⓑ", "B"),
    ("<b>B</b>", "B"),
    ("<answer>B</answer>", "B"),
    ('{"answer": "B"}', "B"),
    ("#### B", "B"),
    ("A) London\nB) Paris\nC) Rome\nD) New York", None),
    ("A) London\nB) Paris\nC) Rome\nD) New York\n\nAnswer: B", "B"),
    ("A) London is wrong.\nB) Paris is right.\nC) no", "B"),
    ("vitamin C is good", None),
    ("Plan B", None),
    ("A+", None),
    ("Apple", None),
    ("Bob", None),
    ("E", None),
    ("Answer A is tempting, but the answer is B", "B"),
    ("Some might think the answer is A.", None),
    ("If the answer is A then fine", None),
    ("Is the answer A?", None),
    ("The answer is A?", None),
    ("B because A is wrong", "B"),
    ("B is correct", "B"),
    ("B is the right answer", "B"),
    ("The answer is B, not A", "B"),
    ("A, B", None),
    ("A/B", None),
    ("The correct answer is option (b).", "B"),
    ("My answer is B!", "B"),
    ('So, the answer is "B".', "B"),
    ("I am a model", None),
    ("Let me think. A is wrong. C is wrong. So B", "B"),
    ("B\n\nExplanation: Paris is the capital.", "B"),
    ("Explanation: Paris is the capital.\n\nB", "B"),
    ("**B) Paris**", "B"),
    ("Answer: **(B) Paris**", "B"),
    ("The best answer is B.", "B"),
    ("Among A, B, C and D, I pick (B).", "B"),
    ("C++", None),
    ("The answer is C++", None),
    ("The answer is vitamin C", None),
    ("Thus the answer: b)", "B"),
    ("The answer is b", "B"),
    ("The answer is a dog", None),
    ("It's A.", "A"),
    ("It's B", "B"),
    ("I'd go with B.", "B"),
    ("I pick B", "B"),
    ("I choose A", "A"),
    ("My choice is B.", "B"),
    ("I think it's B.", "B"),
    ("The correct choice is (B) Paris because it is the capital of France.", "B"),
    ("B) Paris is the capital of France.", "B"),
    ("It must be Paris.", "B"),
    ("Option (B)", "B"),
    ("Choice B", "B"),
    ("The right answer is Paris, France.", "B"),
    ("(B) Paris\n\nLondon is the capital of the UK.", "B"),
    ("Paris is correct.", "B"),
    ("Neither London nor Rome; Paris.", "B"),
    ("The capital of France is Paris, so the answer is B.", "B"),
    (
        "Let's eliminate: A is wrong because of X. C is wrong since it is Rome. D is wrong. Therefore B.",
        "B",
    ),
    ("Answer B", "B"),
    ("B, Paris", "B"),
    ("Of the options, B fits best.", "B"),
    ("My final answer is B: Paris", "B"),
    ("The answer would be B", "B"),
    ("Both A and B are right", None),
    ("All of them", None),
    ("None of the above", None),
    ("London and Paris", None),
    ("A or maybe B", None),
    ("Correct answer: B", "B"),
    ("Correct Answer: **B. Paris**", "B"),
    ("ANSWER: B", "B"),
    ("The answer is 'B'.", "B"),
    ("I'd choose Paris", "B"),
    ("a", "A"),
    ("Definitely A.", "A"),
    ("A: London", "A"),
    ("A man walks into a bar", None),
    ("I am going to London or Paris", None),
    ("Answer is B", "B"),
    ("答案选B", "B"),
    ("La bonne réponse est la B", "B"),
    ("Richtig ist B.", "B"),
]


@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
def test_an_answer_picks_one_option_or_none(answer: str, expected: str | None) -> None:
    assert CAPITALS is not None
    assert choice(answer, CAPITALS) == expected


@pytest.mark.parametrize(
    "choices",
    [
        ["London", "Paris"],
        ["A) London", "B) Paris"],
        {"A": "London", "B": "Paris"},
        {"label": ["A", "B"], "text": ["London", "Paris"]},
    ],
)
def test_options_are_read_in_every_spelling_of_datasets(choices: object) -> None:
    assert Options.of(choices) == Options({"A": "London", "B": "Paris"})


@pytest.mark.parametrize("choices", [None, "AB", ["one"], 5, [], {}])
def test_what_is_no_list_of_options_is_none(choices: object) -> None:
    assert Options.of(choices) is None


@pytest.mark.parametrize(
    "question",
    ["Where?\nA) London\nB) Paris", "Where? A. London B. Paris", "Where?\n(A) London\n(B) Paris"],
)
def test_options_written_into_the_question_are_found(question: str) -> None:
    assert Options.in_text(question) == Options({"A": "London", "B": "Paris"})


@pytest.mark.parametrize("question", ["Who wrote Vitamin A. Smith?", "", "A) only one", "B) C) D)"])
def test_a_question_without_options_has_none(question: str) -> None:
    assert Options.in_text(question) is None


@pytest.mark.parametrize(
    ("expected", "label"),
    [("B", "B"), ("b", "B"), ("Paris", "B"), (1, "B"), ("(B) Paris", "B"), ("X", None), (9, None)],
)
def test_an_expected_value_names_an_option_by_label_words_or_position(expected: object, label: str | None) -> None:
    assert CAPITALS is not None
    assert CAPITALS.label_for(expected) == label


def test_numbered_options_are_picked_by_their_number() -> None:
    options = Options({"1": "cat", "2": "dog"})
    assert choice("The answer is 2.", options) == "2"
    assert choice("2.5", options) is None
