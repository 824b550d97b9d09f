"""What an answer must contain: all of these, any of these, none of these, a regular expression."""

import functools
from collections.abc import Iterator, Mapping
from typing import ClassVar

import msgspec

from insideLLMs.core.arguments import flag, one_of, refuse, text_list
from insideLLMs.core.chat_template import prompt_template
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import Example, JsonValue, Request, Response, Scores, as_text
from insideLLMs.scoring.normalise import comparable, is_blank
from insideLLMs.scoring.patterns import SEARCH_LIMIT, compile_safely, found_in

CHECKS = ("all", "any", "none", "regex")
NORMALISATIONS = ("none", "spaces")
_known = functools.lru_cache(maxsize=256)(comparable)
"""The forms of texts that are looked for in answer after answer."""


class _Check(msgspec.Struct, frozen=True):
    """One check of one answer: what was asked, whether it held, why not."""

    name: str
    held: bool
    why: str


class ContainsProbe(PromptProbe):
    """Check that an answer contains `all`, `any` and `none` of given texts, and matches every `regex`.

    Arguments apply to every example; an example's own field of the same name takes its place. Where neither gives
    `any`, it is what the example expects. Texts compare after NFKC and with single spaces (with ``normalise: none``
    character by character), without regard to case unless `ignore_case` is false. They are found inside words, too;
    where that matters, use a `regex` with ``\\b``. A regex is searched in the answer as it stands (in the first and
    last 20,000 characters of a longer one).

    Scores: `correct`, and `held`, the share of checks that held. An empty answer passes nothing.
    """

    version: ClassVar[str] = "3"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"correct": (0, 1), "held": (0, 1)}
    scores_in_place: ClassVar[bool] = True

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        name: str | None = None,
        *,
        all: JsonValue = (),
        any: JsonValue = (),
        none: JsonValue = (),
        regex: JsonValue = (),
        ignore_case: bool = True,
        normalise: str = "spaces",
        template: JsonValue = None,
    ) -> None:
        super().__init__(name or "contains", "contains", "What an answer must and must not contain.")
        self.ignore_case = flag("contains", "ignore_case", ignore_case)
        one_of("contains", "normalise", normalise, NORMALISATIONS)
        self.normalise = normalise
        self.all = self._argument("all", all)
        self.any = self._argument("any", any)
        self.none = self._argument("none", none)
        self.regex = self._argument("regex", regex)
        self.template = template
        self._template = prompt_template("contains", template)

    def _argument(self, check: str, value: JsonValue) -> tuple[str, ...]:
        texts = text_list(value)
        if texts is None:
            raise refuse("contains", check, value, "a text or a list of texts, none of them empty")
        for pattern in texts if check == "regex" else ():
            compile_safely(pattern, ignore_case=self.ignore_case)
        return texts

    def request(self, example: Example) -> Request:
        """Ask the example's input, or the template."""
        return self._template.request(example) if self._template is not None else example.request()

    def check_example(self, example: Example) -> str | None:
        """Say why this example cannot be scored: no check at all, or one that cannot be read."""
        for check in CHECKS:
            if check not in example.fields:
                continue
            try:
                self._argument(check, example.fields[check])
            except ArgumentError as error:
                return f"{error.message} ({error.fix})"
        if not any(self._texts(example, check) for check in CHECKS):
            return "nothing to check; give the probe or the example all, any, none or regex, or what is expected"
        if any(not as_text(value) for value in example.expected):
            return "an expected answer is empty, and would be found in every answer"
        if self._template is not None:
            self._template.check(example)
        return None

    def score(self, example: Example, response: Response) -> Scores:
        """Check the answer's text."""
        answer = response.text
        if is_blank(answer):
            from insideLLMs.probes.answer_parts import why_empty  # noqa: PLC0415 - few answers are empty

            return Scores(values={"correct": 0.0, "held": 0.0}, passed=False, explanation=why_empty(response))
        checks = tuple(self._checks(example, answer))
        held = [check.held for check in checks].count(True)
        correct = bool(checks) and held == len(checks)
        failed = "" if correct else "; ".join([check.why for check in checks if not check.held])
        searched = ", only its beginning and end were searched" if len(answer) > 2 * SEARCH_LIMIT and self.regex else ""
        return Scores(
            values={"correct": float(correct), "held": held / len(checks) if checks else 0.0},
            passed=correct,
            explanation=failed or f"all {len(checks)} checks held{searched}",
            details={"checks": [{"check": check.name, "held": check.held} for check in checks]},
        )

    def _texts(self, example: Example, check: str) -> tuple[str, ...]:
        if check in example.fields:
            return text_list(example.fields[check]) or ()
        configured: tuple[str, ...] = getattr(self, check)
        if check == "any" and not configured:
            return tuple(as_text(value) for value in example.expected)
        return configured

    def _checks(self, example: Example, answer: str) -> Iterator[_Check]:
        text = self._form(answer)
        for wanted in self._texts(example, "all"):
            yield _Check(f"contains {wanted!r}", self._contains(text, wanted), f"does not contain {wanted!r}")
        accepted = self._texts(example, "any")
        if accepted:
            named = ", ".join(map(repr, accepted))
            yield _Check(
                f"contains one of {named}",
                any(self._contains(text, one) for one in accepted),
                f"contains none of {named}",
            )
        for banned in self._texts(example, "none"):
            yield _Check(f"does not contain {banned!r}", not self._contains(text, banned), f"contains {banned!r}")
        for pattern in self._texts(example, "regex"):
            compiled = compile_safely(pattern, ignore_case=self.ignore_case)
            yield _Check(f"matches {pattern!r}", found_in(compiled, answer), f"does not match {pattern!r}")

    def _contains(self, text: str, wanted: str) -> bool:
        """Whether `text`, which has its form already, contains `wanted`."""
        needle = self._form(wanted) if self.normalise == "none" else _known(wanted, ignore_case=self.ignore_case)
        return bool(needle) and needle in text

    def _form(self, text: str) -> str:
        if self.normalise == "none":
            return text.lower() if self.ignore_case else text
        return comparable(text, ignore_case=self.ignore_case)
