"""Our verdict on function calls against BFCL's official checker: pip install bfcl-eval --no-deps, and run.

For every item of five categories, calls are built from the answer key (each allowed value in turn), and broken or
varied in one way: one call too many, one too few, a wrong value, another type, a parameter that is not there, one left
out, a text in capitals and with other marks. Prints how often the probe agent and the official checker agree.
"""

import copy
import importlib.util
import json
import sys
import types
from collections import Counter
from pathlib import Path

from insideLLMs.core.types import Example
from insideLLMs.datasets.installed import read_bfcl
from insideLLMs.probes.agent import AgentProbe

CATEGORIES = ("simple_python", "multiple", "parallel", "parallel_multiple", "live_simple")


def load_oracle():
    """Import the official checker without the handlers of every model, which it only asks how names are spelled."""
    if importlib.util.find_spec("bfcl_eval") is None:
        sys.exit("bfcl-eval is not installed: pip install --no-deps bfcl-eval")
    config = types.ModuleType("bfcl_eval.constants.model_config")
    config.MODEL_CONFIG_MAPPING = {"stub": types.SimpleNamespace(underscore_to_dot=True)}
    sys.modules[config.__name__] = config
    from bfcl_eval.constants.enums import Language
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker

    return ast_checker, Language.PYTHON


def raw_items(category):
    """Return the functions and the answer key of each item by its id, as the checker takes them."""
    data = Path(importlib.util.find_spec("bfcl_eval").submodule_search_locations[0]) / "data"
    questions = [json.loads(line) for line in (data / f"BFCL_v4_{category}.json").open(encoding="utf-8")]
    answered = data / "possible_answer" / f"BFCL_v4_{category}.json"
    answers = [json.loads(line) for line in answered.open(encoding="utf-8")]
    key = {row["id"]: row["ground_truth"] for row in answers}
    return {row["id"]: (row["function"], key[row["id"]]) for row in questions}


def pick(options, turn):
    """Return one of the allowed values, None where the parameter is left out; of an object, a value for each member."""
    given = [one for one in options if one != ""]
    if not given:
        return None
    value = given[turn % len(given)]
    if isinstance(value, dict):
        return {name: one for name, allowed in value.items() if (one := pick(allowed, turn)) is not None}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [{n: o for n, allowed in one.items() if (o := pick(allowed, turn)) is not None} for one in value]
    return value


def built(key, turn):
    """Return the calls that the key asks for."""
    calls = []
    for due in key:
        ((name, allowed),) = due.items()
        arguments = {param: one for param, options in allowed.items() if (one := pick(options, turn)) is not None}
        calls.append((name.replace(".", "_"), arguments))
    return calls


def changed(calls, change):
    """Return the calls with the first argument of the first call changed."""
    calls = copy.deepcopy(calls)
    for _, arguments in calls:
        for param, value in arguments.items():
            new = change(value)
            if new is not None:
                arguments[param] = new
                return calls
    return None


def shouted(value):
    return f" {value.upper()}. " if isinstance(value, str) else None


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def another(value):
    return "nothing of the kind" if isinstance(value, str) else None


def reversed_list(value):
    return value[::-1] if isinstance(value, list) and len(value) > 1 else None


VARIANTS = {
    "one call too many": lambda calls: [*calls, calls[0]],
    "one call too few": lambda calls: calls[:-1],
    "calls in the other order": lambda calls: calls[::-1],
    "a wrong text": lambda calls: changed(calls, another),
    "a wrong number": lambda calls: changed(calls, lambda value: value + 987 if is_number(value) else None),
    "a number as text": lambda calls: changed(calls, lambda value: str(value) if is_number(value) else None),
    "an integer as a float": lambda calls: changed(calls, lambda one: float(one) if type(one) is int else None),
    "a float as an integer": lambda calls: changed(calls, lambda one: int(one) if type(one) is float else None),
    "text in capitals with marks": lambda calls: changed(calls, shouted),
    "a list that is reversed": lambda calls: changed(calls, reversed_list),
    "an unknown parameter": lambda calls: [(calls[0][0], {**calls[0][1], "not_there": 1}), *calls[1:]],
    "a parameter left out": lambda calls: [(calls[0][0], dict(list(calls[0][1].items())[1:])), *calls[1:]],
    "another function": lambda calls: [("not_this_one", calls[0][1]), *calls[1:]],
    "no call": lambda _calls: [],
}


def main():
    """Compare both on every item and variant; exit 1 where they disagree on key-built calls or one call too many."""
    checker, python = load_oracle()
    probe = AgentProbe()
    agreed, total, passed, shown = Counter(), Counter(), Counter(), Counter()
    for category in CATEGORIES:
        raw = raw_items(category)
        for row in read_bfcl(category):
            functions, key = raw[row["id"]]
            fields = {name: row[name] for name in ("tools", "trajectory", "only_calls")}
            example = Example(id=row["id"], input=row["messages"][-1]["content"], fields=fields)
            cases = [("built from the key", built(key, turn)) for turn in range(3)]
            cases += [(name, made) for name, vary in VARIANTS.items() if (made := vary(cases[0][1])) is not None]
            for name, calls in cases:
                said = checker(functions, [{n: a} for n, a in copy.deepcopy(calls)], key, python, category, "stub")
                steps = [{"name": n, "arguments": a, "result": None} for n, a in calls]
                ours = probe.score_output(example, {"calls": steps, "answer": None, "turns": 1}).passed
                total[category, name] += 1
                passed[category, name] += said["valid"]
                agreed[category, name] += ours is said["valid"]
                if ours is not said["valid"]:
                    shown[name] += 1
                    if shown[name] <= 3 and "-v" in sys.argv:
                        print(f"  {row['id']} {name}: ours {ours}, official {str(said)[:160]}\n    {calls}\n    {key}")
    for category, name in total:
        one = category, name
        print(f"{category:18} {name:28} {agreed[one]} of {total[one]} agree, {passed[one]} pass")
    print(f"all {sum(agreed.values()) / sum(total.values()):.2%} of {sum(total.values())}")
    strict = [one for one in total if one[1] in {"built from the key", "one call too many"}]
    sys.exit(any(agreed[one] < total[one] for one in strict))


if __name__ == "__main__":
    main()
