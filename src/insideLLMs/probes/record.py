"""Answers kept as they are, without a verdict: to read them, and to see later whether they changed."""

from typing import ClassVar

from insideLLMs.core.chat_template import prompt_template
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import Example, JsonValue, Request, Response, Scores


class RecordProbe(PromptProbe):
    """Record answers without scoring them: there is no verdict, no pass rate, and nothing red or green of it.

    `diff` compares the texts (`--fail-on changes`, `churn` or `drift`).
    """

    scores_in_place: ClassVar[bool] = True

    def __init__(self, name: str | None = None, *, template: JsonValue = None) -> None:
        super().__init__(name or "record", "record", "Answers as they are, not scored.")
        self.template = template
        self._template = prompt_template("record", template)

    def request(self, example: Example) -> Request:
        """Ask the example's input, or the template."""
        return self._template.request(example) if self._template is not None else example.request()

    def check_example(self, example: Example) -> str | None:
        """Say what the template lacks."""
        if self._template is not None:
            self._template.check(example)
        return None

    def score(self, example: Example, response: Response) -> Scores:
        """Score nothing."""
        del example, response  # the signature is every probe's
        return Scores(values={}, explanation="recorded, not scored")
