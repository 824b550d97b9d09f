"""What the readers of final answers make of an answer whose verdict is known."""

from typing import Literal

from insideLLMs.core.thoughts import separate
from insideLLMs.core.types import Response
from insideLLMs.scoring.final_answer import Options, choice, final_text, number, says, yes_no
from support.answer_grammar import CITIES, QUESTION, Built

LETTERED = Options({"A": "apples", "B": "bananas", "C": "cherries", "D": "dates"})


def outcome(built: Built) -> Literal["right", "other", "unread"]:
    """Say whether the answer is read as what it says, as something else, or not at all."""
    given = _READERS[built.reader](separate(Response(text=built.answer)).text)
    if given is None:
        return "unread"
    return "right" if given == built.says else "other"


def _number(answer: str) -> str | None:
    found = number(answer)
    return None if found is None else str(found.value)


def _yes_no(answer: str) -> str | None:
    found = yes_no(answer)
    return None if found is None else "yes" if found else "no"


def _text(answer: str) -> str | None:
    """Return the city that the answer is taken to say; none where several are, or none."""
    given = final_text(answer)
    said = [] if given is None else [city for city in CITIES if says(given, city, QUESTION)]
    return said[0] if len(said) == 1 else None


_READERS = {"choice": lambda answer: choice(answer, LETTERED), "number": _number, "yes_no": _yes_no, "text": _text}
