"""Rules of the house that no linter holds: who may catch everything, and how long a function or a file may be."""

import ast
import re
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from insideLLMs.core.gate_spec import FailOn

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "insideLLMs"
MODULES = sorted(PACKAGE.rglob("*.py"))
BROAD = {"Exception", "BaseException"}
MAY_CATCH_ALL = {
    "cli/main.py": "a bug becomes exit code 2",
    "api/shards/shard_process.py": "a bug becomes exit code 2 of a process that has a thread on stdin",
    "scoring/endable.py": "hands what was raised to the process that called, and ends a process whatever is raised",
    "execute/abandonable.py": "hands what user code raised on a thread to the task that waits for it",
    "core/run_blocking.py": "hands what the run raised on a thread to the caller who waits for it",
    "pytest_plugin/repeats.py": "whatever a test raises counts as a repeat that did not pass, and is shown",
    "execute/remote/worker.py": "a bug on another machine, which the driver raises again",
    "store/directory.py": "gives the lock back and raises again",
}
LONGEST_FUNCTION = 55
LONGEST_FILE = 400


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def catches_all(handler):
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in BROAD for kind in types)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_keeps_the_rules(path):
    name = str(path.relative_to(PACKAGE))
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            where = f"{name}:{node.lineno}"
            assert name in MAY_CATCH_ALL or not catches_all(node), f"{where} catches everything"
            assert not all(isinstance(step, ast.Pass) for step in node.body), f"{where} swallows an error"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{name}:{node.lineno} {node.name} has {length} lines"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec", "print"}, f"{name}:{node.lineno} calls {node.func.id}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & {"pickle", "marshal", "shelve"}, f"{name}:{node.lineno} imports a way to run data"


def test_no_file_of_code_is_longer_than_a_reader_can_hold():
    files = [
        *(path for part in ("src", "tests", "benchmarks") for path in (ROOT / part).rglob("*.py")),
        *(path for ending in ("*.ts", "*.mjs") for path in (ROOT / "viewer" / "src").rglob(ending)),
    ]
    lengths = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in files}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_the_exceptions_are_still_needed():
    for name in MAY_CATCH_ALL:
        handlers = [node for node in ast.walk(tree(PACKAGE / name)) if isinstance(node, ast.ExceptHandler)]
        assert any(catches_all(handler) for handler in handlers), f"{name} catches nothing broad any more"


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "cli").rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_the_command_line_types_its_values_or_says_why_not(path):
    untyped = [
        line.strip()
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bAny\b", line) and not line.startswith("from typing import") and "  # " not in line
    ]
    assert not untyped


POLICY_NAMES = {name for name in get_args(FailOn) if name != "auto"}
KNOW_POLICIES = {"compare/gate/policies.py", "core/gate_spec.py"}


def names_a_policy(node):
    """Whether code asks for a policy by its name: a comparison with one, or a setting of one."""
    if isinstance(node, ast.keyword):
        return node.arg == "fail_on" and isinstance(node.value, ast.Constant) and node.value.value in POLICY_NAMES
    if isinstance(node, ast.Set | ast.Tuple | ast.List):
        return sum(isinstance(one, ast.Constant) and one.value in POLICY_NAMES for one in node.elts) > 1
    if not isinstance(node, ast.Compare):
        return False
    asked = re.search(r"fail_on|policy|resolved", ast.unparse(node))
    return asked and any(isinstance(part, ast.Constant) and part.value in POLICY_NAMES for part in ast.walk(node))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_policy_is_described_by_its_value_alone(path):
    name = str(path.relative_to(PACKAGE))
    found = [node for node in ast.walk(tree(path)) if names_a_policy(node)]
    assert name in KNOW_POLICIES or not found, f"{name}: {[ast.unparse(node) for node in found]}"


def test_the_name_of_a_public_class_is_used_once():
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []
