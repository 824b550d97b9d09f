"""Pages of the viewer, made of hand-written records, and read back as a browser's program would."""

import base64
import io
import json
import re
import zlib
from dataclasses import dataclass

import msgspec

from insideLLMs.compare.comparing import compare_with
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.compare.one_run.summary import summarise
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.types import expand
from insideLLMs.report.viewer.diff_page import write_diff_page
from insideLLMs.report.viewer.run_page import write_run_page
from support.compared_runs import view

MANIFEST = {
    "name": "demo",
    "run_id": "ab" * 32,
    "models": [{"id": "m"}],
    "probes": [],
    "datasets": [{"name": "d", "selected": 3}],
    "repeats": 1,
    "library": {"insidellms": "0.1.0"},
}
_BLOCK = re.compile(r'(?s)<script type="(application/[a-z-]+)" id="([a-z]+)(?:-(\d+))?">(.*?)</script>')


def run_page(records, *, manifest=MANIFEST, **options):
    """Return the bytes of a run's page."""
    run = view(records)
    out = io.BytesIO()
    summary = expand(summarise(run.records(), run_id="ab" * 32))
    write_run_page(out, manifest=manifest, summary=summary, records=run.records, **options)
    return out.getvalue()


def diff_page(before, after, *, fail_on="regressions", assessed=False, experiment_changes=None, **options):
    """Return the bytes of a comparison's page, and the comparison; `assessed` adds the evidence of statistics."""
    baseline, candidate = view(before, "main"), view(after, "branch")
    comparison, observed = compare_with([baseline], [candidate])
    comparison = msgspec.structs.replace(comparison, experiment_changes=experiment_changes)
    evidence = GateEvidence(observed=observed, baseline_runs=("main",), candidate_runs=("branch",))
    verdict = decide(comparison, GateSpec(fail_on=fail_on), evidence if assessed else GateEvidence())
    out = io.BytesIO()
    write_diff_page(out, comparison=comparison, verdict=verdict, baseline=baseline, candidate=candidate, **options)
    return out.getvalue(), comparison


@dataclass(frozen=True)
class Data:
    """What a page embeds."""

    head: dict
    rows: list
    bodies: list
    kinds: set


def read_page(page):
    """Unpack the data blocks of a page."""
    tables = {"head": [], "index": [], "body": []}
    kinds = set()
    for kind, name, _, text in _BLOCK.findall(page.decode()):
        if name != "head":
            kinds.add(kind)
        packed = kind == "application/octet-stream"
        tables[name].append(json.loads(zlib.decompress(base64.b64decode(text), -15) if packed else text))
    return Data(tables["head"][0], _rows(tables["index"]), _rows(tables["body"]), kinds)


def _rows(chunks):
    return [
        dict(zip(chunk, row, strict=True)) for chunk in chunks for row in zip(*chunk.values(), strict=True)
    ]  # fmt: skip
