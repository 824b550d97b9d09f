"""Our reading of numbers beside Math-Verify's and lm-eval's flexible-extract, on answers whose number a person read.

    pip install math-verify latex2sympy2_extended 'antlr4-python3-runtime==4.13.2'; pip install --no-deps lm_eval
    python benchmarks/number_oracles.py [--show 20]

The answers are the rows of tests/unit/scoring/known_answers.jsonl that are for numbers and the table of
test_final_number.py. Right is the value that the row gives, and nothing where it gives none; units are left aside,
because the others know none. flexible-extract is the filter of lm-eval's gsm8k.yaml: the last match of its pattern.
Exits 0 only if ours is ahead of both.
"""

import argparse
import json
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/unit/scoring"))

from lm_eval.filters.extraction import RegexFilter
from math_verify import parse, verify
from test_final_number import ANSWERS

from insideLLMs.scoring.final_answer import number, parse_number

_ROWS = Path(__file__).parent.parent / "tests/unit/scoring/known_answers.jsonl"
_FLEXIBLE = RegexFilter(regex_pattern="(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1)


def cases() -> list[tuple[str, Fraction | None]]:
    """Return each answer once, with the value that it gives."""
    rows = [row for row in map(json.loads, _ROWS.read_text("utf-8").splitlines()) if row["reads"] == "number"]
    given = {**dict(ANSWERS), **{row["answer"]: row["gives"] for row in rows}}
    return [(answer, _value(text)) for answer, text in given.items() if answer.strip()]


def _value(text: str | None) -> Fraction | None:
    found = parse_number(text) if text is not None else None
    return None if found is None else found.value


def ours(answer: str, wanted: Fraction | None) -> bool:
    """Whether we read the wanted value, or nothing where there is none."""
    found = number(answer)
    return (None if found is None else found.value) == wanted


def math_verify(answer: str, wanted: Fraction | None) -> bool:
    """Whether Math-Verify finds the wanted value, or nothing where there is none."""
    found = parse(answer)
    if wanted is None or not found:
        return wanted is None and not found
    return bool(verify(parse(f"${wanted}$"), found))


def flexible_extract(answer: str, wanted: Fraction | None) -> bool:
    """Whether lm-eval's flexible-extract finds the wanted value, or nothing where there is none."""
    ((found,),) = _FLEXIBLE.apply([[answer]], [{}])
    text = found.replace("$", "").replace(",", "").strip(".")
    try:
        return Fraction(text) == wanted
    except ValueError:
        return wanted is None


def main() -> int:
    """Print how many of the cases each reads as a person does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=int, default=20, help="answers that another reads rightly and we do not")
    options = parser.parse_args()
    readers: tuple[Callable[[str, Fraction | None], bool], ...] = (ours, math_verify, flexible_extract)
    every = cases()
    held = {reader.__name__: [reader(*case) for case in every] for reader in readers}
    print("| reader | right | of |\n|---|---|---|")
    for name, right in held.items():
        print(f"| {name} | {sum(right)} | {len(every)} |")
    for case, mine, *others in list(zip(every, *held.values(), strict=True)):
        if any(others) and not mine and options.show:
            print(f"only another is right: {case[0]!r} gives {case[1]}")
    counts = [sum(right) for right in held.values()]
    return 0 if counts[0] > max(counts[1:]) else 1


if __name__ == "__main__":
    sys.exit(main())
