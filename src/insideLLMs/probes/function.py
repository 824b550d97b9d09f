"""A check of one's own, as a function named in the experiment file."""

from collections.abc import Callable
from typing import Any, ClassVar

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import Example, Response, Scores
from insideLLMs.probes.base import as_scores
from insideLLMs.probes.check import CheckProbe


class FunctionProbe(CheckProbe):
    """Score answers with a function: ``checks.py:is_polite`` beside the experiment file, or ``package.module:name``.

    It is called as ``function(text, example)``: the answer's text and the Example, whose `input`, `expected` and
    `fields` it may read. It returns a bool, a number, or a mapping such as ``{"correct": True, "tone": 0.8}``.
    A file's digest is part of the run's identity. Scores other than from 0 to 1 need a probe class of your own.
    """

    kind = "function"
    needs_expected = False
    scores_in_place: ClassVar[bool] = False  # it is the user's code
    references: ClassVar[tuple[str, ...]] = ("function",)

    def __init__(
        self, name: str | None = None, *, function: Callable[[str, Example], Any], template: str | None = None
    ) -> None:
        super().__init__(name, "Whatever the function checks.", template)
        if not callable(function):
            raise ArgumentError(
                f"probe function: function is {function!r}", fix="name one, e.g. checks.py:is_polite, or pass one"
            )
        self.function = function

    def score(self, example: Example, response: Response) -> Scores:
        """Call the function, with empty answers, too."""
        return self.check(example, response.text)

    def check(self, example: Example, answer: str) -> Scores:
        """Call the function and type what it returns."""
        return as_scores(self.function(answer, example), probe=self.name)
