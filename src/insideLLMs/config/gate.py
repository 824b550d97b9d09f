"""Whether an experiment's gate names what there is: probes, and scores that they give."""

import math
from collections.abc import Mapping

from insideLLMs.config.shape import Findings, suggestion
from insideLLMs.core.documents import FieldPath
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.gate_spec import IGNORE_FORM, is_ignored_form
from insideLLMs.core.types import JsonValue
from insideLLMs.plugins import Factory

Probes = Mapping[str, Factory | None]


def check_gate(gate: JsonValue, probes: Probes, findings: Findings) -> None:
    """Report what the gate names and the experiment lacks; `probes` has what makes each probe, None if unknown."""
    if not isinstance(gate, Mapping):
        return
    _check_rule(gate, ("gate",), probes, findings)
    rules = gate.get("probes")
    for name, rule in rules.items() if isinstance(rules, Mapping) else ():
        path = ("gate", "probes", str(name))
        if name not in probes:
            findings.add(path, f"there is no probe {name!r}", suggestion(str(name), sorted(probes)))
        elif isinstance(rule, Mapping):
            _check_rule(rule, path, {name: probes[name]}, findings)


def _check_rule(rule: Mapping[str, JsonValue], path: FieldPath, probes: Probes, findings: Findings) -> None:
    score_range = rule.get("score_range")
    if isinstance(score_range, list) and len(score_range) == 2 and score_range[0] == score_range[1]:
        findings.add((*path, "score_range"), "the worst and the best score must differ")
    ignored = rule.get("ignore")
    for place, one in enumerate(ignored if isinstance(ignored, list) else ()):
        _check_ignored(one, (*path, "ignore", place), findings)
    wanted = rule.get("min_score")
    for name, limit in wanted.items() if isinstance(wanted, Mapping) else ():
        _check_score(str(name), limit, (*path, "min_score", str(name)), probes, findings, is_set=bool(score_range))


def _check_ignored(rule: JsonValue, path: FieldPath, findings: Findings) -> None:
    """Report what is neither a JSON path nor a regular expression between slashes."""
    if not isinstance(rule, str):
        return  # its type is reported already
    from insideLLMs.scoring.json_path import parse_path  # noqa: PLC0415 - few gates ignore anything
    from insideLLMs.scoring.patterns import compile_safely  # noqa: PLC0415

    try:
        if rule.startswith("$"):
            parse_path(rule)
        elif not is_ignored_form(rule):
            findings.add(path, f"{rule!r} says nothing to ignore", IGNORE_FORM)
        else:
            compile_safely(rule[1:-1], ignore_case=False)
    except ArgumentError as error:
        findings.add(path, error.message, error.fix)


def _check_score(
    name: str, limit: JsonValue, path: FieldPath, probes: Probes, findings: Findings, *, is_set: bool
) -> None:
    """Report a score that no probe can give, and a limit outside its range; what is the user's own may give any."""
    declared = [_declared(factory) for factory in probes.values()]
    ranges = [scores[name] for scores in declared if scores is not None and name in scores]
    if not ranges and None not in declared:
        known = sorted({score for scores in declared if scores is not None for score in scores})
        findings.add(path, f"there is no score {name!r}", suggestion(name, known))
    if not ranges or is_set or isinstance(limit, bool) or not isinstance(limit, int | float):
        return
    if not any(min(ends) <= limit <= max(ends) for ends in ranges):
        worst, best = ranges[0]
        shown = ", ".join("without end" if math.isinf(end) else f"{end:g}" for end in (worst, best))
        findings.add(path, f"is {limit:g}, but the score goes from its worst to its best: {shown}")


def _declared(factory: Factory | None) -> Mapping[str, tuple[float, float]] | None:
    """Return all scores that a probe can give; None where that cannot be told."""
    ranges = getattr(factory, "score_ranges", None)
    is_ours = getattr(factory, "__module__", "").startswith("insideLLMs.")
    return ranges if is_ours and isinstance(ranges, Mapping) and not getattr(factory, "open_scores", False) else None
