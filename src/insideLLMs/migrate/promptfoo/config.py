"""A whole configuration of promptfoo's -> an experiment."""

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import ConfigError, TemplateError
from insideLLMs.core.template import Template
from insideLLMs.core.types import EXPECTED_KEYS, JsonValue
from insideLLMs.datasets.examples import INPUT_KEYS
from insideLLMs.migrate.draft import Draft
from insideLLMs.migrate.promptfoo.assertions import (
    JUDGED,
    LIMITS,
    Check,
    base_type,
    check_threshold,
    distinct,
    read_assertion,
    unique,
)
from insideLLMs.migrate.promptfoo.cases import Case, read_cases
from insideLLMs.migrate.promptfoo.prompts import names_of, raw_prompts, read_prompt, unread_json
from insideLLMs.migrate.promptfoo.providers import read_provider, read_providers
from insideLLMs.migrate.promptfoo.values import prints_whole
from insideLLMs.migrate.source import ImportFindings, Node

_KEYS = ("description", "tags", "providers", "targets", "prompts", "tests", "scenarios", "defaultTest", "outputPath",
         "evaluateOptions", "commandLineOptions", "sharing", "writeLatestResults", "nunjucksFilters", "extensions",
         "env", "redteam", "derivedMetrics", "metadata", "assertionTemplates", "tracing", "$schema", "id",
         "version")  # fmt: skip
_NOT_HERE = {
    "nunjucksFilters": "filters are written in JavaScript",
    "extensions": "no program is run by an import",
    "redteam": "attacks here are the probe `attack` and its datasets",
    "derivedMetrics": "scores are not computed from scores; see `gate: {min_score: ...}`",
    "tracing": "spans are collected by the extra `otel`",
}
_NO_PLACE = {
    "outputPath": "`run --run-dir` says where",
    "sharing": "nothing is shared",
    "tags": "nothing stands for them",
}
_OPTIONS = ("maxConcurrency", "repeat", "delay", "showProgressBar", "cache", "timeoutMs", "maxEvalTimeMs", "verbose",
            "write", "table", "share", "grader", "suggestPrompts", "envPath", "generateSuggestions")  # fmt: skip
_RESERVED = frozenset({"checks", "all", "any", "none", "regex", "constraints", "given"})
_GRADER = "openai:chat:gpt-5.6-sol"
"""The model that grades in promptfoo 0.123 where a configuration names none."""
_LONGEST_ID = 80
_DUMPED = re.compile(r"\|\s*dump(?!\w)")
_WRITTEN_OTHERWISE = "a list or mapping is written as JSON with its keys in order; promptfoo writes it otherwise"
_LIKE_A_CHAT = re.compile(
    r'\s*(?:- role:|\{.*\}\s*\Z|\[\s*(?:["{\[\d-]|true|false|null).*\]\s*\Z|\[\s*\]\s*\Z)', re.DOTALL
)
_ID, _NOTHING = "_id", "_expected"
"""Columns of a dataset whose tests have vars of the names by which ids and expected answers go."""


class _Group(msgspec.Struct):
    """Cases that one probe scores: the same threshold, judge and limits."""

    args: dict[str, JsonValue]
    limits: dict[str, float]
    places: tuple[str, ...]
    shared: tuple[Node, ...]
    has_checks: bool
    cases: list[tuple[Case, list[Check]]] = msgspec.field(default_factory=list)

    def scores_like(self, other: "_Group") -> bool:
        """Whether one probe can score both; where only one has a judge, it asks that."""
        judges = [group.args["judges"] for group in (self, other) if "judges" in group.args]
        return (
            self.args.get("threshold") == other.args.get("threshold")
            and (self.limits, self.places, self.has_checks) == (other.limits, other.places, other.has_checks)
            and all(judge == judges[0] for judge in judges)
        )


def is_promptfoo(value: JsonValue) -> bool:
    """Whether a file's value is a configuration of promptfoo's."""
    if not isinstance(value, Mapping) or {"models", "model", "probes", "probe", "results"} & set(value):
        return False
    return bool({"providers", "targets"} & set(value)) or {"prompts", "tests"} <= set(value)


def read_promptfoo(root: Node, findings: ImportFindings) -> Draft:
    """Return the experiment; what cannot be carried over is among the findings."""
    findings.check_keys(root, _KEYS, "the configuration")
    for key, why in _NOT_HERE.items():
        held = root.get(key)
        if held is not None:
            findings.leave_out(held, key, why)
    for key, why in _NO_PLACE.items():
        held = root.get(key)
        if held is not None and held.value is not False:
            findings.note(held, f"{key}: {why}")
    for name, held in (root.get("env") or Node({}, root.source)).fields():
        findings.variable(held, name, str(held.value))
    draft = Draft(title=_text(root.get("description")), origin=root.source.shown)
    _add_models(root, draft, findings)
    cases = read_cases(root, findings)
    _add_prompts(root, cases, draft, findings)
    _add_probes(cases, draft, findings)
    _add_options(root, draft, findings)
    return draft


def _text(node: Node | None) -> str | None:
    return None if node is None else node.text


def _add_models(root: Node, draft: Draft, findings: ImportFindings) -> None:
    node = root.get("providers") or root.get("targets")
    if node is None:
        findings.refuse(root, "names no provider", "add `providers:`")
        return
    found = read_providers(node, findings)
    draft.models = [model for _, model in found]
    draft.place("models", node)
    prompts = [_labels(entry) for entry, _ in found]
    for (entry, _), labels in zip(found, prompts, strict=True):
        if labels is not None and any(labels != others for others in prompts):
            findings.leave_out(entry, "provider: prompts", "every model here is asked with every prompt",
                               "write an experiment for each set of models and prompts")  # fmt: skip


def _labels(entry: Node) -> JsonValue:
    held = entry.get("prompts")
    if held is None and isinstance(entry.value, Mapping) and len(entry.keys()) == 1:
        inner = entry.get(entry.keys()[0])
        held = None if inner is None else inner.get("prompts")
    return None if held is None else held.value


def _add_prompts(root: Node, cases: Sequence[Case], draft: Draft, findings: ImportFindings) -> None:
    node = root.get("prompts")
    names = {name for case in cases for name in case.given}
    ids: set[str] = set()
    for raw in raw_prompts(node, root, findings):
        with findings.collecting():
            entry = None if unread_json(raw) else read_prompt(raw, names, findings)
            if entry is None or _fills_to_json(entry, cases, draft):
                findings.leave_out(raw.node, "prompt", "its chat is JSON only once it is filled in", "write messages")
                continue
            if "id" in entry:
                entry["id"] = unique(str(entry["id"]), ids)
            draft.prompts.append(entry)
            if _DUMPED.search(raw.text) or any(prints_whole(raw.text, case.given) for case in cases):
                findings.note(raw.node, _WRITTEN_OTHERWISE)
            _complete(raw.node, names_of(entry), cases, findings)
    draft.place("prompts", node or root)
    if not draft.prompts and not findings.wrong:
        findings.refuse(node or root, "no prompt is left", "write one that can be carried over")


def _fills_to_json(entry: Mapping[str, JsonValue], cases: Sequence[Case], draft: Draft) -> bool:
    """Whether promptfoo would read a filled-in text as the messages of a chat, as it does with all that looks so."""
    if "template" not in entry or all(model["type"] == "http" for model in draft.models):
        return False
    template = Template(entry["template"])
    for case in cases:
        with contextlib.suppress(TemplateError):  # the check of the case reports what it lacks
            if _LIKE_A_CHAT.match(template.render(case.given)):
                return True
    return False


def _complete(node: Node, wanted: Iterable[str], cases: Sequence[Case], findings: ImportFindings) -> None:
    """Give cases that lack a var of a prompt an empty one, as promptfoo does; no case has what is misspelt."""
    for name in wanted:
        lacking = [case for case in cases if name not in case.given]
        if cases and len(lacking) == len(cases):
            near = nearest(name, sorted({key for case in cases for key in case.given}))
            findings.refuse(
                node, f"names {{{{ {name} }}}}, which no test has", f"did you mean {near!r}?" if near else None
            )
            continue
        for case in lacking:
            case.given[name] = ""  # type: ignore[index] # made for it by read_cases
            findings.note(case.node, f"a test without {name!r} gets an empty one, as in promptfoo")


def _add_probes(cases: Sequence[Case], draft: Draft, findings: ImportFindings) -> None:
    groups: list[_Group] = []
    for case in cases:
        with findings.collecting():
            _put(case, groups, findings)
    names: set[str] = set()
    ids: set[str] = set()
    for group in groups:
        kind = "checks" if group.has_checks else "record"
        name = unique(kind, names)
        shared = [read_assertion(one, {}, findings) for one in group.shared]
        args = {**group.args, **({"checks": distinct(shared)} if shared else {})}
        taken = {str(check["name"]) for check in shared if "name" in check}
        rows = [_example(case, checks, taken, ids, findings) for case, checks in group.cases]
        draft.probes.append({"type": kind, **({"id": name} if name != kind else {}), **({"args": args} if args else {}),
                             "dataset": _dataset(name, rows)})  # fmt: skip
        if kind == "checks":
            draft.gate["min_pass_rate"] = 1
        if group.limits:
            draft.gate.setdefault("probes", {})[name] = {"max": group.limits}


def _put(case: Case, groups: list[_Group], findings: ImportFindings) -> None:
    """Read the assertions of a case, and put it beside those that are scored alike."""
    counted = [one for one in case.assertions if base_type(one)[0] not in LIMITS]
    own = {id(one.value) for one in case.own}
    shared = tuple(
        one for one in counted if id(one.value) not in own and "{{" not in json.dumps(one.value, default=str)
    )
    made = _Group(
        args=_args(case, counted, findings),
        limits=_limits(case, findings),
        places=tuple(one.place for one in shared),
        shared=shared,
        has_checks=bool(counted or case.left_out),
    )
    checks = [read_assertion(one, case.given, findings) for one in counted if one not in shared]
    checks += case.left_out
    if counted and not any(check.get("weight", 1) for check in checks) and not shared:
        raise ConfigError([case.node.problem("no assertion has a weight", "leave them out, or give one a weight")])
    group = next((one for one in groups if one.scores_like(made)), made)
    if group is made:
        groups.append(made)
    group.args.update(made.args)
    group.cases.append((case, checks))


def _args(case: Case, counted: list[Node], findings: ImportFindings) -> dict[str, JsonValue]:
    """Return the arguments of the probe that scores a case: its threshold and its judge."""
    args: dict[str, JsonValue] = {}
    if case.threshold is not None and counted:
        value = case.threshold.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError([case.threshold.problem(f"is {value!r}; a threshold is a number")])
        check_threshold(case.threshold, list(case.assertions), value)
        args["threshold"] = value
    judge = _judge(case, counted, findings)
    return args if judge is None else {**args, "judges": judge}


def _limits(case: Case, findings: ImportFindings) -> dict[str, float]:
    """Return the limits on latency and cost, which are the gate's."""
    limits: dict[str, float] = {}
    for one in case.assertions:
        kind, negated = base_type(one)
        if kind not in LIMITS:
            continue
        bound = one.get("threshold")
        if negated or bound is None or isinstance(bound.value, bool) or not isinstance(bound.value, int | float):
            raise ConfigError([one.problem(f"{kind}: must have a number as its threshold, and no `not-`")])
        if (one.get("weight") or bound).value == 0 and one.get("weight") is not None:
            continue
        findings.note(one, f"{kind}: the gate checks it on the slowest or most expensive answer of these tests")
        if kind == "cost":
            findings.note(one, "cost: the gate is inconclusive until prices are known, by `prices` of `execution`")
        limits[LIMITS[kind]] = min(bound.value, limits.get(LIMITS[kind], bound.value))
    return limits


def _judge(case: Case, assertions: Sequence[Node], findings: ImportFindings) -> JsonValue:
    """Return the model that the judged assertions of a case ask; None where there are none."""
    judged = [one for one in _flat(assertions) if base_type(one)[0] in JUDGED]
    nodes = [one.get("provider") or case.judge for one in judged]
    if not nodes:
        return None
    asked = [_text_judge(node) for node in nodes]
    models = [None if node is None else read_provider(node, findings) for node in asked]
    if any(model != models[0] for model in models):
        raise ConfigError([judged[0].problem("the assertions of one test ask different judges", "name one for all")])
    if models[0] is None:
        findings.note(judged[0], f"no judge is named: it is {_GRADER}, as in promptfoo with OPENAI_API_KEY")
        return {"type": "openai", "args": {"model_name": _GRADER.rpartition(":")[2]}}
    return models[0]


def _text_judge(node: Node | None) -> Node | None:
    """Return what answers with text, where judges of several kinds are named."""
    return node.get("text") if node is not None and node.get("text") is not None and node.get("id") is None else node


def _flat(assertions: Iterable[Node]) -> list[Node]:
    found: list[Node] = []
    for one in assertions:
        inner = one.get("assert")
        found += _flat(inner.items()) if inner is not None and base_type(one)[0] == "assert-set" else [one]
    return found


def _example(
    case: Case, checks: list[Check], taken: set[str], ids: set[str], findings: ImportFindings
) -> dict[str, JsonValue]:
    reserved = _RESERVED & set(case.given)
    if reserved:
        findings.refuse(case.node, f"a var is called {min(reserved)!r}, which means something else here", "rename it")
    row: dict[str, JsonValue] = {_ID if "id" in case.given else "id": unique(_name_of(case), ids)}
    if not any(isinstance(case.given.get(key), str) and case.given[key] for key in INPUT_KEYS):
        row["input"] = next((value for value in case.given.values() if isinstance(value, str) and value), "-")
    row |= case.given
    if case.metadata and "metadata" not in row:
        row["metadata"] = dict(case.metadata)
    return {**row, **({"checks": distinct(checks, taken)} if checks else {})}


def _name_of(case: Case) -> str:
    if case.description and case.description.strip():
        return re.sub(r"\s+", " ", case.description).strip()[:_LONGEST_ID]
    words = " ".join(re.sub(r"\s+", " ", str(value)) for value in case.given.values() if isinstance(value, str | int))
    return words.strip()[:_LONGEST_ID].strip() or "test"


def _dataset(name: str, rows: list[dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """Return the dataset of a probe: its ids and inputs are known by names that no var has."""
    keys = {key for row in rows for key in row}
    roles: dict[str, str] = {}
    if keys & set(EXPECTED_KEYS):
        roles["expected"] = _NOTHING
    if _ID in keys:
        roles["id"] = _ID
        rows = [row if _ID in row else {_ID: row["id"], **row} for row in rows]
    return {"name": f"{name} tests", **({"field_names": roles} if roles else {}), "examples": rows}


def _add_options(root: Node, draft: Draft, findings: ImportFindings) -> None:
    for node in (root.get("commandLineOptions"), root.get("evaluateOptions")):
        if node is None:
            continue
        findings.check_keys(node, _OPTIONS, "options")
        for key, held in node.fields():
            match key, held.value:
                case "repeat", int(count) if count > 0:
                    draft.repeats = count
                case "maxConcurrency", int(count) if count > 0:
                    draft.execution["concurrency"] = count
                case "timeoutMs", int(limit) if limit > 0:
                    draft.execution["timeout_s"] = limit / 1000
                case "delay" | "maxEvalTimeMs", _:
                    findings.note(held, f"{key}: see `execution: {{requests_per_minute, max_cost_usd}}`")
