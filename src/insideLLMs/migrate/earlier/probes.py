"""Probes of the earlier insideLLMs -> probes."""

import inspect
import re
from collections.abc import Mapping

from insideLLMs.core.types import JsonValue
from insideLLMs.migrate.draft import NEVER
from insideLLMs.migrate.earlier.rows import EarlierDataset
from insideLLMs.migrate.source import ImportFindings, Node
from insideLLMs.plugins import probe_registry

_ATTACKS = "answers were searched for words; here the `triggers` of a row say what a success is"
_CODE = "answers were searched for words; here a program is run against the `cases` or the `test` of its row"
_ATTACK = (("prompt", "attack"), ("triggers",), _ATTACKS)
_TASK = ("task", "instruction")
PROBES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...] | None, str]] = {
    "logic": (("problem", "question"), (), ""),
    "factuality": (("question",), (), ""),
    "instruction_following": (_TASK, (), ""),
    "constraint_compliance": (_TASK, (), ""),
    "record": (("prompt",), (), ""),
    "attack": _ATTACK,
    "prompt_injection": _ATTACK,
    "jailbreak": _ATTACK,
    "bias": (("prompt",), ("a", "b"),
             "its rows are two prompts; here a row is one prompt with {person} in it, and who that is: `a` and `b`"),
    "multi_step_task": (("task",), None, "`steps` were what to do; here they are the right results, in order"),
    "code_generation": (("task", "description"), ("cases", "test"), _CODE),
    "code_debug": (("code",), ("cases", "test"), _CODE),
    "code_explanation": (("code",), ("mentions",),
                         "answers were searched for words; here a row has the expected value, and `mentions`"),
}  # fmt: skip
"""By type: the keys of a row, of which the first one was asked; what a row needs to be scored, None where no
row says it; why it may not be."""
_NO_MATTER = ("extract_answer", "strict_mode", "analyze_sentiment", "bias_dimension", "language", "detail_level")
_UNITS = {"word_limit": "words", "character_limit": "characters", "sentence_limit": "sentences"}
_RECORD = "write {type: record} in its place to have its answers compared, not scored"


def read_probe(node: Node, dataset: EarlierDataset, findings: ImportFindings) -> dict[str, JsonValue]:
    """Return the probe, with its dataset; one that no answer passes where it is left out. Raises ConfigError."""
    findings.check_keys(node, ("type", "args", "id", "name"), "a probe")
    held = node.get("type")
    kind = "" if held is None else held.text or ""
    inputs, needed, reason = PROBES.get(kind, (("prompt",), (), ""))
    args = node.section("args")
    names = (node.get("id"), node.get("name"), args.get("name"))
    name = next((one.text for one in names if one is not None and one.text), kind)
    probe: dict[str, JsonValue] = {"type": kind, "id": name}
    if kind not in PROBES:
        reason = "there is no such probe here"
    elif kind == "constraint_compliance" and args.get("limit") is not None:
        reason = _limited(args, dataset, probe)
    elif needed is not None and (not needed or dataset.has(*needed)):
        reason = _unlike(kind, dataset) or _arguments(args, probe)
        if not reason:
            _record_unscored(node, dataset, probe, findings)
    if reason:
        findings.leave_out(node, f"probe {kind!r}", reason, _RECORD)
        probe = {"type": "regex", "id": name, "args": {"pattern": NEVER}}
    is_plain = name == probe["type"]
    made = {key: value for key, value in probe.items() if value != {} and not (key == "id" and is_plain)}
    return {**made, "dataset": dataset.with_roles(inputs)}


def _unlike(kind: str, dataset: EarlierDataset) -> str:
    """Return why rows that look alike do not mean the same; nothing where they do."""
    if kind in {"instruction_following", "constraint_compliance"} and any(
        isinstance(row.get("constraints"), Mapping) for row in dataset.rows
    ):
        return "`constraints` of its rows are a mapping; here they are a list such as [{type: words, max: 80}]"
    return ""


def _arguments(args: Node, probe: dict[str, JsonValue]) -> str:
    """Take over the arguments; return why that cannot be done, or nothing. Raises ConfigError."""
    taken = inspect.signature(probe_registry.get_factory(str(probe["type"]))).parameters
    made: dict[str, JsonValue] = {}
    for key, held in args.fields():
        if key == "prompt_template" and held.text is not None:
            if "{{" in held.text or "{%" in held.text:
                return "its template holds braces, which mean something else here"
            made["template"] = re.sub(r"\{(?:problem|question|task)\}", "{{ question }}", held.text)
        elif key == "attack_type" and held.value == "general":
            continue
        elif key in taken and key != "name":
            made[key] = held.value
        elif key not in ("name", *_NO_MATTER):
            return f"its argument {key!r} has no equivalent here"
    probe["args"] = made
    return ""


def _limited(args: Node, dataset: EarlierDataset, probe: dict[str, JsonValue]) -> str:
    """Make a probe of a limit on the length of answers; return why that cannot be done, or nothing."""
    kind, limit = (args.get("constraint_type") or Node("word_limit", args.source)).value, args.get("limit")
    unit = _UNITS.get(str(kind))
    if unit is None or limit is None or not isinstance(limit.value, int) or args.get("validator") is not None:
        return f"its limit is none on {', '.join(_UNITS.values())}"
    probe["type"] = "instruction_following"
    probe["args"] = {"constraints": [{"type": unit, "max": limit.value}],
                     "template": f"{{{{ question }}}}\n\nAnswer in at most {limit.value} {unit}."}  # fmt: skip
    return _unlike("constraint_compliance", dataset)


def _record_unscored(
    node: Node, dataset: EarlierDataset, probe: dict[str, JsonValue], findings: ImportFindings
) -> None:
    """Record answers that were not scored there, either, as no row says what is right."""
    kind, args = probe["type"], probe.get("args", {})
    assert isinstance(args, dict)
    lacks = []
    if kind in {"logic", "factuality", "constraint_compliance"} and not dataset.has_expected:
        lacks.append("an expected answer")
    if kind in {"instruction_following", "constraint_compliance"} and not (
        "constraints" in args or dataset.has("constraints")
    ):
        lacks.append("constraints")
    if not lacks:
        return
    findings.note(node, f"{kind}: no row has {' or '.join(lacks)}, so answers are recorded, not scored; "
                        "`diff --fail-on changes` compares them")  # fmt: skip
    probe["type"] = "record"
    template = args.get("template")
    probe["args"] = {} if template is None else {"template": template}
