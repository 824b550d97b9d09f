"""`diff --semantic` with the real model: what reaches the terminal, the JSON, the page and the gate."""

import json
import subprocess
import sys

import pytest
from jsonschema import validate

from support.command import insidellms, write_files

BEFORE = {
    "reworded": "Sales went up in spring.",
    "number": "Take 5 mg with food.",
    "negated": "The drug is safe for children.",
    "other": "The soup contains milk.",
}
AFTER = {
    "reworded": "In spring, sales increased.",
    "number": "Take 50 mg with food.",
    "negated": "The drug is not safe for children.",
    "other": "Restart the router.",
}


def table(texts):
    return "\n".join(json.dumps({"id": name, "output": text, "passed": 1}) for name, text in texts.items())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("semantic")
    write_files(folder, {"before.jsonl": table(BEFORE), "after.jsonl": table(AFTER)})
    for name in ("before", "after"):
        assert insidellms("import", f"{name}.jsonl", "--to", name, cwd=folder).code == 0
    return folder


def test_a_rewording_is_equivalent_and_what_turns_a_text_around_is_not(runs):
    done = insidellms("diff", "before", "after", "--semantic", "0.7", "--fail-on", "never", "--json", cwd=runs)
    comparison = done.json["comparison"]
    kinds = {change["trial"]["example_id"]: change["kind"] for change in comparison["changes"]["listed"]}
    assert kinds == {"reworded": "equivalent", "number": "changed", "negated": "changed", "other": "changed"}
    semantic = comparison["semantic"]
    assert (semantic["pairs"], semantic["equivalent"]) == (4, 1)
    assert semantic["model"]["name"] == "wordllama"
    assert len(semantic["model"]["weights_sha256"]) == 64
    validate(done.json, insidellms("schema", "comparison", cwd=runs).json)


def test_terminal_page_and_gate_agree(runs):
    options = ("--semantic", "0.7", "--fail-on", "changes", "--tolerance", "3", "--html", "page.html")
    strict = insidellms("diff", "before", "after", *options, cwd=runs)
    assert strict.code == 3
    assert "1 equivalent by meaning" in " ".join(strict.out.split())
    trusting = insidellms("diff", "before", "after", *options, "--trust-semantic", cwd=runs)
    assert trusting.code == 0
    assert "cosine at least 0.700, given" in " ".join(trusting.out.split())
    page = (runs / "page.html").read_text(encoding="utf-8")
    assert '"equivalent":1' in page.replace(" ", "")


def test_auto_takes_the_threshold_of_the_baselines_own_answers(runs):
    many = {
        f"e{number}": (f"Row {number} went up in spring.", f"Row {number} increased in spring.") for number in range(30)
    }
    for name, place in (("one", 0), ("two", 1), ("three", 0)):
        write_files(runs, {f"{name}.jsonl": table({key: texts[place] for key, texts in many.items()})})
        assert insidellms("import", f"{name}.jsonl", "--to", name, cwd=runs).code == 0
    command = ("diff", "one", "two", "--candidate", "three", "--semantic", "auto", "--fail-on", "never", "--json")
    semantic = insidellms(*command, cwd=runs).json["comparison"]["semantic"]
    assert semantic["threshold_from"] == "1st percentile of 30 pairs of the baseline's own answers"
    assert 0.5 < semantic["threshold"] < 1
    assert semantic["equivalent"] == 30


@pytest.mark.parametrize(
    ("value", "words"),
    [("1.5", "above 0 and at most 1"), ("nan", "above 0"), ("much", "a cosine nor auto"), ("auto", "0 pairs")],
)
def test_a_threshold_that_cannot_be_is_refused(runs, value, words):
    done = insidellms("diff", "before", "after", "--semantic", value, cwd=runs)
    assert done.code == 1
    assert words in done.err


def test_without_weights_the_command_that_fetches_them_is_named(runs, tmp_path):
    done = insidellms("diff", "before", "after", "--semantic", "0.9", cwd=runs, env={"INSIDELLMS_CACHE": str(tmp_path)})
    assert done.code == 1
    assert "insidellms model pull wordllama" in done.err


def test_a_plain_diff_loads_neither_numpy_nor_what_reads_texts(runs):
    code = (
        "import sys\nfrom insideLLMs.cli.commands.diff import command\n"
        "command.main(['before', 'after', '--fail-on', 'never'], standalone_mode=False)\n"
        "print('loaded', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=runs)
    loaded = set(done.stdout.partition("loaded ")[2].split())
    assert "insideLLMs.compare.comparing" in loaded
    assert not loaded & {"numpy", "insideLLMs.scoring.meaning", "insideLLMs.local.embedding", "asyncio", "aiohttp"}
