"""Plain checks that hold or do not: equals, regex, numeric, usage."""

from typing import ClassVar

from insideLLMs.core.arguments import flag, non_negative, one_of, refuse, text_list
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import Example, JsonValue, Response, Scores, Usage, as_text
from insideLLMs.probes.answer_parts import json_text, why_empty
from insideLLMs.probes.check import READINGS, CheckProbe
from insideLLMs.scoring import final_answer
from insideLLMs.scoring.normalise import bare, comparable, is_blank
from insideLLMs.scoring.numeric import amount_of, same_number, separator_doubt
from insideLLMs.scoring.patterns import compile_safely, found_in, is_all_of

NORMALISATIONS = ("none", "spaces", "bare")
_SHOWN = 80


def shown(value: JsonValue) -> str:
    """Write a value for an explanation, cut where it is long."""
    text = as_text(value)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


class EqualsProbe(CheckProbe):
    """Check that an answer is one of the expected ones.

    `normalise` is what counts as the same: `none` every character; `spaces` the same after NFKC but for outer
    and repeated spaces; `bare` (the default) also but for case, English articles and outer punctuation.
    `reading` is `whole`, or `final` for the final answer that the prose comes to ("The answer is X").
    """

    kind = "equals"
    version = "4"
    label_is_answer: ClassVar[bool] = True
    reads_part: ClassVar = "json"

    def __init__(
        self, name: str | None = None, *, normalise: str = "bare", reading: str = "whole", template: JsonValue = None
    ) -> None:
        super().__init__(name, "Whether the answer is what is expected.", template)
        one_of(self.kind, "normalise", normalise, NORMALISATIONS)
        one_of(self.kind, "reading", reading, READINGS)
        self.normalise = normalise
        self.reading = reading

    def check(self, example: Example, answer: str) -> Scores:
        """Compare the answer with each accepted one."""
        given = final_answer.final_text(answer) if self.reading == "final" else answer
        if given is None:
            return self.failed("there is no final answer")
        said = final_answer.phrases(given, example.text) if self.reading == "final" else (given,)
        write = as_text if self.of is None else json_text
        equal = any(self._form(one) == self._form(write(value)) for one in said for value in example.expected)
        wanted = " or ".join(shown(value) for value in example.expected)
        why = f"is {wanted}" if equal else f"answered {shown(given)}, expected {wanted}"
        return Scores.of(equal, label=given if self.reading == "final" else None, explanation=why)

    def _form(self, text: str) -> str:
        match self.normalise:
            case "bare":
                return bare(text)
            case "spaces":
                return comparable(text, ignore_case=False)
        return text


class RegexProbe(CheckProbe):
    """Check that an answer matches a regular expression, or any of several.

    The example's own field `pattern` is looked for, else the probe's `pattern`, else what the example expects. With
    `full` the whole answer (outer space aside) has to match. ``^`` and ``$`` match at lines. A pattern that
    repeats a repetition is refused, because it could run for ever.
    """

    kind = "regex"
    version = "3"
    needs_expected = False

    def __init__(
        self,
        name: str | None = None,
        *,
        pattern: JsonValue = (),
        full: bool = False,
        ignore_case: bool = False,
        template: JsonValue = None,
    ) -> None:
        super().__init__(name, "Whether the answer matches a regular expression.", template)
        self.full = flag(self.kind, "full", full)
        self.ignore_case = flag(self.kind, "ignore_case", ignore_case)
        patterns = text_list(pattern)
        if patterns is None:
            raise refuse(
                self.kind, "pattern", pattern, "a regular expression or a list of them, any of which may match"
            )
        self.pattern = patterns
        for one in patterns:
            compile_safely(one, ignore_case=self.ignore_case)

    def complaint(self, example: Example) -> str | None:
        """Say that there is no pattern, or which is not one."""
        patterns = self._patterns(example)
        if patterns is None:
            return "its `pattern` must be a regular expression or a list of them, any of which may match"
        if not patterns:
            return "no pattern; give the probe `pattern`, or the example `expected`"
        try:
            for pattern in patterns:
                compile_safely(pattern, ignore_case=self.ignore_case)
        except ArgumentError as error:
            return f"{error.message} ({error.fix})"
        return None

    def check(self, example: Example, answer: str) -> Scores:
        """Look for any of the patterns."""
        patterns = self._patterns(example) or ()
        matching = next((pattern for pattern in patterns if self._matches(pattern, answer)), None)
        named = " or ".join(shown(pattern) for pattern in patterns)
        return Scores.of(
            matching is not None, explanation=f"matches {shown(matching)}" if matching else f"does not match {named}"
        )

    def _patterns(self, example: Example) -> tuple[str, ...] | None:
        if "pattern" in example.fields:
            return text_list(example.fields["pattern"])
        return self.pattern or tuple(map(as_text, example.expected))

    def _matches(self, pattern: str, answer: str) -> bool:
        compiled = compile_safely(pattern, ignore_case=self.ignore_case)
        return is_all_of(compiled, answer.strip()) if self.full else found_in(compiled, answer)


class NumericProbe(CheckProbe):
    """Check the number that an answer comes to against the expected one, within tolerances.

    `tolerance` is absolute, `relative_tolerance` a share of the expected number; the wider one holds. Units,
    percent, fractions and thousands separators are read as the logic probe reads them.
    """

    kind = "numeric"
    version = "3"
    label_is_answer: ClassVar[bool] = True

    def __init__(
        self,
        name: str | None = None,
        *,
        tolerance: float = 0.0,
        relative_tolerance: float = 0.0,
        template: JsonValue = None,
    ) -> None:
        super().__init__(name, "Whether the answer is the expected number.", template)
        self.tolerance = non_negative(self.kind, "tolerance", tolerance)
        self.relative_tolerance = non_negative(self.kind, "relative_tolerance", relative_tolerance)

    def complaint(self, example: Example) -> str | None:
        """Say which expected value is not a number."""
        wrong = [value for value in example.expected if amount_of(value) is None]
        return f"the expected value {wrong[0]!r} is not a number" if wrong else None

    def check(self, example: Example, answer: str) -> Scores:
        """Read the number and compare."""
        given = final_answer.number(answer)
        wanted = " or ".join(as_text(value) for value in example.expected)
        if given is None:
            return self.failed(f"gives no number, or several; expected {wanted}")
        correct = any(
            same_number(given, one, tolerance=self.tolerance, relative_tolerance=self.relative_tolerance)
            for value in example.expected
            if (one := amount_of(value)) is not None
        )
        doubt = "" if correct else separator_doubt(answer, example.expected)
        return Scores.of(correct, label=str(given), explanation=f"answered {given}, expected {wanted}{doubt}")


class UsageProbe(CheckProbe):
    """Check that an answer stays within limits that a record can prove: tokens as the provider counts them, length.

    At least one of `max_output_tokens`, `max_input_tokens`, `max_characters`. An empty answer without a call of a tool
    is within none, and an answer whose provider counted no
    tokens fails a limit on tokens. Limits on latency and on cost are the gate's (`gate: {max_growth: ...}`):
    they vary from run to run, and a canonical record may not.
    """

    kind = "usage"
    version = "2"
    needs_expected = False
    score_ranges: ClassVar = {"correct": (0, 1), "characters": (2**53, 0), "output_tokens": (2**53, 0)}

    def __init__(
        self,
        name: str | None = None,
        *,
        max_output_tokens: int | None = None,
        max_input_tokens: int | None = None,
        max_characters: int | None = None,
        template: JsonValue = None,
    ) -> None:
        super().__init__(name, "Whether the answer stays within limits of tokens and length.", template)
        limits = {
            "max_output_tokens": max_output_tokens,
            "max_input_tokens": max_input_tokens,
            "max_characters": max_characters,
        }
        for argument, value in limits.items():
            if value is not None:
                non_negative(self.kind, argument, value)
        if all(value is None for value in limits.values()):
            raise ArgumentError("probe usage: no limit is set", fix=f"set at least one of {', '.join(limits)}")
        self.max_output_tokens = max_output_tokens
        self.max_input_tokens = max_input_tokens
        self.max_characters = max_characters

    def lacking(self, example: Example, response: Response) -> str | None:
        """Say which tokens have a limit and were not counted."""
        del example  # limits are the same for all
        usage = response.usage or Usage()
        limited = {
            "output tokens": (self.max_output_tokens, usage.output_tokens),
            "input tokens": (self.max_input_tokens, usage.input_tokens),
        }
        lost = [what for what, (limit, used) in limited.items() if limit is not None and used is None]
        return f"the provider counted no {' and no '.join(lost)}" if lost else None

    def score(self, example: Example, response: Response) -> Scores:
        """Compare what was used with the limits."""
        del example  # limits are the same for all
        used = {
            "max_output_tokens": response.usage.output_tokens if response.usage else None,
            "max_input_tokens": response.usage.input_tokens if response.usage else None,
            "max_characters": len(response.text),
        }
        broken = [] if response.calls or not is_blank(response.text) else [why_empty(response)]
        broken += [
            f"{argument.removeprefix('max_')}: {'not counted' if value is None else value}, at most {limit}"
            for argument, value in used.items()
            if (limit := getattr(self, argument)) is not None and (value is None or value > limit)
        ]
        values = {"correct": float(not broken), "characters": float(len(response.text))}
        tokens = used["max_output_tokens"]
        if tokens is not None:
            values["output_tokens"] = float(tokens)
        return Scores(values=values, passed=not broken, explanation="; ".join(broken) or "within the limits")

    def check(self, example: Example, answer: str) -> Scores:
        """Score an answer whose usage is not known."""
        return self.score(example, Response(text=answer))
