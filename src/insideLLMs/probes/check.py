"""The base of the plain checks, which compare the answer with what is expected, and the check by your own function."""

import inspect
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from insideLLMs.core.chat_template import prompt_template
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import Example, JsonValue, Request, Response, Scores
from insideLLMs.probes.answer_parts import find_part, why_empty
from insideLLMs.probes.base import as_scores
from insideLLMs.scoring.json_values import Unparsed
from insideLLMs.scoring.normalise import is_blank

READINGS = ("whole", "final")
"""How much of an answer is compared: all of it, or the final answer that its prose comes to."""


class CheckProbe(PromptProbe):
    """Check one answer at a time; an empty one passes nothing.

    `template` is the prompt, with ``{{ question }}`` and the example's fields: one text, or a list of messages.
    """

    kind: ClassVar[str]
    version: ClassVar[str] = "1"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"correct": (0, 1)}
    scores_in_place: ClassVar[bool] = True
    needs_expected: ClassVar[bool] = True

    def __init__(self, name: str | None, description: str, template: JsonValue) -> None:
        super().__init__(name or self.kind, self.kind, description)
        self.template = template
        self._template = prompt_template(self.kind, template)

    def request(self, example: Example) -> Request:
        """Ask the example's input, or the template."""
        return self._template.request(example) if self._template is not None else example.request()

    def check_example(self, example: Example) -> str | None:
        """Say what keeps this example from being scored."""
        if self.needs_expected and not example.expected:
            return "nothing is expected; give it `expected` (or answer, ideal, reference)"
        if self._template is not None:
            self._template.check(example)
        return self.complaint(example)

    def complaint(self, example: Example) -> str | None:
        """Say what else this kind of check misses in an example."""
        del example  # named for those who override
        return None

    def score(self, example: Example, response: Response) -> Scores:
        """Check the answer's text."""
        if is_blank(response.text):
            return self.failed(why_empty(response))
        return self.check(example, response.text)

    def failed(self, why: str) -> Scores:
        """Return the worst scores, for an answer that gives nothing to compare; none where the worst has no end."""
        values = {name: worst for name, (worst, _) in self.score_ranges.items() if math.isfinite(worst)}
        return Scores(values=values, passed=False, explanation=why)

    @abstractmethod
    def check(self, example: Example, answer: str) -> Scores:
        """Score an answer that is not empty."""


class FunctionProbe(CheckProbe):
    """Score answers with a function: ``checks.py:is_polite`` beside the experiment file, or ``package.module:name``.

    It is called as ``function(text, example)``: the answer's text (with `of`, that part of the answer, a JSON value)
    and the Example, whose `input`, `expected` and `fields` it may read. A function with a third parameter is also given
    the Response, with `reasoning`, `tool_calls` and all parts, which the model was told to `keep`. It returns a bool, a
    number, or a mapping such as ``{"correct": True, "tone": 0.8}``. A file's digest is part of the run's identity.
    Scores other than from 0 to 1 need a probe class of your own.
    """

    kind = "function"
    needs_expected = False
    scores_in_place: ClassVar[bool] = False  # it is the user's code
    references: ClassVar[tuple[str, ...]] = ("function",)
    open_scores: ClassVar[bool] = True
    reads_part: ClassVar = "itself"

    def __init__(
        self,
        name: str | None = None,
        *,
        function: Callable[..., Any],
        template: JsonValue = None,
    ) -> None:
        super().__init__(name, "Your own check, as a function.", template)
        if not callable(function):
            raise ArgumentError(
                f"probe function: function is {function!r}", fix="name one, e.g. checks.py:is_polite, or pass one"
            )
        self.function = function
        self._takes_response = _positional(function) >= len(("text", "example", "response"))

    def score(self, example: Example, response: Response) -> Scores:
        """Call the function, with empty answers, too, and type what it returns."""
        answered: JsonValue = response.text
        if self.of is not None:
            found = find_part(response.kept, self.of)
            if isinstance(found, Unparsed):
                return self.failed(found.why)
            answered = found.value
        further = (response,) if self._takes_response else ()
        return as_scores(self.function(answered, example, *further), probe=self.name)

    def lacking(self, example: Example, response: Response) -> str | None:
        """Say that the part is not there that the function is to read."""
        del example  # it is the same for all
        found = None if self.of is None else find_part(response.kept, self.of)
        return found.why if isinstance(found, Unparsed) else None

    def check(self, example: Example, answer: str) -> Scores:
        """Call the function with a text alone."""
        return self.score(example, Response(text=answer))


def _positional(function: Callable[..., Any]) -> int:
    """Count the positional parameters of a function that have no default; 0 where they cannot be told."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 0
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in kinds and one.default is one.empty for one in parameters)
