"""Records of simulated answers as the sides of a comparison, for simulations in which pairing or texts matter."""

import json
from collections.abc import Iterable
from typing import Any

from insideLLMs.compare.sides import RunView
from insideLLMs.core.subject import Subject

Row = tuple[str, str, int, bool, str]
"""A trial: its probe, its example, its repeat, whether it passed, and the text of its answer."""


def view_of(rows: Iterable[Row], *, shared: bool = False) -> RunView:
    """Return trials as a run; with `shared`, all probes check the answer that the first of them asked for."""
    found = sorted(rows)
    probes = sorted({row[0] for row in found})
    lines = [json.dumps(record_of(row, asker=probes[0] if shared else row[0])).encode() for row in found]
    datasets = dict.fromkeys(probes, ("d",))
    return RunView(
        run_id="",
        label="",
        subjects=(Subject("m"),),
        datasets=datasets,
        records=lambda: iter(lines),
        shares_answers=lambda: shared,
    )


def record_of(row: Row, *, asker: str) -> dict[str, Any]:
    """Return a trial as a record; it names the probe that asked, if that was another."""
    probe, example, repeat, passed, text = row
    record = {
        "probe": probe, "dataset": "d", "model": "m", "repeat": repeat, "key": "0" * 64, "example_digest": "1" * 64,
        "status": "success", "request": None, "failure": None, "example_id": example,
        "example": {"id": example, "input": "?", "expected": ["yes"]},
        "response": {"text": text, "finish_reason": "stop", "model": "m"},
        "scores": {"values": {}, "passed": passed, "label": None, "explanation": "", "details": {}},
    }  # fmt: skip
    return record if probe == asker else record | {"shared_with": {"probe": asker}}
