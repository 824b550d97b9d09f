"""The table of docs/probes.md: which damages of right answers each shipped probe notices."""

import asyncio
import json

import pytest

from insideLLMs import DummyModel
from insideLLMs.api.auditing.audit import audit
from insideLLMs.api.auditing.opened import AuditOptions
from insideLLMs.api.preparation.prepared import Parts
from insideLLMs.api.run import RunOptions, arun
from insideLLMs.config.load import load_experiment
from insideLLMs.plugins import PROBES
from insideLLMs.scoring.damages import DAMAGES
from insideLLMs.store.sealed_run import SealedRun
from support.command import write_files
from support.documents import ROOT, UPDATE
from support.right_answers import NOT_MEASURED, RIGHT

PAGE = ROOT / "docs" / "probes.md"
START, END = "<!-- kill rates: written by tests/e2e/test_kill_rates.py -->\n", "<!-- end of kill rates -->\n"


class Scripted(DummyModel):
    """Gives the answers of the example whose question it is asked, turn by turn."""

    def __init__(self, pairs):
        super().__init__()
        self.pairs = pairs

    async def respond(self, request, *, repeat=0):
        asked = "\n".join(message.text for message in request.messages)
        turn = sum(message.role == "assistant" for message in request.messages)
        said = next(answer for words, answer in self.pairs if words in asked)
        done = await super().respond(request, repeat=repeat)
        return type(done)(text=said if isinstance(said, str) else said[turn])


def audited(probe, folder):
    args, pairs = RIGHT[probe]
    examples = [{"id": f"e{number}", **fields} for number, (fields, _) in enumerate(pairs)]
    spec = {"type": probe, "args": args}
    text = f"model: {{type: dummy, id: m}}\nprobe: {json.dumps(spec)}\ndataset: {{path: d.jsonl}}\n"
    write_files(folder, {"e.yaml": text, "d.jsonl": examples})
    model = Scripted([(_words(fields), answer) for fields, answer in pairs])
    options = RunOptions(run_dir=folder / "run")
    experiment = load_experiment(folder / "e.yaml")
    run = asyncio.run(arun(experiment, folder=folder, options=options, parts=Parts(models={"m": model})))
    sealed = SealedRun.open(run.path)
    assert sealed.summary.results[0].passed == len(pairs), list(sealed.lines())
    return asyncio.run(audit(sealed, AuditOptions(specs=sealed.experiment.probes))).probes[0].findings


def _words(fields):
    """Return what tells the prompt of an example from those of others."""
    asked = fields.get("question") or fields.get("prompt") or fields["messages"][-1]["content"]
    return asked.replace("{person}", "").strip()


def cell(found):
    if not found.applies:
        return "same" if found.harmless else ""
    return f"{found.noticed}/{found.applies}" + ("*" if found.harmless else "")


def row(probe, folder):
    cells = [cell(found) for found in audited(probe, folder)]
    return f"| `{probe}` | {' | '.join(cells)} |"


def shown():
    text = PAGE.read_text()
    return text[text.index(START) + len(START) : text.index(END)]


@pytest.fixture(scope="module")
def table():
    rows = {line.split("`")[1]: line for line in shown().splitlines() if line.startswith("| `")}
    yield rows
    if UPDATE:
        head = f"| probe | {' | '.join(DAMAGES)} |\n|{' --- |' * (len(DAMAGES) + 1)}\n"
        lines = "".join(f"{rows[probe]}\n" for probe in sorted(RIGHT))
        text = PAGE.read_text()
        PAGE.write_text(text.replace(f"{START}{shown()}{END}", f"{START}{head}{lines}{END}"))


@pytest.mark.parametrize("probe", sorted(RIGHT))
def test_the_page_shows_what_a_probe_notices(probe, table, tmp_path):
    now = row(probe, tmp_path)
    if UPDATE:
        table[probe] = now
    assert table[probe] == now


def test_every_shipped_probe_is_measured_or_said_to_be_none_that_can_be():
    assert sorted([*RIGHT, *NOT_MEASURED]) == sorted(PROBES)
    assert all(f"`{probe}`" in PAGE.read_text() for probe in NOT_MEASURED)
