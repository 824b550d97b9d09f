"""Final answers: what an answer, as prose, comes to; None where it comes to nothing."""

from insideLLMs.scoring.extract.choice import Options, choice
from insideLLMs.scoring.extract.free_text import final_text, items, says
from insideLLMs.scoring.extract.number import Quantity, number, parse_number
from insideLLMs.scoring.extract.yes_no import is_verdict, polarity_of, yes_no

__all__ = [
    "Options", "Quantity", "choice", "final_text", "is_verdict", "items", "number", "parse_number", "polarity_of",
    "says", "yes_no",
]  # fmt: skip
