"""promptfoo's test cases -> cases with their vars and assertions, one for each combination."""

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from insideLLMs.core.documents import Document, read_document
from insideLLMs.core.errors import ConfigError
from insideLLMs.core.types import JsonValue
from insideLLMs.migrate.promptfoo.assertions import Check, is_known, never
from insideLLMs.migrate.promptfoo.values import PROGRAMS, Vars, js_text, js_value
from insideLLMs.migrate.source import SCHEME, ForeignFile, ImportFindings, Node

KEYS = ("description", "vars", "assert", "threshold", "options", "metadata", "provider", "providers", "prompts",
        "providerOutput", "assertScoringFunction", "id")  # fmt: skip
_OPTIONS = ("transform", "postprocess", "transformVars", "prefix", "suffix", "provider", "rubricPrompt", "repeat",
            "disableVarExpansion", "disableDefaultAsserts", "disableConversationVar", "runSerially",
            "storeOutputAs", "factuality")  # fmt: skip
_NO_MATTER = frozenset(
    {"disableVarExpansion", "disableDefaultAsserts", "disableConversationVar", "runSerially", "provider"}
)
_MOST_CASES = 10_000
_MOST_FILLINGS = 5
_NAME = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_CSV_COLUMN = re.compile(r"__expected(\d*)")
_CSV_ASSERTION = re.compile(
    r"(?P<type>(?:not-)?[a-z][a-z0-9:-]*?)(?:\((?P<threshold>\d+(?:\.\d+)?)\))?(?::(?P<value>.*))?", re.DOTALL
)
_CSV_THRESHOLDS = frozenset({"levenshtein", "rouge-n", "similar", "cost", "latency", "perplexity", "classifier"})
_CSV_PROGRAMS = ("javascript:", "fn:", "eval:", "python:")


class Case(NamedTuple):
    """One test with one combination of its vars."""

    node: Node
    description: str | None
    given: Vars
    assertions: tuple[Node, ...]
    own: tuple[Node, ...]
    threshold: Node | None
    judge: Node | None
    metadata: Mapping[str, JsonValue]
    left_out: tuple[Check, ...]
    """What stands for options that change what is scored."""


def read_cases(root: Node, findings: ImportFindings) -> list[Case]:
    """Return every case of a configuration."""
    default = _default_test(root, findings)
    tests = [one for part in _listed(root.get("tests"), findings) for one in part]
    scenarios = list(_scenarios(root.get("scenarios"), findings))
    if not tests and not scenarios:
        tests = [Node({}, root.source, root.path)]
    cases: list[Case] = []
    for parts in [(one,) for one in tests] + scenarios:
        with findings.collecting():
            for case in _combined(parts, default, findings):
                cases.append(case)
                if len(cases) > _MOST_CASES:
                    raise ConfigError([parts[0].problem(f"more than {_MOST_CASES:,} tests", "import it in parts")])
    return cases


def _default_test(root: Node, findings: ImportFindings) -> Node | None:
    node = root.get("defaultTest")
    return node if node is None or node.text is None else findings.document(node, findings.path_of(node, node.text))


def _scenarios(node: Node | None, findings: ImportFindings) -> Iterator[tuple[Node, ...]]:
    """Yield each set of data of each scenario with each of its tests."""
    for entries in _listed(node, findings):
        for scenario in entries:
            findings.check_keys(scenario, ("config", "tests", "description"), "a scenario")
            data = [one for part in _listed(scenario.get("config"), findings) for one in part]
            tests = [one for part in _listed(scenario.get("tests"), findings) for one in part]
            empty = [Node({}, scenario.source, scenario.path)]
            yield from itertools.product(data, tests or empty)


def _listed(node: Node | None, findings: ImportFindings) -> Iterator[list[Node]]:
    """Yield the items of a list; a text among them is a file, or several, that hold more."""
    for one in node.items() if node is not None else ():
        if one.text is None:
            yield [one]
            continue
        with findings.collecting():
            for path in _paths(one, one.text, findings):
                yield _of_file(one, path, findings)


def _paths(node: Node, text: str, findings: ImportFindings) -> list[Path]:
    if re.match(r"(?!file:)[a-z]+://", text) or ":" in Path(text.removeprefix(SCHEME)).name:
        raise ConfigError([node.problem(f"{text!r} is not a file here", "download it, and name the file")])
    path = findings.path_of(node, text)
    if path.is_dir():
        return sorted(one for one in path.iterdir() if one.suffix in {".yaml", ".yml", ".json"})
    if not re.search(r"[*?\[]", text):
        return [path]
    found = sorted(findings.root.glob(str(path.relative_to(findings.root))))
    if not found:
        raise ConfigError([node.problem(f"no file is called {text!r}")])
    return [findings.path_of(node, str(one)) for one in found]


def _of_file(node: Node, path: Path, findings: ImportFindings) -> list[Node]:
    match path.suffix.lower():
        case ".csv":
            return _of_table(path, findings.text_of(node, path))
        case ".jsonl":
            return _of_lines(path, findings.text_of(node, path))
        case ".yaml" | ".yml" | ".json":
            return findings.document(node, path).items()
    what = "a program, which is not run by an import" if path.suffix in PROGRAMS else "of no form that is read here"
    raise ConfigError([node.problem(f"{path.name} is {what}", "write the tests as CSV, JSONL or YAML")])


def _of_lines(path: Path, text: str) -> list[Node]:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            document = read_document(line.encode(), "json")
            placed = Document(value=document.value, places={(): (number, 1)}, problems=document.problems)
            node = Node(document.value, ForeignFile(path.name, path.parent, placed))
            if document.problems:
                raise ConfigError([node.problem(document.problems[0].message)])
            found.append(node)
    return found


def _of_table(path: Path, text: str) -> list[Node]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found, line = [], 2
    try:
        for row in reader:
            source = ForeignFile(path.name, path.parent, Document(value=None, places={(): (line, 1)}))
            if None in row or None in row.values():
                raise ConfigError([Node(None, source).problem("has not as many cells as the first line")])
            found.append(Node(_row(Node(None, source), row), source))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError([Node(None, ForeignFile(path.name, path.parent, Document(value=None, places={(): (line, 1)})))
                           .problem(f"is not valid CSV: {error}")]) from error  # fmt: skip
    return found


def _row(node: Node, row: Mapping[str, str]) -> dict[str, JsonValue]:
    """Return the test that a row of a table stands for; columns of two underscores say more than vars."""
    test: dict[str, JsonValue] = {"vars": {}, "assert": [], "options": {}, "metadata": {}}
    limits: dict[int, float] = {}
    for column, cell in ((column.strip(), cell) for column, cell in row.items()):
        if _CSV_COLUMN.fullmatch(column):
            test["assert"] += [csv_assertion(cell.strip())] if cell.strip() else []
        elif column in {"__prefix", "__suffix"}:
            test["options"] |= {column[2:]: cell} if cell else {}
        elif column == "__threshold":
            test |= {"threshold": _number(node, cell)} if cell.strip() else {}
        elif column in {"__description", "__metric", "__providerOutput"}:
            test |= {column[2:]: cell} if cell else {}
        elif column.startswith("__metadata:"):
            test["metadata"] |= {column[11:]: cell} if cell.strip() else {}
        elif found := re.fullmatch(r"__config:__expected(\d*):threshold", column):
            limits |= {int(found[1] or 1) - 1: _number(node, cell)} if cell.strip() else {}
        elif column.startswith("__"):
            raise ConfigError([node.problem(f"the column {column!r} is not known")])
        else:
            test["vars"][column] = cell
    metric = test.pop("metric", None)
    for place, one in enumerate(test["assert"]):
        one.update({"metric": metric} if metric else {})
        one.update({"threshold": limits[place]} if place in limits else {})
    return {key: value for key, value in test.items() if value not in ({}, [])}


def csv_assertion(text: str) -> dict[str, JsonValue]:
    """Return the assertion that a cell stands for; text alone is what the answer must be."""
    if text.startswith(_CSV_PROGRAMS) or (text.startswith(SCHEME) and Path(text.partition("//")[2]).suffix in PROGRAMS):
        return {"type": "python" if "py" in text.partition(":")[0] else "javascript", "value": text}
    if text.startswith("grade:"):
        return {"type": "llm-rubric", "value": text.removeprefix("grade:")}
    found = _CSV_ASSERTION.fullmatch(text)
    if found is None or not is_known(found["type"]):
        return {"type": "equals", "value": text}
    kind, value = found["type"], found["value"]
    made: dict[str, JsonValue] = {"type": kind, **({} if value is None else {"value": value.strip()})}
    if found["threshold"] or kind.removeprefix("not-") in _CSV_THRESHOLDS:
        usual = 0.8 if kind.removeprefix("not-") == "similar" else 0.75
        made["threshold"] = float(found["threshold"] or usual)
    return made


def _number(node: Node, cell: str) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise ConfigError([node.problem(f"{cell!r} is not a number")]) from error


def _combined(parts: tuple[Node, ...], default: Node | None, findings: ImportFindings) -> Iterator[Case]:
    """Yield the cases of a test, which takes what it lacks from its scenario and from the default test."""
    test = parts[-1]
    for one in (*parts, *([default] if default is not None else [])):
        if not isinstance(one.value, Mapping):
            raise ConfigError([one.problem("a test is a mapping with `vars` and `assert`")])
        findings.check_keys(one, KEYS, "a test")
    layers = (*([default] if default is not None else []), *parts)
    own = tuple(one for part in parts for one in _assertions(part, findings))
    left_out = tuple(check for layer in layers for check in _left_out(layer, findings))
    options = {key: held for layer in layers for key, held in (layer.get("options") or Node({}, test.source)).fields()}
    expected = (
        _assertions(default, findings) if default is not None and not _is_on(options, "disableDefaultAsserts") else ()
    )
    metadata = {key: held for layer in layers for key, held in _mapping(layer.get("metadata")).items()}
    for given in _combinations(layers, findings, spread=not _is_on(options, "disableVarExpansion")):
        yield Case(
            node=test,
            description=_last(layers[-len(parts):], "description"),
            given=given,
            assertions=(*expected, *own),
            own=own,
            threshold=next((held for layer in reversed(layers) if (held := layer.get("threshold"))), None),
            judge=options.get("provider"),
            metadata=metadata,
            left_out=left_out,
        )  # fmt: skip


def _is_on(options: Mapping[str, Node], key: str) -> bool:
    return key in options and options[key].value is True


def _last(layers: tuple[Node, ...], key: str) -> str | None:
    return next((held.text for layer in reversed(layers) if (held := layer.get(key)) is not None and held.text), None)


def _mapping(node: Node | None) -> Mapping[str, JsonValue]:
    return js_value(node.value) if node is not None and isinstance(node.value, Mapping) else {}


def _left_out(test: Node, findings: ImportFindings) -> Iterator[Check]:
    """Leave out what a test wants beyond its vars and assertions; yield a check for what would be scored otherwise."""
    for key, why in (
        ("providers", "every model here answers every example"),
        ("prompts", "every prompt here is asked with every example"),
        ("provider", "every model here answers every example"),
        ("providerOutput", "answers that are stored are imported as a table"),
        ("assertScoringFunction", "no program is run by an import"),
    ):
        held = test.get(key)
        if held is not None:
            findings.leave_out(held, f"test: {key}", why)
            if key in {"providerOutput", "assertScoringFunction"}:
                yield never(key, held)
    options = test.get("options")
    if options is None:
        return
    findings.check_keys(options, _OPTIONS, "options")
    for key, held in options.fields():
        if key not in _NO_MATTER and held.value is not None:
            findings.leave_out(held, f"test: options.{key}", "nothing here stands for it")
            yield never(f"options.{key}", held)


def _assertions(test: Node, findings: ImportFindings) -> tuple[Node, ...]:
    node = test.get("assert")
    if node is None:
        return ()
    found: list[Node] = []
    for part in _listed(node, findings):
        found += part
    return tuple(found)


def _combinations(
    layers: tuple[Node, ...], findings: ImportFindings, *, spread: bool
) -> Iterator[dict[str, JsonValue]]:
    """Yield every combination of the vars that are lists of texts, templates in them filled in."""
    nodes: dict[str, Node] = {}
    for layer in layers:
        held = layer.get("vars")
        if held is not None and held.text is not None and held.text.startswith(SCHEME):
            findings.note(held, f"promptfoo 0.123 finds no vars here: it wants {held.text.removeprefix(SCHEME)!r}")
        for part in _listed(held, findings) if held is not None and not isinstance(held.value, Mapping) else [[held]]:
            nodes |= {key: one for node in part if node is not None for key, one in node.fields()}
    choices = {key: _choices(node, findings, spread=spread) for key, node in nodes.items()}
    count = 1
    for values in choices.values():
        count *= len(values)
        if count > _MOST_CASES:
            raise ConfigError([layers[-1].problem(f"its vars have more than {_MOST_CASES:,} combinations")])
    for chosen in itertools.product(*choices.values()):
        yield _resolved(dict(zip(choices, chosen, strict=True)), nodes)


def _choices(node: Node, findings: ImportFindings, *, spread: bool) -> list[JsonValue]:
    value = node.value
    if isinstance(value, list) and value and isinstance(value[0], str) and spread:
        return [one for each in node.items() for one in _choices(each, findings, spread=False)]
    if not isinstance(value, str) or not value.startswith(SCHEME):
        return ["" if value is None else js_value(value)]
    return [_of_text_file(node, path, findings) for path in _paths(node, value, findings)]


def _of_text_file(node: Node, path: Path, findings: ImportFindings) -> str:
    suffix = path.suffix.lower()
    if suffix in {".yaml", ".yml"}:
        return json.dumps(js_value(findings.document(node, path).value), ensure_ascii=False, separators=(",", ":"))
    if suffix in {*PROGRAMS, ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".mp3", ".wav", ".mp4"}:
        raise ConfigError([node.problem(f"{path.name} is no text", "no program is run, and only text is read")])
    return findings.text_of(node, path).strip()


def _resolved(given: dict[str, JsonValue], nodes: Mapping[str, Node]) -> dict[str, JsonValue]:
    """Fill in the vars that name one another. Raises ConfigError for more than a name."""
    given = {key: value.removesuffix("\n") if isinstance(value, str) else value for key, value in given.items()}
    for key, value in given.items():
        if not isinstance(value, str) or ("{{" not in value and "{%" not in value):
            continue
        text = value
        for _ in range(_MOST_FILLINGS):
            text = _NAME.sub(lambda name: js_text(given[name[1]]) if name[1] in given else name[0], text)
        left = [name for name in _NAME.findall(text) if name in given]
        if re.search(r"\{\{\s*env\b", text):
            raise ConfigError([nodes[key].problem(f"the var {key!r} reads the environment", "write the text it is")])
        if left or "{%" in text or re.search(r"\{\{\s*\w+\s*[|.\[]", text):
            raise ConfigError([nodes[key].problem(f"the var {key!r} is a template of its own", "write its value")])
        given[key] = text
    return given
