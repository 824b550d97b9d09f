"""Tools that stand in the trials of a run, not in its experiment: those of examples, and those that subjects return."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from insideLLMs.compare.differences.tool_drift import tool_moves, without_tools
from insideLLMs.core import canonical
from insideLLMs.core.record_views import RecordIdentity
from insideLLMs.core.types import JsonValue
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.sealed_run import SealedRun

_SHOWN_EXAMPLES = 3
Owner = tuple[str, str]
"""What has tools: the kind, and its name."""


class _Holder(msgspec.Struct, frozen=True):
    tools: JsonValue = None


class _Example(msgspec.Struct, frozen=True):
    fields: _Holder = _Holder()


class _Returned(msgspec.Struct, frozen=True):
    kept: _Holder = _Holder()


class ToolsOfTrial(RecordIdentity, frozen=True, kw_only=True):
    """The tools of an example, and those that the subject returned under the part `tools`."""

    example: _Example = _Example()
    response: _Returned | None = None


def trial_tool_changes(baseline: SealedRun, candidate: SealedRun) -> Iterator[str]:
    """Say how the tools of examples changed, and those that subjects return. Reads the records where any may differ."""
    before, after = baseline.manifest, candidate.manifest
    known = {facts.name: facts.sha256 for facts in before.datasets}
    edited = any(known.get(facts.name, facts.sha256) != facts.sha256 for facts in after.datasets)
    if not edited and not any(map(_returns_tools, (before, after))):
        return
    told: dict[tuple[str, str], list[str]] = {}
    ours, theirs = _tools_of(baseline), _tools_of(candidate)
    for owner in ours.keys() & theirs.keys():
        if ours[owner] != theirs[owner]:
            sides = (without_tools({"tools": msgspec.json.decode(side[owner])})[1] for side in (ours, theirs))
            told.setdefault((owner[0], "; ".join(tool_moves(*sides)) or "edited"), []).append(owner[1])
    for (kind, moves), names in sorted(told.items()):
        more = ", ..." if len(names) > _SHOWN_EXAMPLES else ""
        yield f"tools of {kind} {', '.join(map(repr, sorted(names)[:_SHOWN_EXAMPLES]))}{more}: {moves}"


def _returns_tools(manifest: Manifest) -> bool:
    """Whether a model may return its tools: it keeps them, or is a function that returns what it likes."""
    return any(_keeps_tools(model.type, model.identity) for model in manifest.models)


def _keeps_tools(kind: str, identity: Mapping[str, Any]) -> bool:
    settings = identity.get("parameters", identity)
    keep = settings.get("keep") if isinstance(settings, Mapping) else None
    return kind == "callable" or (isinstance(keep, Mapping) and "tools" in keep)


def _tools_of(run: SealedRun) -> dict[Owner, bytes]:
    """Return the first list of tools of each example and of each subject, equal ones as one and the same."""
    found: dict[Owner, bytes] = {}
    same: dict[bytes, bytes] = {}
    for record in run.records(ToolsOfTrial):
        returned = record.response.kept.tools if record.response is not None else None
        owners = (
            (("example", record.example_id), record.example.fields.tools),
            (("subject", record.subject.label), returned),
        )
        for owner, tools in owners:
            if tools and owner not in found:
                written = canonical.line(tools)
                found[owner] = same.setdefault(written, written)
    return found
