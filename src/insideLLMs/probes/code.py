"""Programs that models write or fix, run against tests in the sandbox."""

import hashlib
import json
import math
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import orjson

from insideLLMs.core.arguments import flag, non_negative, text_list
from insideLLMs.core.template import ask
from insideLLMs.core.types import Example, JsonValue, Request, Scores, as_text
from insideLLMs.probes.check import CheckProbe
from insideLLMs.probes.exact import shown
from insideLLMs.sandbox import Ended, Execution, Limits, Sandbox
from insideLLMs.scoring import final_answer
from insideLLMs.scoring.code import find_program, names_tested
from insideLLMs.scoring.json_values import Parsed, parse_strict
from insideLLMs.scoring.normalise import comparable
from insideLLMs.scoring.numeric import amount_of, same_number
from insideLLMs.scoring.similarity import edit_similarity

_TIME_SIGNALS = (-signal.SIGXCPU, -signal.SIGKILL)
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
_FOLDER = re.compile(r"\S*program\.py")

_CASES = """
import json as _json
import sys as _sys
_calls = _json.loads({calls!r})
_results = []
for _arguments in _calls:
    try:
        _value = {entry_point}(*_arguments)
        _results.append(_json.dumps({{"value": _value}}, default=repr, allow_nan=False))
    except (Exception, SystemExit) as _error:
        _results.append(_json.dumps({{"error": type(_error).__name__ + ": " + str(_error)[:200]}}))
_sys.stdout.flush()
_sys.__stdout__.write("\\n" + {mark!r} + "[" + ", ".join(_results) + "]\\n")
"""
_TESTS = """
{tests}
{call}
print("\\n" + {mark!r} + "[]")
"""


@dataclass(frozen=True, slots=True)
class _Result:
    """What the tests said: how many of how many held, and a label and words for it."""

    held: int
    count: int
    label: str
    why: str


class CodeProbe(CheckProbe):
    """Run an answer's program against the example's tests.

    Tests are `cases`, a list of ``[[argument, ...], result]`` for the function `entry_point`, compared here and
    not in the sandbox; or `test`, Python code of assertions (with a function ``check(candidate)``, as HumanEval
    writes them, if there is an `entry_point`).
    """

    version: ClassVar[str] = "2"
    about: ClassVar[str]
    needs_expected: ClassVar[bool] = False
    scores_in_place: ClassVar[bool] = False  # a program may take seconds
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"correct": (0, 1), "held": (0, 1), "ran": (0, 1)}

    def __init__(
        self,
        name: str | None = None,
        *,
        time_limit_s: float = 5.0,
        memory_limit_mb: int = 512,
        allow_unsandboxed: bool = False,
        template: JsonValue = None,
    ) -> None:
        super().__init__(name, self.about, template)
        self.time_limit_s = non_negative(self.kind, "time_limit_s", time_limit_s)
        self.memory_limit_mb = int(non_negative(self.kind, "memory_limit_mb", memory_limit_mb))
        self.allow_unsandboxed = flag(self.kind, "allow_unsandboxed", allow_unsandboxed)
        seconds = max(1, round(self.time_limit_s))
        limits = Limits(cpu_s=seconds, wall_s=4.0 * seconds + 10, memory_bytes=self.memory_limit_mb << 20)
        self._sandbox = Sandbox(limits=limits, allow_unsandboxed=self.allow_unsandboxed)

    def complaint(self, example: Example) -> str | None:
        """Say what is wrong with the tests; raise SandboxError where programs cannot be run at all."""
        self._sandbox.check()
        entry_point = example.fields.get("entry_point")
        cases, test = example.fields.get("cases"), example.fields.get("test")
        if entry_point is not None and not (isinstance(entry_point, str) and entry_point.isidentifier()):
            return f"`entry_point` is {entry_point!r}; it names a function"
        if isinstance(test, str) and test.strip():
            return None
        if cases is None:
            return "no tests; give it `cases` and an `entry_point`, or `test`"
        if not isinstance(cases, Sequence) or not cases or not all(map(_is_case, cases)):
            return "`cases` must be a list of [[argument, ...], result]"
        return None if entry_point else "`cases` need an `entry_point`, the function to call"

    def check(self, example: Example, answer: str) -> Scores:
        """Find the program, run it, and compare."""
        program = self.program(example, answer)
        if program is None:
            scores = self.failed("the answer contains no program")
            return Scores(values=scores.values, passed=False, label="no_code", explanation=scores.explanation)
        result = self._test(example, program)
        passed = result.held == result.count
        values = {
            "correct": float(passed),
            "held": result.held / result.count,
            "ran": float(result.label in {"passed", "failed"}),
        }
        return Scores(values=values, passed=passed, label=result.label, explanation=result.why)

    def program(self, example: Example, answer: str) -> str | None:
        """Return the program that an answer gives, with what it needs of the prompt and of the example's `code`."""
        entry_point, code = example.fields.get("entry_point"), example.fields.get("code")
        wanted = {entry_point} if entry_point else names_tested(str(example.fields.get("test")))
        given = (example.text, code) if isinstance(code, str) else (example.text,)
        return find_program(answer, wanted=wanted, given=given)

    def _test(self, example: Example, program: str) -> _Result:
        cases = None if isinstance(example.fields.get("test"), str) else example.fields["cases"]
        mark = hashlib.sha256(orjson.dumps([program, example.id])).hexdigest()[:24] + ":"
        done = self._sandbox.run(_harness(example, program, cases, mark))
        said = _marked(done.stdout, mark) if done.ended is Ended.EXITED and done.status == 0 else None
        if said is None:
            return _Result(0, len(cases or [0]), *_why_ended(done))
        return _Result(1, 1, "passed", "all tests hold") if cases is None else _compare(said, cases)


class CodeGenerationProbe(CodeProbe):
    """Have the model write a function, and run it against the example's tests in a sandbox.

    See CodeProbe for `cases` and `test`. `time_limit_s` is of CPU, `memory_limit_mb` of address space. Where there
    is no isolation (Linux namespaces), nothing is run and the run stops before it asks anything, unless
    `allow_unsandboxed` is true. An answer that only continues the prompt is put behind it.

    Scores: `correct`; `held`, the share of cases that hold; `ran`, whether the program came to its end. The label
    is passed, failed, error, timeout, memory, output or no_code.
    """

    kind = "code_generation"
    about = "Programs that pass tests."
    default_dataset: ClassVar[str] = "data/code_generation.jsonl"


class CodeDebugProbe(CodeProbe):
    """Have the model fix a program (the example's `code`), and run it against the example's tests in a sandbox.

    The program is put below the question, unless a template says where. Arguments and scores are those of
    code_generation; `kept` is beside them, the edit similarity to the given program: a fix is not a rewrite.
    """

    kind = "code_debug"
    about = "Programs to fix."
    default_dataset: ClassVar[str] = "data/code_debug.jsonl"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {**CodeProbe.score_ranges, "kept": (0, 1)}

    def request(self, example: Example) -> Request:
        """Show the program below the question, or where the template says."""
        return super().request(example) if self.template is not None else with_program(example)

    def complaint(self, example: Example) -> str | None:
        """Say that there is no program to fix."""
        if not isinstance(example.fields.get("code"), str):
            return "no `code`, the program to fix"
        return super().complaint(example)

    def check(self, example: Example, answer: str) -> Scores:
        """Score as for generation, and how much was kept."""
        scores = super().check(example, answer)
        program = self.program(example, answer) or ""
        kept = edit_similarity(program, example.fields["code"])
        return Scores(
            values={**scores.values, "kept": kept},
            passed=scores.passed,
            label=scores.label,
            explanation=scores.explanation,
        )


class CodeExplanationProbe(CheckProbe):
    """Ask what a program (the example's `code`) does, where that can be checked: what it comes to, and why.

    The answer has to come to one of the expected values, and to mention each of the example's `mentions` (of a
    list among them, any one). The program is shown below the question, and never run.

    Scores: `correct`; `predicted`, whether the value is right; `mentioned`, the share of mentions.
    """

    kind = "code_explanation"
    version = "3"
    default_dataset: ClassVar[str] = "data/code_explanation.jsonl"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(
        ("correct", "predicted", "mentioned"), (0.0, 1.0)
    )

    def __init__(self, name: str | None = None, *, template: JsonValue = None) -> None:
        super().__init__(name, "What a program does, as far as it can be checked.", template)

    def request(self, example: Example) -> Request:
        """Show the program below the question, or where the template says."""
        return super().request(example) if self.template is not None else with_program(example)

    def complaint(self, example: Example) -> str | None:
        """Say that there is no program to explain, or that the mentions cannot be read."""
        if not isinstance(example.fields.get("code"), str):
            return "no `code`, the program to explain"
        if any(text_list(one) is None for one in example.fields.get("mentions", ())):
            return "`mentions` must be a list of texts, or of lists of texts any of which will do"
        return None

    def check(self, example: Example, answer: str) -> Scores:
        """Look for the value and for what must be mentioned."""
        predicted = any(comes_to(answer, value) for value in example.expected)
        text = comparable(answer, ignore_case=True)
        wanted = [text_list(one) or () for one in example.fields.get("mentions", ())]
        missing = [group for group in wanted if not any(comparable(one, ignore_case=True) in text for one in group)]
        mentioned = 1 - len(missing) / len(wanted) if wanted else 1.0
        said = [] if predicted else [f"does not come to {' or '.join(map(as_text, example.expected))}"]
        said += [f"does not mention {' or '.join(group)}" for group in missing]
        passed = predicted and not missing
        return Scores(
            values={"correct": float(passed), "predicted": float(predicted), "mentioned": mentioned},
            passed=passed,
            explanation="; ".join(said) or "the value is right, and every term is mentioned",
        )


def comes_to(answer: str, expected: JsonValue) -> bool:
    """Whether an answer's final answer is `expected`: a number as a number, else as text or as code writes it."""
    wanted = amount_of(expected)
    given = final_answer.number(answer) if wanted is not None else None
    if wanted is not None and given is not None:
        return same_number(given, wanted)
    final = final_answer.final_text(answer)
    return final is not None and (
        final_answer.says(final, as_text(expected)) or _code_form(as_text(expected)) in _code_form(final)
    )


def with_program(example: Example) -> Request:
    """Ask the example's input with its program below."""
    return ask(example, f"{example.text}\n\n```python\n{example.fields['code'].strip()}\n```")


def _code_form(text: str) -> str:
    return re.sub(r"\s+", "", text).replace('"', "'").casefold()


def _is_case(case: JsonValue) -> bool:
    return isinstance(case, list) and len(case) == 2 and isinstance(case[0], list)


def _harness(example: Example, program: str, cases: Sequence[JsonValue] | None, mark: str) -> str:
    entry_point = example.fields.get("entry_point")
    if cases is not None:
        calls = json.dumps([case[0] for case in cases])
        return program + _CASES.format(calls=calls, entry_point=entry_point, mark=mark)
    call = f"check({entry_point})" if entry_point else ""
    return program + _TESTS.format(tests=example.fields["test"], call=call, mark=mark)


def _marked(stdout: str, mark: str) -> list[JsonValue] | None:
    """Return what the harness printed last; None if it never came to that."""
    line = next((line for line in reversed(stdout.splitlines()) if line.startswith(mark)), None)
    found = parse_strict(line[len(mark) :]) if line is not None else None
    return found.value if isinstance(found, Parsed) and isinstance(found.value, list) else None


def _compare(said: Sequence[JsonValue], cases: Sequence[JsonValue]) -> _Result:
    wrong: list[str] = []
    for case, one in _paired(cases, said):
        value = one.get("value")
        if "value" not in one or not _same(value, case[1]):
            got = _steady(shown(value) if "value" in one else one.get("error", "nothing"))
            wrong.append(f"{shown(case[0])} gives {got}, expected {shown(case[1])}")
    held = len(cases) - len(wrong)
    return _Result(held, len(cases), "failed" if wrong else "passed", "; ".join(wrong[:3]) or "all cases hold")


def _paired(cases: Sequence[JsonValue], said: Sequence[JsonValue]) -> Iterator[tuple[JsonValue, JsonValue]]:
    """Yield each case with what was said of it; nothing where the program said less."""
    for place, case in enumerate(cases):
        yield case, said[place] if place < len(said) and isinstance(said[place], dict) else {}


def _same(value: JsonValue, expected: JsonValue) -> bool:
    """Compare as JSON, where 3.0 is 3; numbers that are not whole may differ in the last digits."""
    if isinstance(value, bool) or isinstance(expected, bool) or not isinstance(expected, list | dict | int | float):
        return type(value) is type(expected) and bool(value == expected)
    if isinstance(expected, int) and isinstance(value, int):
        return value == expected
    if isinstance(expected, int | float):
        return isinstance(value, int | float) and math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(expected, list):
        return isinstance(value, list) and len(value) == len(expected) and all(map(_same, value, expected))
    return (
        isinstance(value, dict) and value.keys() == expected.keys() and all(_same(value[k], expected[k]) for k in value)
    )


def _why_ended(done: Execution) -> tuple[str, str]:
    """Label a program that did not come to the end of its tests, without words that vary from run to run."""
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "")
    if done.ended is Ended.TIMEOUT or (done.ended is Ended.KILLED and done.status in _TIME_SIGNALS):
        return "timeout", "the program ran out of time"
    if done.ended is Ended.OUTPUT:
        return "output", "the program wrote too much output"
    if done.ended is Ended.MEMORY or "MemoryError" in last:
        return "memory", "the program ran out of memory"
    if done.ended is Ended.KILLED:
        return "error", f"the program was killed by signal {-done.status}"
    if done.status == 0:
        return "error", "the program ended before its tests did"
    label = "failed" if last.startswith("AssertionError") else "error"
    return label, _steady(last)


def _steady(words: str) -> str:
    """Take out what varies from run to run: the program's folder, and addresses in memory."""
    return _ADDRESS.sub("0x...", _FOLDER.sub("program.py", words))[:300]
