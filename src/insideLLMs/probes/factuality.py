"""Questions of fact: right, wrong, or not answered, which are three things."""

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from insideLLMs.core.arguments import non_negative, one_of, text_list
from insideLLMs.core.types import Example, JsonValue, Scores, as_text
from insideLLMs.probes.check import CheckProbe
from insideLLMs.probes.exact import shown
from insideLLMs.scoring import final_answer
from insideLLMs.scoring.dates import agrees, claimed_dates, dates
from insideLLMs.scoring.final_answer.no_answer import gives_no_answer
from insideLLMs.scoring.mentions import claims
from insideLLMs.scoring.normalise import comparable, readable
from insideLLMs.scoring.numeric import amount_of, same_number
from insideLLMs.scoring.refusal import refuses

KINDS = ("auto", "text", "number", "date")
Finding = Literal["right", "wrong", "abstained"]

_HEDGED = re.compile(
    r"\b(?:no (?:reliable|known|definite|certain)|nobody knows|no one knows|unknown|not known|cannot know|can't know"
    r"|no record|not enough information|is not recorded|unanswerable|there is no such|does not exist|doesn't exist"
    r"|no evidence|has not been (?:determined|recorded)|hasn't been)\b"
)


class FactualityProbe(CheckProbe):
    """Ask for facts, and tell a wrong answer from one that is not given.

    The expected values are aliases, any of which is right; `wrong` (a field) lists known errors, one of which
    makes an answer wrong even beside the right one. Numbers compare within `tolerance` and `relative_tolerance`,
    dates by the parts that are expected ("1969-07" is met by 20 July 1969). `kind` is text, number or date; `auto`
    takes it from what is expected. On an example with `unanswerable: true` it is right to say that one does not
    know. An alias counts where the answer claims it as a phrase: not where it denies it, says what others say, or
    lists it among other names.

    Scores: `correct`, `wrong` and `abstained`, of which one is 1 (an unanswerable question aside).
    """

    kind = "factuality"
    version: ClassVar[str] = "4"
    default_dataset: ClassVar[str] = "data/factuality.jsonl"
    needs_expected: ClassVar[bool] = False
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        "correct": (0, 1),
        "wrong": (1, 0),
        "abstained": (1, 0),
    }

    def __init__(
        self,
        name: str | None = None,
        *,
        answer_kind: str = "auto",
        tolerance: float = 0.0,
        relative_tolerance: float = 0.0,
        template: JsonValue = None,
    ) -> None:
        super().__init__(name, "Facts: right, wrong, or not answered.", template)
        one_of(self.kind, "answer_kind", answer_kind, KINDS)
        self.answer_kind = answer_kind
        self.tolerance = non_negative(self.kind, "tolerance", tolerance)
        self.relative_tolerance = non_negative(self.kind, "relative_tolerance", relative_tolerance)

    def complaint(self, example: Example) -> str | None:
        """Say that nothing is expected, or that it cannot be read."""
        if example.fields.get("unanswerable") is True:
            return None
        if not example.expected:
            return "nothing is expected; give it `expected`, or `unanswerable: true`"
        if text_list(example.fields.get("wrong", ())) is None:
            return "`wrong` must be a list of texts"
        kind = self._kind(example)
        if kind == "number" and any(amount_of(value) is None for value in example.expected):
            return "an expected value is not a number"
        if kind == "date" and not all(dates(as_text(value)) for value in example.expected):
            return "an expected value is not a readable date; write 1969-07-20, 20 July 1969, or 1969"
        return None

    def check(self, example: Example, answer: str) -> Scores:
        """Tell right, wrong and abstained apart."""
        unanswerable = example.fields.get("unanswerable") is True
        finding: Finding = self._finding(example, answer)
        correct = finding == ("abstained" if unanswerable else "right")
        wrong = finding == "wrong" if not unanswerable else not correct
        wanted = "nobody to know" if unanswerable else " or ".join(shown(value) for value in example.expected)
        return Scores(
            values={"correct": float(correct), "wrong": float(wrong), "abstained": float(finding == "abstained")},
            passed=correct,
            label=finding,
            explanation=f"{finding}: expected {wanted}",
        )

    def failed(self, why: str) -> Scores:
        """Score an empty answer: it gives nothing, which is no error of fact."""
        return Scores(
            values={"correct": 0.0, "wrong": 0.0, "abstained": 1.0}, passed=False, label="abstained", explanation=why
        )

    def _finding(self, example: Example, answer: str) -> Finding:
        text = readable(answer)
        if example.fields.get("unanswerable") is True:
            return "abstained" if _abstains(text, answer) else "wrong"
        if self._is_right(example, answer, text):
            return "right"
        return "abstained" if _abstains(text, answer) else "wrong"

    def _is_right(self, example: Example, answer: str, text: str) -> bool:
        match self._kind(example):
            case "number":
                given = final_answer.number(answer)
                return given is not None and any(
                    same_number(given, one, tolerance=self.tolerance, relative_tolerance=self.relative_tolerance)
                    for value in example.expected
                    if (one := amount_of(value)) is not None
                )
            case "date":
                said = claimed_dates(final_answer.final_text(answer) or "", example.text) or claimed_dates(
                    text, example.text
                )
                wanted = [day for value in example.expected for day in dates(as_text(value))[:1]]
                return bool(said) and any(agrees(said[0], one) for one in wanted)
        return claims(text, list(map(as_text, example.expected))) and not claims(
            text, text_list(example.fields.get("wrong", ())) or ()
        )

    def _kind(self, example: Example) -> str:
        if self.answer_kind != "auto":
            return self.answer_kind
        given = example.fields.get("answer_kind")
        if given in KINDS:
            return str(given)
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in example.expected)
        return "number" if numbers else "text"


def _abstains(text: str, answer: str) -> bool:
    return gives_no_answer(text) or refuses(answer) or _HEDGED.search(comparable(text, ignore_case=True)) is not None
