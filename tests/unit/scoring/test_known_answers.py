"""Answers as models write them, with what a careful person takes each of them to say.

`known_answers.jsonl` has one a line: its kind, the reader it is for, the answer, and what it gives (null: nothing), or
under `not` what it must not be taken to say. The choices are those of CHOICES, the texts answer QUESTION.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from insideLLMs.scoring.final_answer import Options, choice, final_text, items, number, says, yes_no
from support.answer_grammar import build
from support.answer_reading import outcome

CHOICES = Options({"A": "Paris", "B": "Rome", "C": "Berlin", "D": "Madrid"})
QUESTION = "What is the capital of France?"
ROWS = [
    json.loads(line) for line in Path(__file__).with_name("known_answers.jsonl").read_text("utf-8").splitlines() if line
]


def given(row: dict[str, Any]) -> object:
    """Return what the row's reader makes of its answer; for a text, whether it is the expected one."""
    answer = row["answer"]
    match row["reads"]:
        case "choice":
            return choice(answer, CHOICES)
        case "number":
            found = number(answer)
            return None if found is None else str(found)
        case "yes_no":
            return yes_no(answer)
        case "set":
            listed = items(answer)
            return None if listed is None else sorted(listed)
    text, expected = final_text(answer), row.get("gives", row.get("not"))
    return expected if text is not None and expected is not None and says(text, expected, QUESTION) else None


@pytest.mark.parametrize("kind", sorted({row["kind"] for row in ROWS}))
def test_an_answer_is_read_as_a_careful_person_reads_it(kind: str) -> None:
    wrong = [(row, got) for row in ROWS if row["kind"] == kind and (got := given(row)) != row.get("gives")]
    assert wrong == []


def test_paraphrases_are_hardly_ever_read_as_another_verdict() -> None:
    built = list(build(1200, seed=7))
    outcomes = [outcome(one) for one in built]
    other = [one for one, found in zip(built, outcomes, strict=True) if found == "other"]
    assert len(other) <= 2, other
    assert outcomes.count("unread") <= 0.03 * len(built)
