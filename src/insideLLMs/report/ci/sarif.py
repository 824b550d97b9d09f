"""A comparison, or one run, as SARIF 2.1.0 for code scanning: a rule per class, a result per example that is worse.

The result of an example has the same fingerprint in every comparison, so that a finding stays one finding.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import quote

import orjson

from insideLLMs.compare.comparison import Change, Comparison, TrialName
from insideLLMs.compare.gate.decide import Verdict, counted_classes
from insideLLMs.compare.one_run.verdict import DecidedRun, RunVerdict
from insideLLMs.core import canonical
from insideLLMs.core.types import JsonValue
from insideLLMs.report import wording
from insideLLMs.report.safe_text import printable, shorten

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_TEXT_LIMIT = 1_000
_RULES = {
    "gate": "The gate did not pass",
    "regressed": "An answer that passed fails now, or scores less",
    "newly_failing": "A trial that was answered fails now",
    "changed": "The answer is different",
    "edited": "The example itself was edited",
    "errored": "The trial failed in both runs",
    "skipped": "The trial was skipped",
    "removed": "The trial is gone",
    "new": "The trial is new",
    "failed": "An answer did not pass",
    "unanswered": "A trial has no answer",
}
_ALWAYS = {"regressed": "warning", "newly_failing": "warning", "errored": "note", "changed": "note"}
_LINK = re.compile(r"\](?=\()")
_BREAK = "\u200b"


@dataclass(frozen=True, slots=True)
class Place:
    """A file, as a path from where the user is or an absolute one, and a line of it."""

    file: str
    line: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where examples stand, by dataset and example id, and where to point to for all others."""

    otherwise: Place
    known: Mapping[tuple[str, str], Place] = field(default_factory=dict)

    def of(self, trial: TrialName) -> Place:
        """Return where the example of a Trial stands."""
        return self.known.get((trial.dataset, trial.example_id), self.otherwise)


def diff_sarif(comparison: Comparison, verdict: Verdict, places: Places, *, version: str) -> bytes:
    """Write SARIF: the gate if it did not pass, and the listed examples that are worse, the worst first.

    There are as many results as the comparison lists changes, and their texts are cut, so that the file stays
    within what GitHub takes. `version` is that of this library.
    """
    results = [*_gate(verdict, wording.policy(verdict), places.otherwise), *_results(comparison, verdict, places)]
    left = comparison.changes.total - len(comparison.changes.listed)
    told = [f"{left:,} more changes are not listed"] if left else []
    told += wording.parts(comparison)
    changed = [printable(line) for line in wording.experiment(comparison)]
    return _document(
        results,
        verdict.exit_code,
        printable("; ".join(told)),
        version,
        ", compared with the baseline run",
        changed=changed,
    )


def run_sarif(decided: DecidedRun, places: Places, *, version: str) -> bytes:
    """Write SARIF of one run: the gate if it did not pass, and the worst examples that did not pass."""
    results = [*_gate(decided.verdict, "conditions", places.otherwise), *_failed(decided, places)]
    left = decided.failing - len(decided.worst)
    told = [f"{left:,} more trials that did not pass are not listed"] if left else []
    told += wording.extent(decided.summary)
    return _document(results, decided.verdict.exit_code, printable("; ".join(told)), version, "")


def _document(
    results: list[dict[str, JsonValue]], exit_code: int, told: str, version: str, when: str, **properties: JsonValue
) -> bytes:
    used = [name for name in _RULES if any(result["ruleId"] == name for result in results)]
    for result in results:
        result["ruleIndex"] = used.index(result["ruleId"])
    driver = {"name": "insideLLMs", "version": version, "rules": [_rule(name, when) for name in used]}
    notes = [{"level": "note", "message": {"text": told}}] if told else []
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "exitCode": exit_code, "toolExecutionNotifications": notes}],
        "properties": properties,
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return orjson.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, option=orjson.OPT_INDENT_2) + b"\n"


def _rule(name: str, when: str) -> dict[str, JsonValue]:
    return {
        "id": name,
        "shortDescription": {"text": _RULES[name]},
        "fullDescription": {"text": f"{_RULES[name]}{when}."},
        "properties": {"tags": ["model-behaviour"]},
    }


def _gate(verdict: Verdict | RunVerdict, policy: str, place: Place) -> Iterator[dict[str, JsonValue]]:
    if verdict.state == "passed":
        return
    level = "error" if verdict.state == "failed" else "warning"
    text = f"{wording.MARKS[verdict.state]} ({policy}). " + "\n".join(verdict.reasons)
    yield _result("gate", level, text, place, ("gate",))


def _results(comparison: Comparison, verdict: Verdict, places: Places) -> Iterator[dict[str, JsonValue]]:
    """Yield a result per example: that of its worst Trial, which counts the others of its class."""
    several = len(comparison.models) > 1
    shown: dict[tuple[str, ...], dict[str, JsonValue]] = {}
    for change in (*comparison.changes.listed, *comparison.edited.listed):
        trial, counted = change.trial, change.kind in counted_classes(verdict, change.trial.probe)
        if not counted and change.kind not in _ALWAYS:
            continue
        model = (trial.models.candidate or "",) if several else ()
        behaviour = (trial.probe, trial.dataset, trial.example_id, *model)
        if behaviour in shown:
            if shown[behaviour]["ruleId"] == change.kind:
                shown[behaviour]["occurrenceCount"] += 1
            continue
        level = "error" if counted else _ALWAYS[change.kind]
        result = _result(change.kind, level, _told(change, several=several), places.of(trial), behaviour)
        result["occurrenceCount"] = 1
        result["properties"] = {"probe": printable(trial.probe), "example": printable(trial.example_id)}
        if change.waived:
            result["suppressions"] = [{"kind": "external", "justification": "waived in the pool of baselines"}]
        shown[behaviour] = result
    yield from shown.values()


def _failed(decided: DecidedRun, places: Places) -> Iterator[dict[str, JsonValue]]:
    for failed in decided.worst:
        kind = "failed" if failed.status == "success" else "unanswered"
        level = "error" if decided.is_gated and decided.is_red(failed.probe, failed.subject) else "warning"
        lines = (
            f"{wording.failed(failed, several=decided.several)}: {failed.why or 'did not pass'}",
            f"Expected: {shorten(' | '.join(failed.expected), _TEXT_LIMIT)}",
            f"Answer: {shorten(failed.answer, _TEXT_LIMIT)}",
        )
        behaviour = (
            failed.probe,
            failed.dataset,
            failed.example_id,
            *((failed.subject.label,) if decided.several else ()),
        )
        result = _result(kind, level, "\n".join(lines), places.of(failed.trial), behaviour)
        result["properties"] = {"probe": printable(failed.probe), "example": printable(failed.example_id)}
        yield result


def _result(kind: str, level: str, text: str, place: Place, behaviour: tuple[str, ...]) -> dict[str, JsonValue]:
    digest = canonical.identity("behaviour/1", list(behaviour))
    return {
        "ruleId": kind,
        "level": level,
        "message": {"text": _literal(text)},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": _uri(place.file)}, "region": {"startLine": place.line}}}
        ],
        # GitHub reads the first alone, which otherwise it makes of the line's text
        "partialFingerprints": {"primaryLocationLineHash": f"{digest[:16]}:1", "behaviour/v1": digest},
    }


def _told(change: Change, *, several: bool) -> str:
    lines = (
        f"{wording.trial(change.trial, several=several)} {wording.words(change.kind)}: {change.note}",
        f"Prompt: {shorten(change.prompt, _TEXT_LIMIT)}",
        f"Baseline: {shorten(wording.outcome_text(change.baseline), _TEXT_LIMIT)}",
        f"Candidate: {shorten(wording.outcome_text(change.candidate), _TEXT_LIMIT)}",
    )
    return "\n".join(lines)


def _literal(text: str) -> str:
    """Spell text so that it is no link and has no placeholder (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
    plain = printable(text, keep_newlines=True).replace("{", "{{").replace("}", "}}")
    return _LINK.sub(f"]{_BREAK}", plain)


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
