"""Code probes: what counts as the program, what the tests make of it, and the shipped sets."""

import json
from pathlib import Path

import pytest

import insideLLMs
from insideLLMs.core.types import Example, Response
from insideLLMs.datasets.examples import ExampleReader
from insideLLMs.probes.code import CodeDebugProbe, CodeExplanationProbe, CodeGenerationProbe
from insideLLMs.sandbox import isolation
from insideLLMs.scoring.code import find_program

DATA = Path(insideLLMs.__file__).parent / "data"
sandboxed = pytest.mark.skipif(isolation().kind == "none", reason=f"no isolation here: {isolation().why}")
DOUBLE = {"entry_point": "double", "cases": [[[2], 4], [["ab"], "abab"]]}
CHECK = {"entry_point": "double", "test": "def check(candidate):\n    assert candidate(2) == 4\n"}
STUB = 'def double(x):\n    """Return twice x."""\n'


def example(prompt="Write double.", **fields):
    return Example(id="1", input=prompt, fields=fields)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("```python\nx = 1\n```", "x = 1"),
        ("First:\n```\nx = 1\n```\nBetter:\n```py\nx = 2\n```", "x = 2"),
        ("```bash\nls\n```\n```python\nx = 1\n```", "x = 1"),
        ("Sure!\n```python\ndef f():\n    return 1\n", "def f():\n    return 1\n"),
        ("def f():\n    return 1", "def f():\n    return 1"),
        ("Here it is.\nimport os\nx = 1", "import os\nx = 1"),
        ("I cannot write that.", None),
        ("", None),
    ],
)
def test_the_program_of_an_answer_is_found(answer, code):
    assert find_program(answer) == code


def test_of_several_blocks_the_one_that_defines_the_function_counts():
    answer = "```python\ndef f(): return 1\n```\nUse it so:\n```python\nprint(f())\n```"
    assert find_program(answer, wanted={"f"}) == "def f(): return 1"


@sandboxed
@pytest.mark.parametrize(
    ("fields", "prompt", "answer", "label"),
    [
        (DOUBLE, "Write it.", "```python\ndef double(x):\n    return x * 2\n```", "passed"),
        (DOUBLE, "Write it.", "def double(x):\n    return x + 2", "failed"),
        (DOUBLE, "Write it.", "double = lambda x: x * 2", "passed"),
        (DOUBLE, "Write it.", "def double(x):\n    while True: pass", "timeout"),
        (DOUBLE, "Write it.", "def double(x):\n    return [x] * 10**10", "failed"),
        (DOUBLE, "Write it.", "x = [0] * 10**10", "memory"),
        (DOUBLE, "Write it.", "import sys\nsys.exit(0)", "error"),
        (DOUBLE, "Write it.", "import os\nos._exit(0)", "error"),
        (DOUBLE, "Write it.", "def double(x) return", "error"),
        (DOUBLE, "Write it.", "while True: print('x' * 99999)", "output"),
        (DOUBLE, "Write it.", "def twice(x): return x * 2", "failed"),
        (DOUBLE, "Write it.", "I can't do that.", "no_code"),
        (DOUBLE, "Write it.", 'print(\'[{"value": 4}, {"value": "abab"}]\')\nimport sys\nsys.exit(0)', "error"),
        (CHECK, STUB, "    return x * 2\n", "passed"),
        (CHECK, STUB, "```python\n    return x * 2\n```", "passed"),
        (CHECK, STUB, "    return x * 3\n", "failed"),
        (CHECK, STUB, STUB + "    return x * 2", "passed"),
        ({"test": "assert answer == 42"}, "Set answer.", "answer = 42", "passed"),
    ],
)
def test_a_program_is_labelled_by_what_the_tests_make_of_it(fields, prompt, answer, label):
    probe = CodeGenerationProbe(time_limit_s=1, memory_limit_mb=256)
    given = example(prompt, **fields)
    assert probe.check_example(given) is None
    scores = probe.score(given, Response(text=answer))
    assert (scores.label, scores.passed) == (label, label == "passed"), scores


ADD = {"entry_point": "add", "cases": [[[1, 2], 3], [[0, 0], 0]]}
AREA = {"test": "assert area(2) == 4\nassert area(3) == 9"}
DISC = {"entry_point": "disc", "test": "def check(candidate):\n    assert candidate(1) == 3\n"}
BEGUN = 'import math\n\n\ndef disc(radius: float) -> int:\n    """Return the area.\n    >>> disc(1)\n    3\n    """\n'
SUM = "def add(a, b):\n    return a + b\n"
SQUARE = "def area(x):\n    return x * x\n"


@sandboxed
@pytest.mark.parametrize(
    ("fields", "prompt", "answer"),
    [
        (ADD, "Write add.", f"{SUM}```"),
        (ADD, "Write add.", f"~~~python\n{SUM}~~~"),
        (ADD, "Write add.", f"[PYTHON]\n{SUM}[/PYTHON]"),
        (ADD, "Write add.", "```python def add(a, b): return a + b```"),
        (ADD, "Write add.", "1. So:\n   ```python\n   def add(a, b):\n       return a + b\n   ```"),
        (ADD, "Write add.", f"Sure! Here's the code:\n\n{SUM}\nTime complexity: O(1)\nDone\n(see above)\n- it's short"),
        (ADD, "Write add.", f"```python\n{SUM}x = int(input())\nprint(add(x, x))\n```"),
        (ADD, "Write add.", f"```python\n{SUM}def main():\n    print(add(*input()))\n\nmain()\n```"),
        (ADD, "Write add.", f"```python\n{SUM}assert add(1, 2) == 4\n```"),
        (
            ADD,
            "Write add.",
            "```python\ndef add(a, b):\n    return plus(a, b)\n```\nwith\n```python\ndef plus(a, b): return a + b\n```",
        ),
        (ADD, "Write add.", f"```python\n{SUM}```\nIn Ruby:\n```ruby\ndef add(a, b) = a\n```"),
        (AREA, "Area.", f"```python\n{SQUARE}```\n```python\nfor x in (1, 2):\n    print(area(x), input())\n```"),
        (AREA, "Area.", f"```\nresult = 2 * 2\n```\nSo:\n```python\n{SQUARE}```\nOutput:\n```\n4\n```"),
        (DISC, BEGUN, "def disc(radius):\n    return int(math.pi * radius**2)"),
        (DISC, BEGUN, "return int(math.pi * radius**2)"),
        (DISC, BEGUN, "square = radius**2\n    return int(math.pi * square)"),
        (DISC, BEGUN, "square = radius**2\nreturn int(math.pi * square)"),
        (DISC, BEGUN, "Here is the rest:\n\n    square = radius**2\n    return int(math.pi * square)\n\nIt squares."),
        (DISC, f"Complete:\n```python\n{BEGUN}```", "```python\n    return int(math.pi * radius**2)\n```"),
        (DISC, "Complete:\n\nimport math\n\ndef disc(radius):\n", "return int(math.pi * radius**2)"),
    ],
)
def test_a_right_program_passes_in_whatever_form_it_is_given(fields, prompt, answer):
    scores = CodeGenerationProbe(time_limit_s=1).score(example(prompt, **fields), Response(text=answer))
    assert scores.passed, (scores, CodeGenerationProbe().program(example(prompt, **fields), answer))


@sandboxed
def test_one_result_that_is_no_number_fails_its_own_case_alone():
    cases = {"entry_point": "up", "cases": [[[1], 2], [[2], 3.0], [[3], 4]]}
    program = "def up(x):\n    return float('nan') if x == 1 else x + 1"
    assert CodeGenerationProbe().score(example(**cases), Response(text=program)).values["held"] == pytest.approx(2 / 3)


@sandboxed
def test_the_share_of_cases_that_hold_is_scored_and_the_wrong_ones_are_told():
    scores = CodeGenerationProbe().score(
        example(**DOUBLE), Response(text="def double(x): return x + x if x == 2 else 0")
    )
    assert scores.values == {"correct": 0.0, "held": 0.5, "ran": 1.0}
    assert scores.explanation == "'[\"ab\"]' gives '0', expected 'abab'"


@sandboxed
@pytest.mark.parametrize("body", ["return object()", "return {1, 'a', 'b', 'c'}", "raise ValueError(object())"])
def test_what_is_told_of_a_wrong_program_is_the_same_in_every_run(body):
    answer = Response(text=f"def double(x):\n    {body}")
    first, second = (CodeGenerationProbe().score(example(**DOUBLE), answer) for _ in range(2))
    assert first == second
    assert not first.passed


@sandboxed
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "no tests"),
        ({"cases": [[[1], 2]]}, "need an `entry_point`"),
        ({"cases": [[1, 2]], "entry_point": "f"}, "must be a list"),
        ({"cases": [[[1], 2]], "entry_point": "f; import os"}, "names a function"),
    ],
)
def test_tests_that_cannot_be_run_are_told_before_any_call(fields, says):
    assert says in CodeGenerationProbe().check_example(example(**fields))


@sandboxed
def test_mending_keeps_most_of_the_program():
    given = example("Mend it.", code="def double(x):\n    return x * 3\n", **DOUBLE)
    probe = CodeDebugProbe()
    assert "return x * 3" in probe.request(given).messages[0].content
    scores = probe.score(given, Response(text="```python\ndef double(x):\n    return x * 2\n```"))
    assert scores.passed
    assert scores.values["kept"] > 0.9


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        ("It doubles a number.\nAnswer: 4", {"correct": 1.0, "predicted": 1.0, "mentioned": 1.0}),
        ("It adds.\nAnswer: 4", {"correct": 0.0, "predicted": 1.0, "mentioned": 0.0}),
        ("It multiplies by two.\nAnswer: 5", {"correct": 0.0, "predicted": 0.0, "mentioned": 1.0}),
        ("", {"correct": 0.0, "predicted": 0.0, "mentioned": 0.0}),
    ],
)
def test_an_explanation_predicts_and_mentions(answer, values):
    given = Example(id="1", input="What?", expected=("4",), fields={"code": "x", "mentions": [["double", "multipl"]]})
    assert CodeExplanationProbe().check_example(given) is None
    assert CodeExplanationProbe().score(given, Response(text=answer)).values == values


def examples(name):
    return [ExampleReader({}).example(json.loads(line)) for line in (DATA / name).read_text().splitlines()]


@sandboxed
def test_every_shipped_bug_fails_its_tests():
    probe = CodeDebugProbe(time_limit_s=1)
    found = examples("code_debug.jsonl")
    assert len(found) >= 50
    for given in found:
        assert probe.check_example(given) is None
        assert not probe.score(given, Response(text=given.fields["code"])).passed, given.id


@sandboxed
def test_every_shipped_program_passes_its_tests_and_gives_the_value_that_is_asked_for():
    programs = {one.id.partition("-")[2]: one for one in examples("code_explanation.jsonl")}
    probe = CodeGenerationProbe()
    for given in examples("code_generation.jsonl"):
        shown = programs[given.id.partition("-")[2]]
        assert probe.score(given, Response(text=shown.fields["code"])).passed, given.id
        right = f"It uses {shown.fields['mentions'][0][0]}.\nAnswer: {shown.expected[0]}"
        assert CodeExplanationProbe().score(shown, Response(text=right)).passed, shown
        assert not CodeExplanationProbe().score(shown, Response(text="It runs.\nAnswer: nothing")).passed
