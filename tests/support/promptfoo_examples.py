"""Whole configurations in the shapes of promptfoo's documentation: their scripted answers, and what each tool says.

An example is a folder of tests/fixtures/promptfoo_examples: a configuration with its files; `answers.json`, what the
stub server answers to a last message with such a part; and `verdicts.json`, what promptfoo 0.123 printed, written by
benchmarks/promptfoo_examples.py. A row is one answer: the model, the text, whether it passed, and the verdict of
each assertion in order, without limits on time and cost, which are the gate's here.
"""

import json
import shutil
from pathlib import Path

from insideLLMs.core.types import Example, Response
from insideLLMs.probes.checks import ChecksProbe
from support.command import insidellms, records_of

FOLDER = Path(__file__).parent.parent / "fixtures" / "promptfoo_examples"
NAMES = sorted(one.name for one in FOLDER.iterdir() if one.is_dir())
OURS = ("answers.json", "verdicts.json")


def environment(server):
    """Return the variables that both tools are given."""
    return {"OPENAI_API_KEY": "unused-key", "OPENAI_BASE_URL": server.base_url, "EXAMPLE_TEAM": "kites"}


def copied(name, folder):
    """Copy what a user of promptfoo has of an example; return the folder."""
    return Path(shutil.copytree(FOLDER / name, folder / name, ignore=shutil.ignore_patterns(*OURS)))


def read(name, file):
    """Return what one of our files of an example holds."""
    return json.loads((FOLDER / name / file).read_text(encoding="utf-8"))


def asked(server):
    """Return what the server was asked, each once: the model, and the messages."""
    found = {json.dumps([one["model"], one["messages"]], ensure_ascii=False, sort_keys=True) for one in server.bodies}
    return [json.loads(one) for one in sorted(found)]


def imported(folder, *options):
    """Import the example in a folder."""
    return insidellms("import", "promptfooconfig.yaml", "--to", "e.yaml", "--overwrite", *options, cwd=folder)


def run(folder, server):
    """Run the imported experiment; return the command's end and its rows."""
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--overwrite", cwd=folder, env=environment(server))
    records = records_of(folder / "run") if done.code in {0, 3, 4} else []
    return done, in_order(_row(record) for record in records)


def in_order(rows):
    """Return rows in the one order in which both tools' are compared."""
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def _row(record):
    scores = record["scores"] or {}
    return {
        "model": record["model"].rpartition("/")[2],
        "answer": record["response"]["text"],
        "passed": scores.get("passed") is not False,
        "assertions": list(_verdicts(record)) if scores else [],
    }


def _verdicts(record):
    """Yield the verdict of each check, and after a group's those within it; one without weight counts as passed."""
    results = record["scores"]["details"].get("checks", [])
    own = record["example"]["fields"].get("checks", [])
    for result, check in zip(results, [{}] * (len(results) - len(own)) + own, strict=True):
        yield result["passed"] or result["weight"] == 0
        if check.get("type") == "checks":
            response = Response(text=record["response"]["text"])
            group = ChecksProbe(checks=check["checks"]).score(Example(id="1", input="-"), response)
            yield from (one["passed"] for one in group.details["checks"])
