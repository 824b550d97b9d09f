"""Final answers: what an answer, as prose, comes to; None where it comes to nothing."""

from insideLLMs.scoring.final_answer.amounts import Amount
from insideLLMs.scoring.final_answer.choice import Options, choice
from insideLLMs.scoring.final_answer.free_text import final_text, items, phrases, says
from insideLLMs.scoring.final_answer.number import number, parse_number
from insideLLMs.scoring.final_answer.yes_no import is_verdict, polarity_of, yes_no

__all__ = [
    "Amount",
    "Options",
    "choice",
    "final_text",
    "is_verdict",
    "items",
    "number",
    "parse_number",
    "phrases",
    "polarity_of", "says",
    "yes_no",
]  # fmt: skip
