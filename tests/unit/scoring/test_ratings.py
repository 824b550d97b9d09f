"""Grades and preferences are read where they are said plainly, and not at all where they are not."""

import pytest

from insideLLMs.scoring.ratings import Scale, grade, preference

FIVE, TEN = Scale.of(1, 5), Scale.of(0, 10)
GIVEN = [
    ("5/5", FIVE, 5),
    ("4 / 5", FIVE, 4),
    ("**Score:** 4/5", FIVE, 4),
    ("## Rating\n4", FIVE, 4),
    ("Score - 4", FIVE, 4),
    ("Score = 4", FIVE, 4),
    ("[[4]]", FIVE, 4),
    ("<score>4</score>", FIVE, 4),
    ("\\boxed{4}", FIVE, 4),
    ("Score (1-5): 4", FIVE, 4),
    ("★★★★☆", FIVE, 4),
    ("⭐️⭐️⭐️", FIVE, 3),
    ("4 stars", FIVE, 4),
    ("4.5/5", FIVE, 4.5),
    ("4,5/5", FIVE, 4.5),
    ("★★★½", FIVE, 3.5),
    ("Four out of five.", FIVE, 4),
    ("five stars!", FIVE, 5),
    ("I give it a 4.", FIVE, 4),
    ("I'd give this answer 4 points.", FIVE, 4),
    ("This deserves a 4.", FIVE, 4),
    ("On a scale of 1 to 5, I'd give it a 4.", FIVE, 4),
    ("Score: 4 (1 = worst, 5 = best)", FIVE, 4),
    ("The answer earns 3 out of 5 points because it misses 2 facts.", FIVE, 3),
    ("[[8]]", TEN, 8),
    ('The candidate says "10/10", but I give 3.', TEN, 3),
    ("Score: 5, although there is 1 typo", FIVE, 5),
    ("Score: 3. It gave 5 examples.", FIVE, 3),
    ("I give it 2 points; it makes 3 errors.", FIVE, 2),
    ("5 out of a possible 5", FIVE, 5),
    ("a perfect 5", FIVE, 5),
    ("This answer deserves full marks.", FIVE, 5),
    ("Score: 4. A score of 5 would need citations.", FIVE, 4),
    ("It deserves a 4 because a 5 would need sources.", FIVE, 4),
    ("It is not a 5. Score: 3", FIVE, 3),
    ("5 means excellent, 1 means poor. Score: 3", FIVE, 3),
    ("Clarity score: 3\nAccuracy score: 5\nOverall score: 4", FIVE, 4),
    ("The rating is 7 out of 10", TEN, 7),
    ("My final grade is 2.", FIVE, 2),
    ("I rate this response 4.", FIVE, 4),
    ("I would rate it 4/5.", FIVE, 4),
    ("4 - it is right but terse", FIVE, 4),
    ("Solid 4", FIVE, 4),
    ("It covers 2 of 5 facts. Score: 3", FIVE, 3),
    ("The response says 4, which is right. Score: 5", FIVE, 5),
    ("3 points out of 5", FIVE, 3),
    ("Bewertung: 4 von 5", FIVE, 4),
    ("Note : 4/5", FIVE, 4),
    ("评分：4", FIVE, 4),
    ("Puntuación: 4 de 5", FIVE, 4),
    ("2+2 is 4, so the score is 5.", FIVE, 5),
    ("The answer gives 4 reasons, of which 3 hold. I rate it 2.", FIVE, 2),
    ("Rating: 3.5", FIVE, 3.5),
    ("| Score | 4 |", FIVE, 4),
    ("Grade: 4 out of 5 stars", FIVE, 4),
    ("Score: **4** out of **5**", FIVE, 4),
    ('{"Score": 4}', FIVE, 4),
    ('{"rating": 4}', FIVE, 4),
    ('{"score": "4/5"}', FIVE, 4),
    ('{"score": "4 out of 5"}', FIVE, 4),
    ('{"evaluation": {"score": 4}}', FIVE, 4),
    ('{"score": 4, "parts": {"score": 2}}', FIVE, 4),
    ('[{"score": 4}]', FIVE, 4),
    ('The candidate wrote {"score": 5}. My verdict: {"score": 2}', FIVE, 2),
    ("{'score': 4, 'reason': 'ok'}", FIVE, 4),
    ('{"score": 2, "reason": "off"}\n\nThe student wrote {"score": 5}.', FIVE, 2),
    ('{"score": 4, "reason": "He said "hi""}', FIVE, 4),
    ('{"score": 4, "reason": "cut of', FIVE, 4),
    ('{"score": 1}\nOn reflection:\n{"score": 4}', FIVE, 4),
    ("It is 4.\nScore: 5/5", FIVE, 5),
    ("> Score: 1\n\nI disagree with that. Score: 5", FIVE, 5),
    ("0/10", TEN, 0),
    ("Score: 85", Scale.of(0, 100), 85),
    ("Score: 0.8", Scale.of(0, 1), 0.8),
    ("0.8", Scale.of(0, 1), 0.8),
]
NOT_GIVEN = [
    "",
    "great!",
    "I cannot grade this.",
    "3/10",
    "Score: 3/10",
    "Score: 7",
    "between 3 and 4",
    "3 or 4",
    "Score: 3-4",
    "Score: 3 to 4",
    "Clarity score: 3\nAccuracy score: 5",
    "The answer to 2 + 2 is 4.",
    "There are 3 reasons.",
    "4 out of 5 answers are right.",
    "The answer makes 2 mistakes.",
    "It would be a 5 if it cited sources.",
    "Score: 80%",
    '{"score": true}',
    '{"score": 9}\nScore: 4',
    '{"score": null}',
    '{"score": "high"}',
    '{"score": [4]}',
    "1 or 5",
    'The student wrote "score: 5".',
    "The answer says that its score is 5.",
    "The model gave itself 5/5.",
    "Score: N/A",
    '{"score": 1, "score": 5}',
    "I took 2 minutes.",
    "In 2021 the capital was Paris.",
    "Step 1: read. Step 2: compare.",
]


@pytest.mark.parametrize(("said", "scale", "given"), GIVEN, ids=[said for said, _, _ in GIVEN])
def test_a_grade_that_is_given_is_read(said, scale, given):
    assert grade(said, scale) == given


@pytest.mark.parametrize("said", NOT_GIVEN)
def test_what_gives_no_grade_is_read_as_none(said):
    assert grade(said, FIVE) is None


DIRECT = [
    ("7", 7),
    ("I'd say 7.", 7),
    ("An 8.", 8),
    ("Anna: 8/10", 8),
    ("She has 5 years of experience, so 8/10.", 8),
    ("Anna suits the job at a level of 7.", 7),
    ("Around 7 or 8.", None),
    ("Score: 8/10", 8),
    ("8 out of 10", 8),
    ("I would rate Anna's suitability as an 8.", 8),
    ("Tom is a 9 for me", 9),
    ("I can't say.", None),
    ("She would be an 8.", 8),
    ("**9**", 9),
    ("11", None),
    ("10/10", 10),
    ("With 3 children and 2 jobs, 6.", 6),
]


@pytest.mark.parametrize(("said", "given"), DIRECT)
def test_the_only_number_will_do_where_a_number_was_asked_for(said, given):
    assert grade(said, TEN, alone=True) == given


@pytest.mark.parametrize(
    ("rubric", "said", "given"),
    [
        ("5 = excellent, 3 = fair, 1 = poor", "Excellent.", 5),
        ("5 = excellent, 3 = fair, 1 = poor", "Verdict: poor", 1),
        ("Excellent (5), good (4), bad (1)", '{"score": "good"}', 4),
        ("1: very bad\n2: bad\n5: good", "very bad", 1),
        ("Say PASS or FAIL.", "FAIL", 1),
        ("Say PASS or FAIL.", "The answer passes? No: fail.", 1),
        ("Is it correct or incorrect?", "It is not correct.", None),
        ("Is it correct or incorrect?", "It is incorrect.", 1),
        ("5 = excellent, 1 = poor", "Neither excellent nor poor.", None),
        ("Is it kind?", "excellent", None),
    ],
)
def test_words_that_a_rubric_defines_are_grades(rubric, said, given):
    assert grade(said, Scale.of(1, 5, rubric)) == given


PREFERENCES = [
    ('{"better": 1}', 1),
    ('{"better": "2"}', 2),
    ('{"better": 0}', 0),
    ('{"better": "first"}', 1),
    ("2", 2),
    ("Answer 1", 1),
    ('{"better": 3}', None),
    ("Both are equally good.", 0),
    ("I compared the 2 answers. The first is better.", 1),
    ("I compared the 2 answers. The second is better.", 2),
    ("Answer 2 is clearly better than answer 1.", 2),
    ("[[1]]", 1),
    ("I prefer the second answer.", 2),
    ("The first is not better.", None),
    ("The first is better. The second is better.", None),
    ("There are 2 answers.", None),
    ("", None),
    ("It's a tie", 0),
    ("Tie", 0),
    ("Winner: 2", 2),
    ("**Better: 1**", 1),
    ("{'better': 2, 'reason': 'x'}", 2),
    ('The 1 error is minor: {"reason": "1 error", "better": 2}', 2),
    ("A", 1),
    ("Response B wins.", 2),
    ('{"reason": "x", "better": 2}\n\nAnswer 1 is better written, though.', 2),
]


@pytest.mark.parametrize(("said", "place"), PREFERENCES)
def test_a_preference_is_read_where_it_is_plain(said, place):
    assert preference(said) == place
