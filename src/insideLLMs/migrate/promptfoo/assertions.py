"""An assertion of promptfoo's -> a check with the same verdict."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import ArgumentError, ConfigError
from insideLLMs.core.types import JsonValue
from insideLLMs.migrate.draft import NEVER
from insideLLMs.migrate.js_regex import exactly, python_pattern
from insideLLMs.migrate.nunjucks import literal
from insideLLMs.migrate.promptfoo.values import Vars, filled, filled_value, js_text, js_value
from insideLLMs.migrate.source import ImportFindings, Node

Check = dict[str, JsonValue]
KEYS = ("type", "value", "threshold", "weight", "metric", "provider", "rubricPrompt", "config", "transform",
        "contextTransform", "description", "assert")  # fmt: skip
BY_DEGREE = frozenset({"rouge-n", "similar", "llm-rubric", "g-eval", "factuality", "model-graded-closedqa"})
JUDGED = frozenset({"llm-rubric", "g-eval", "factuality", "model-graded-factuality", "model-graded-closedqa"})
LIMITS = {"latency": "latency_ms.max", "cost": "cost_usd.max"}
_YOUR_FUNCTION = "write it in Python: {type: function, function: checks.py:NAME} in the experiment's checks"
_NO_LIKE: dict[str, str] = {
    **dict.fromkeys(("javascript", "python", "ruby"), f"no program is run by an import; {_YOUR_FUNCTION}"),
    "webhook": f"nothing is sent by an import; {_YOUR_FUNCTION}",
    **dict.fromkeys(("bleu", "gleu", "meteor"), "there is no such measure here; `rouge` and `f1` are near"),
    **dict.fromkeys(("perplexity", "perplexity-score"), "no check reads log probabilities"),
    **dict.fromkeys(("is-xml", "contains-xml", "is-sql", "contains-sql", "is-html", "contains-html"),
                    f"there is no parser for it here; {_YOUR_FUNCTION}"),
    **dict.fromkeys(("answer-relevance", "context-recall", "context-relevance", "context-faithfulness",
                     "conversation-relevance", "search-rubric", "agent-rubric", "pi"),
                    "its score comes of several calls; write what it asks as the rubric of a `judge`"),
    **dict.fromkeys(("classifier", "moderation", "guardrails"), f"there is no classifier here; {_YOUR_FUNCTION}"),
    **dict.fromkeys(("is-valid-function-call", "is-valid-openai-function-call", "is-valid-openai-tools-call",
                     "tool-call-f1", "skill-used"), "tool calls are scored by the probe `agent`"),
    **dict.fromkeys(("select-best", "max-score"), "it compares prompts; every prompt here is scored by itself"),
    "is-refusal": "its list of phrases is not the same here; the probe `attack` tells refusals",
    "finish-reason": "no check reads why an answer ended",
}  # fmt: skip


class Assertion(NamedTuple):
    """One assertion, its value filled in for one test."""

    node: Node
    kind: str
    value: JsonValue
    threshold: float | None

    def wrong(self, message: str) -> ConfigError:
        """Make the error of what promptfoo itself cannot score."""
        return ConfigError([(self.node.get("value") or self.node).problem(f"{self.kind}: {message}")])

    @property
    def words(self) -> str:
        """The value as text that is not empty. Raises ConfigError."""
        if not isinstance(self.value, str) or not self.value:
            raise self.wrong("its value must be text, and not empty")
        return self.value

    def limit(self, usual: float) -> float:
        """Return the threshold, or the usual one."""
        return usual if self.threshold is None else self.threshold


def is_known(kind: str) -> bool:
    """Whether promptfoo has an assertion of this type, with or without `not-`."""
    return kind.removeprefix("not-") in {*_MADE, *_NO_LIKE, *LIMITS}


def base_type(node: Node) -> tuple[str, bool]:
    """Return the type of an assertion without `not-`, and whether that was there. Raises ConfigError."""
    kind = node.get("type")
    if kind is None or not kind.text:
        raise ConfigError([node.problem("an assertion without a type", f"known: {', '.join(sorted(_MADE))}")])
    base = kind.text.removeprefix("not-")
    known = (*_MADE, *_NO_LIKE, *LIMITS, "assert-set")
    if base not in known and not base.startswith(("trajectory:", "trace-", "promptfoo:")):
        near = nearest(base, known)
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(known))}"
        raise ConfigError([kind.problem(f"{kind.text!r} is not an assertion", hint)])
    return base, kind.text != base


def read_assertion(node: Node, given: Vars, findings: ImportFindings) -> Check:
    """Return the check for an assertion; one that no answer passes where it is left out. Raises ConfigError."""
    findings.check_keys(node, KEYS, "an assertion")
    kind, negated = base_type(node)
    reason = _reason_to_leave_out(node, kind, negated)
    check: Check = {}
    if reason is None and kind == "assert-set":
        check = _group(node, given, findings)
    elif reason is None:
        value = node.get("value")
        made = Assertion(node, kind, None if value is None else filled_value(value, given, findings), _threshold(node))
        try:
            check = _MADE[kind](made, findings)
        except ArgumentError as error:
            reason = error.message
    if reason is not None:
        findings.leave_out(node, f"{'not-' if negated else ''}{kind}", reason)
        return {**never(kind, node), **_weight(node)}
    return {**_name(node, given), **check, **({"not": True} if negated else {}), **_weight(node)}


def never(what: str, node: Node) -> Check:
    """Return the check that no answer passes, in the place of what was left out."""
    return {"type": "regex", "pattern": NEVER, "name": f"left out: {what} ({node.place})"}


def _reason_to_leave_out(node: Node, kind: str, negated: bool) -> str | None:
    for key in ("transform", "contextTransform", "rubricPrompt", "config"):
        if node.get(key) is not None and not (key == "config" and node.value["config"] == {}):
            return f"its {key!r} has no equivalent here"
    if negated and kind == "similar":
        return "texts are compared by another model here, so that more might count as unlike"
    if negated and kind == "assert-set":
        return "promptfoo has no such assertion"
    return _NO_LIKE.get(kind, None if kind in _MADE or kind == "assert-set" else "there is no such check here")


def _group(node: Node, given: Vars, findings: ImportFindings) -> Check:
    inner = node.get("assert")
    if inner is None or not inner.value or not isinstance(inner.value, list):
        raise ConfigError([node.problem("assert-set: has no `assert`")])
    if _weight(node).get("weight") == 0:
        raise ConfigError([node.problem("assert-set: has no weight", "leave the set out")])
    threshold = _threshold(node)
    if threshold is not None:
        check_threshold(node, inner.items(), threshold)
    checks = distinct(read_assertion(one, given, findings) for one in inner.items())
    return {"type": "checks", **({"threshold": threshold} if threshold is not None else {}), "checks": checks}


def distinct(checks: Iterable[Check], taken: Iterable[str] = ()) -> list[Check]:
    """Number checks of one name: a score has one."""
    seen = set(taken)
    return [{**check, "name": unique(str(check["name"]), seen)} if "name" in check else check for check in checks]


def unique(name: str, taken: set[str]) -> str:
    """Return the name, numbered if it is taken, and take it."""
    made = next(one for one in (name, *(f"{name} {at}" for at in range(2, len(taken) + 3))) if one not in taken)
    taken.add(made)
    return made


def check_threshold(node: Node, assertions: list[Node], threshold: float) -> None:
    """Raise ConfigError for a threshold that counts what is no count of checks that passed."""
    if not 0 < threshold <= 1:
        raise ConfigError([node.problem(f"the threshold {threshold:g} lets everything pass, or nothing")])
    for one in assertions:
        kind, _ = base_type(one)
        if kind in BY_DEGREE or kind in LIMITS or kind == "assert-set":
            raise ConfigError(
                [one.problem(f"{kind}: gives a graded score towards a threshold, but a check passes or fails",
                             "remove the threshold, or put the assertion into its own test")]
            )  # fmt: skip


def _threshold(node: Node) -> float | None:
    found = node.get("threshold")
    if found is None:
        return None
    if isinstance(found.value, bool) or not isinstance(found.value, int | float):
        raise ConfigError([found.problem(f"is {found.value!r}; a threshold is a number")])
    return js_value(found.value)  # type: ignore[no-any-return] # it is a number


def _weight(node: Node) -> Check:
    found = node.get("weight")
    if found is None or found.value == 1:
        return {}
    if isinstance(found.value, bool) or not isinstance(found.value, int | float) or found.value < 0:
        raise ConfigError([found.problem(f"is {found.value!r}; a weight is a number from 0 on")])
    return {"weight": js_value(found.value)}


def _name(node: Node, given: Vars) -> Check:
    metric = node.get("metric")
    name = filled(metric, metric.text, given).strip() if metric is not None and metric.text else ""
    if metric is None or not name:
        return {}
    return {"name": f"{name} (metric)" if name in {"correct", "score"} else name}


def _texts(made: Assertion) -> list[str]:
    value = made.value
    if isinstance(value, str):
        value = _comma_separated(made, value)
    if not isinstance(value, list) or not value:
        raise made.wrong("its value must be a list of texts, or texts separated by commas")
    texts = [js_text(one) for one in value]
    if "" in texts:
        raise made.wrong("an empty text is found in every answer")
    return texts


def _comma_separated(made: Assertion, text: str) -> list[str]:
    """Split at commas outside of quotes, in which a quote is doubled or stands behind a backslash."""
    found: list[str] = []
    rest = text.strip().lstrip(",").lstrip()
    while rest:
        if rest[0] == '"':
            field, at = "", 1
            while at < len(rest) and (rest[at] != '"' or rest[at + 1 : at + 2] == '"'):
                at += rest[at] == '"' or (rest[at] == "\\" and rest[at + 1 : at + 2] in {'"', "\\"})
                field += rest[at : at + 1]
                at += 1
            rest = rest[at + 1 :].lstrip()
            if at >= len(text) or (rest and rest[0] != ","):
                raise made.wrong("a quote does not end before the comma")
        else:
            field, _, rest = rest.partition(",")
            field, rest = field.strip(), rest and f",{rest}"
        found.append(field)
        rest = rest.lstrip(", \t\r\n")
    return found


def _contains(made: Assertion, _: ImportFindings) -> Check:
    exact = {"normalise": "none", **({} if made.kind.startswith("i") else {"ignore_case": False})}
    if made.kind.endswith("-any"):
        return {"type": "contains", "any": _texts(made), **exact}
    if made.kind.endswith("-all"):
        return {"type": "contains", "all": _texts(made), **exact}
    number = isinstance(made.value, int | float) and not isinstance(made.value, bool)
    return {"type": "contains", "any": [js_text(made.value) if number else made.words], **exact}


def _equals(made: Assertion, _: ImportFindings) -> Check:
    if made.node.get("value") is None:
        raise made.wrong("lacks a value")
    if isinstance(made.value, Mapping | list):
        return {"type": "json_schema", "schema": {"const": made.value}, "within": "whole"}
    if not js_text(made.value).strip():
        raise ArgumentError("it expects an empty answer, which always fails here")
    return {"type": "equals", "expected": js_text(made.value), "normalise": "none"}


def _starts_with(made: Assertion, _: ImportFindings) -> Check:
    return {"type": "regex", "pattern": r"\A" + exactly(made.words)}


def _regex(made: Assertion, _: ImportFindings) -> Check:
    return {"type": "regex", "pattern": python_pattern(made.words)}


def _json(made: Assertion, findings: ImportFindings) -> Check:
    schema = made.value
    if isinstance(schema, str) and schema:
        from insideLLMs.core.documents import read_document  # noqa: PLC0415 - only for a schema that is text

        document = read_document(schema.encode(), "yaml")
        if document.problems:
            raise made.wrong(f"its schema {document.problems[0].message}")
        schema = document.value
    if not schema:
        schema = True
    elif not isinstance(schema, Mapping):
        raise made.wrong("its value is no JSON Schema")
    else:
        if _uses_formats(schema):
            raise ArgumentError("its schema has a `format`, which is not checked here; write it as a `pattern`")
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    if made.kind == "contains-json":
        findings.note(made.node, "contains-json: only strict JSON counts; promptfoo also reads YAML objects")
    return {"type": "json_schema", "schema": schema, "within": "whole" if made.kind == "is-json" else "anywhere"}


def _uses_formats(schema: JsonValue) -> bool:
    """Whether a schema wants a format checked; `format` may also be the name of a property."""
    if isinstance(schema, list):
        return any(map(_uses_formats, schema))
    if not isinstance(schema, Mapping):
        return False
    named = ("properties", "patternProperties", "definitions", "$defs")
    if isinstance(schema.get("format"), str):
        return True
    within = [held for key, held in schema.items() if key not in {*named, "const", "enum", "default", "examples"}]
    within += [held for key in named if isinstance(schema.get(key), Mapping) for held in schema[key].values()]
    return any(map(_uses_formats, within))


def _word_count(made: Assertion, _: ImportFindings) -> Check:
    value = made.value
    bounds = value if isinstance(value, Mapping) else {"min": value, "max": value}
    try:
        low, high = (None if bounds.get(key) is None else math.floor(float(bounds[key])) for key in ("min", "max"))
    except (TypeError, ValueError) as error:
        raise made.wrong("its value is no number, nor a mapping with min and max") from error
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        raise made.wrong("its value must have a min or a max, and min at most max")
    times = f"{{{low or 0},{'' if high is None else high}}}"
    return {"type": "regex", "pattern": rf"\A\s*+(?:\S++\s*+){times}\Z"}


def _levenshtein(made: Assertion, _: ImportFindings) -> Check:
    return {"type": "edit_similarity", "expected": made.words, "max_edits": max(0, math.floor(made.limit(5)))}


def _rouge(made: Assertion, findings: ImportFindings) -> Check:
    findings.note(made.node, "rouge-n: words are split differently, so scores near the threshold may differ")
    return {"type": "rouge", "variant": "rouge1", "expected": made.words, "threshold": made.limit(0.75)}


def _similar(made: Assertion, findings: ImportFindings) -> Check:
    findings.note(made.node, "similar: a model on this machine compares the texts; check the threshold on some answers")
    expected = made.value if isinstance(made.value, list) else made.words
    return {"type": "embedding_similarity", "expected": expected, "threshold": made.limit(0.75)}


def _judged(made: Assertion, findings: ImportFindings) -> Check:
    findings.note(made.node, f"{made.kind}: the judge gets a different prompt, and may judge differently")
    said = "\n".join(map(js_text, made.value)) if isinstance(made.value, list) else made.words
    scale, limit = [0, 1], made.limit(0.5)
    if made.kind == "g-eval":
        scale, limit = [0, 10], 10 * made.limit(0.7)
    elif made.kind == "model-graded-closedqa":
        said = f"Grade 1 if the answer meets this criterion, and 0 if it does not: {said}"
    elif made.kind != "llm-rubric":
        said = f"Grade 0 if the answer contradicts this in fact, and 1 if it does not: {said}"
    return {"type": "judge", "rubric": literal(said), "scale": scale, "threshold": js_value(limit)}


_MADE: Mapping[str, Callable[[Assertion, ImportFindings], Check]] = {
    **dict.fromkeys(
        ("contains", "icontains", "contains-any", "icontains-any", "contains-all", "icontains-all"), _contains
    ),
    "equals": _equals,
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _json,
    "contains-json": _json,
    "word-count": _word_count,
    "levenshtein": _levenshtein,
    "rouge-n": _rouge,
    "similar": _similar,
    "similar:cosine": _similar,
    **dict.fromkeys(sorted(JUDGED), _judged),
}
