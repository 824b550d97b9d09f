"""Questions that have one right answer: yes or no, a choice, a number, a text, a set."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from insideLLMs.core.arguments import non_negative, one_of
from insideLLMs.core.chat_template import prompt_template
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.template import ask
from insideLLMs.core.types import Example, JsonValue, Request, Response, Scores, as_text
from insideLLMs.scoring import final_answer
from insideLLMs.scoring.final_answer import Options
from insideLLMs.scoring.normalise import bare, is_blank
from insideLLMs.scoring.numeric import amount_of, same_number, separator_doubt

Kind = Literal["yes_no", "choice", "number", "text", "set"]
KINDS = ("auto", "yes_no", "choice", "number", "text", "set")

_LETTERS = frozenset("ABCDEFGH")


class LogicProbe(PromptProbe):
    """Ask a question with a known answer, find the final answer in the response, and compare.

    `kind` is how the answer is read; `auto` takes it from what is expected and from the example's `choices`
    (or `options`). `tolerance` (absolute) and `relative_tolerance` (a share of the expected number) are for
    numbers. `template` is the prompt, with ``{{ question }}`` and the example's fields; ``{{ choices }}`` stands for
    the options one a line. Without a template, options that the question does not show are put below it.

    Scores: `correct`, and `answered`, which is 0 for an empty, refusing or ambiguous answer.
    """

    version: ClassVar[str] = "3"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"correct": (0, 1), "answered": (0, 1)}
    scores_in_place: ClassVar[bool] = True
    label_is_answer: ClassVar[bool] = True
    default_dataset: ClassVar[str] = "data/logic.jsonl"

    def __init__(
        self,
        name: str | None = None,
        *,
        kind: str = "auto",
        tolerance: float = 0.0,
        relative_tolerance: float = 0.0,
        template: JsonValue = None,
    ) -> None:
        super().__init__(name or "logic", "logic", "Questions with one right answer.")
        one_of("logic", "kind", kind, KINDS)
        self.kind = kind
        self.tolerance = non_negative("logic", "tolerance", tolerance)
        self.relative_tolerance = non_negative("logic", "relative_tolerance", relative_tolerance)
        self.template = template
        self._template = prompt_template("logic", template)

    def request(self, example: Example) -> Request:
        """Ask the question, with its options where it does not show them itself."""
        options = Options.of(_choices(example))
        if self._template is not None:
            return self._template.request(example, **_extra(options))
        if options is None or _shows(example.text, options):
            return example.request()
        return ask(example, f"{example.text}\n{options.lines()}")

    def check_example(self, example: Example) -> str | None:
        """Say what keeps this example from being scored."""
        if not example.expected:
            return "nothing is expected; give it `expected` (or answer, ideal, reference)"
        given = _choices(example)
        if given is not None and Options.of(given) is None:
            return "`choices` must be a list of 2 to 26 options, or a mapping of label to option"
        if self._template is not None:
            self._template.check(example, **_extra(Options.of(given)))
        kind = self._kind_of(example)
        if kind is None:
            return f"the expected answers {list(example.expected)!r} are of several kinds; give the probe a `kind`"
        return _unreadable(kind, example)

    def score(self, example: Example, response: Response) -> Scores:
        """Score the final answer of `response` against what is expected."""
        kind = self._kind_of(example) or "text"
        correct, label = _SCORERS[kind](self, example, response.text)
        if label is None:
            explanation = "the answer is empty" if is_blank(response.text) else "no answer"
            explanation += "" if kind == "text" else f": neither declares nor amounts to one {_NOUNS[kind]}"
        else:
            expected = " or ".join(as_text(value) for value in example.expected)
            explanation = f"answered {_short(label)}, expected {_short(expected)}"
            explanation += separator_doubt(response.text, example.expected) if kind == "number" and not correct else ""
        return Scores(
            values={"correct": float(correct), "answered": float(label is not None)},
            passed=correct,
            label=label,
            explanation=explanation,
            details={"kind": kind},
        )

    def _kind_of(self, example: Example) -> Kind | None:
        if self.kind != "auto":
            kind: Kind = self.kind  # type: ignore[assignment]  # checked against KINDS when the probe was made
            return kind
        if Options.of(_choices(example)) is not None:
            return "choice"
        kinds = {_kind_of_value(value) for value in example.expected}
        if len(kinds) > 1 and kinds <= {"yes_no", "number", "choice", "text"}:
            return "text"
        return kinds.pop() if len(kinds) == 1 else None


_NOUNS = {"yes_no": "yes or no", "choice": "option", "number": "number", "set": "list"}


def _choices(example: Example) -> JsonValue:
    return example.fields.get("choices", example.fields.get("options"))


def _extra(options: Options | None) -> dict[str, str]:
    return {} if options is None else {"choices": options.lines(), "options": options.lines()}


def _shows(question: str, options: Options) -> bool:
    return all(text in question for text in options.texts.values())


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def _kind_of_value(value: JsonValue) -> Kind:
    if isinstance(value, bool) or (isinstance(value, str) and final_answer.is_verdict(value)):
        return "yes_no"
    if isinstance(value, list | tuple):
        return "set"
    if isinstance(value, str) and value.strip(" ().") in _LETTERS:
        return "choice"
    return "number" if amount_of(value) is not None else "text"


def _unreadable(kind: Kind, example: Example) -> str | None:
    """Say which expected value cannot be read as `kind`."""
    for value in example.expected:
        if kind == "number" and amount_of(value) is None:
            return f"expected {value!r} is not a number"
        if kind == "yes_no" and _expected_polarity(value) is None:
            return f"expected {value!r} is neither yes nor no"
        if kind == "choice" and _options(example).label_for(value) is None:
            return f"expected {value!r} is none of the options {list(_options(example).texts)}"
        if kind == "text" and not bare(as_text(value)):
            return "an expected answer is empty"
    return None


def _expected_polarity(value: JsonValue) -> bool | None:
    return value if isinstance(value, bool) else final_answer.polarity_of(value) if isinstance(value, str) else None


def _options(example: Example) -> Options:
    """Return the example's options: as given, as its question shows them, or (unknown) the letters A to H."""
    return (
        Options.of(_choices(example)) or Options.in_text(example.text) or Options(dict.fromkeys(sorted(_LETTERS), ""))
    )


def _score_yes_no(_probe: LogicProbe, example: Example, answer: str) -> tuple[bool, str | None]:
    given = final_answer.yes_no(answer)
    if given is None:
        return False, None
    return any(_expected_polarity(value) is given for value in example.expected), "yes" if given else "no"


def _score_choice(_probe: LogicProbe, example: Example, answer: str) -> tuple[bool, str | None]:
    options = _options(example)
    label = final_answer.choice(answer, options)
    return label is not None and any(options.label_for(value) == label for value in example.expected), label


def _score_number(probe: LogicProbe, example: Example, answer: str) -> tuple[bool, str | None]:
    given = final_answer.number(answer)
    if given is None:
        return False, None
    wanted = [amount for value in example.expected if (amount := amount_of(value)) is not None]
    correct = any(
        same_number(given, one, tolerance=probe.tolerance, relative_tolerance=probe.relative_tolerance)
        for one in wanted
    )
    return correct, str(given)


def _score_text(_probe: LogicProbe, example: Example, answer: str) -> tuple[bool, str | None]:
    given = final_answer.final_text(answer)
    if given is None:
        return False, None
    return any(final_answer.says(given, as_text(value), example.text) for value in example.expected), given


def _score_set(_probe: LogicProbe, example: Example, answer: str) -> tuple[bool, str | None]:
    given = final_answer.items(answer)
    if not given:
        return False, None
    listed = [value for value in example.expected if isinstance(value, list | tuple)] or [example.expected]
    wanted = [frozenset(bare(as_text(item)) for item in value) for value in listed]
    return given in wanted, ", ".join(sorted(given))


_SCORERS: Mapping[Kind, Callable[[LogicProbe, Example, str], tuple[bool, str | None]]] = {
    "yes_no": _score_yes_no,
    "choice": _score_choice,
    "number": _score_number,
    "text": _score_text,
    "set": _score_set,
}
