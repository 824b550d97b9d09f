"""What the architecture page names must exist, or the walk leads nowhere."""

import ast
import functools
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "insideLLMs"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
QUOTED = {word for line in PAGE.splitlines() for word in re.findall(r"`([^`]+)`", line)}
PATHS = {word for word in QUOTED if re.fullmatch(r"[\w/]+(/|\.py|\.md)", word)}
DOTTED = {word for word in QUOTED if re.fullmatch(r"\w+(\.\w+)+", word)} - PATHS - {"records.jsonl"}
STAGES = set(re.findall(r"(?:^|  )([a-z]+(?:/|\.py))(?=\s)", PAGE.split("```")[1], re.MULTILINE))


@functools.cache
def homes():
    """Return the module of each class: the name of a public class is used once."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = module
    return found


def find(name):
    """Return what a dotted name stands for: a module with what is in it, or a class with its attribute."""
    first, *rest = name.split(".")
    if first[0].isupper():
        found = getattr(importlib.import_module(homes()[first]), first)
    else:
        found = importlib.import_module(f"insideLLMs.{first}")
    for part in rest:
        inner = f"{found.__name__}.{part}"
        is_module = hasattr(found, "__path__") and importlib.util.find_spec(inner)
        found = importlib.import_module(inner) if is_module else getattr(found, part)
    return found


def test_the_page_names_stages_files_and_code():
    assert len(STAGES) > 12
    assert len(PATHS) > 10
    assert len(DOTTED) > 25


@pytest.mark.parametrize("path", sorted(STAGES | PATHS))
def test_a_file_that_the_page_names_exists(path):
    assert (PACKAGE / path).exists() or (ROOT / path).exists()


@pytest.mark.parametrize("name", sorted(DOTTED))
def test_code_that_the_page_names_exists(name):
    assert find(name) is not None
