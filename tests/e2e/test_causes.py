"""Every report of a comparison begins with what changed in the experiment: the cause beside the effect."""

import html
import json
import re

import pytest

from support.command import insidellms, write_files
from support.openai_server import OpenAIServer

SYSTEM = "You are the assistant of Acme. Answer in full sentences, and never mention what others charge."
BASE = {
    "name": "cause",
    "model": {"type": "dummy", "id": "prod", "args": {"canned_response": "yes"}, "system": SYSTEM},
    "probe": {"type": "contains", "args": {"template": "Question: {{ question }}\nAnswer with few words, please."}},
    "dataset": {"name": "q", "path": "q.jsonl"},
}
ROWS = [{"id": name, "question": f"Is {name}?", "answer": "yes"} for name in ("a", "b")]
PROMPTED = {**BASE, "prompts": [{"id": "v1", "system": "Be nice to all of our users.", "template": "{{ question }}"}]}
CHANGES = {
    "system": (("model", "system"), SYSTEM.replace("full", "short"), "Answer in [-full-]{+short+} sentences"),
    "new system": (("model", "system"), "Be terse.", "'You are the assistant of Acme."),
    "template": (("probe", "args", "template"), "{{ question }}\nAnswer with few words, please.", "[-Question: -]"),
    "parameter": (("model", "args", "flaky"), 0.5, "model 'prod': parameters.flaky 0.0 -> 0.5"),
    "model": (("model", "args", "canned_response"), "no", "parameters.canned_response 'yes' -> 'no'"),
    "probe": (("probe", "args", "ignore_case"), False, "probe 'contains': args.ignore_case not set -> false"),
    "repeats": (("repeats",), 2, "repeats 1 -> 2"),
    "dataset": (("dataset", "path"), "other.jsonl", "examples 1 added (c), 1 removed (b), 1 edited (a)"),
    "prompt": (("prompts",), PROMPTED["prompts"], "prompt 'v1' is new: system 'Be nice to all of our users.'"),
}  # fmt: skip


def replaced(experiment, path, value):
    changed = json.loads(json.dumps(experiment))
    *way, last = path
    holder = changed
    for part in way:
        holder = holder[part]
    holder[last] = value
    return changed


def make(folder, name, experiment, env=None):
    write_files(folder, {f"{name}.json": json.dumps(experiment)})
    done = insidellms("run", f"{name}.json", "--run-dir", name, "--overwrite", cwd=folder, env=env)
    assert done.code == 0, done.err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("causes")
    other = [{**ROWS[0], "question": "Was a?"}, {"id": "c", "question": "Is c?", "answer": "yes"}]
    write_files(root, {"q.jsonl": ROWS, "other.jsonl": other})
    make(root, "base", BASE)
    return root


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_told_before_its_effect_in_every_report(folder, kind):
    path, value, told = CHANGES[kind]
    make(folder, "new", replaced(BASE, path, value))
    summary = folder / "summary.md"
    summary.unlink(missing_ok=True)
    files = ("--html", "c.html", "--markdown", "c.md", "--junit", "c.xml", "--sarif", "c.sarif", "--github")
    done = insidellms("diff", "base", "new", *files, cwd=folder, env={"GITHUB_STEP_SUMMARY": str(summary)})
    flat = " ".join(done.out.split())
    assert told in flat
    assert flat.index(told) < flat.index("probe passed change trials")
    plain = html.unescape(summary.read_text().replace("\\", ""))
    assert told in plain
    assert plain.index(told) < plain.index("| probe |")
    for name in ("c.xml", "c.sarif", "c.html"):
        text = (folder / name).read_text()
        words = re.findall(r"\w{3,}", told)
        assert all(word in text for word in words), name
    found = insidellms("diff", "base", "new", "--json", cwd=folder).json["comparison"]["experiment_changes"]
    assert any(told in line for line in found)


def test_a_changed_prompt_is_told_by_its_words(folder):
    make(folder, "v1", PROMPTED)
    make(
        folder,
        "v2",
        replaced(PROMPTED, ("prompts",), [{**PROMPTED["prompts"][0], "system": "Be kind to all of our users."}]),
    )
    assert (
        "prompt 'v1': system 'Be [-nice-]{+kind+} to all of our users.'"
        in insidellms("diff", "v1", "v2", cwd=folder).out
    )


def test_where_nothing_changed_it_is_the_provider_or_chance(folder):
    make(folder, "again", BASE)
    done = insidellms("diff", "base", "again", "--markdown", "n.md", cwd=folder)
    told = "nothing in the experiment: what differs comes from the provider, or from chance"
    assert told in " ".join(done.out.split())
    assert told in (folder / "n.md").read_text()


def test_a_model_that_is_served_differently_is_told_among_the_causes(folder):
    model = {"type": "openai", "id": "prod", "args": {"model_name": "m"}}
    with OpenAIServer() as server:
        experiment = {**BASE, "model": replaced(model, ("args", "base_url"), server.base_url)}
        for name in ("m-2025", "m-2026"):
            server.reply_fields = {"model": name}
            make(folder, name, experiment, env={"OPENAI_API_KEY": "k"})
    done = insidellms("diff", "m-2025", "m-2026", cwd=folder)
    flat = " ".join(done.out.split())
    assert "changed nothing in the experiment: what differs comes from the provider" in flat
    assert "served model: m-2025 → m-2026 in 2 trials" in flat
