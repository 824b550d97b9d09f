"""A run since another asks only what is new, says so, and never takes an answer that may be stale."""

import json
import shutil

import pytest

from support.command import canonical_bytes, insidellms, records_of, write_files
from support.openai_server import Fault, OpenAIServer

EXPERIMENT = """
name: shop
model: {type: openai, args: {model_name: stub, base_url: 'BASE'EXTRA}}
prompts:
  - {id: brief, template: "Briefly: {{ question }}"}
  - {id: kind, template: "Kindly: {{ question }}"}
probes:
  - {type: contains, args: {any: [echo]}}
  - {type: regex, args: {pattern: Item}}
dataset: {path: data.jsonl}
"""
ROWS = [{"id": f"e{i:02}", "question": f"Item {i}"} for i in range(12)]


@pytest.fixture(scope="module")
def running():
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(running):
    """The server, which has been asked nothing yet."""
    running.prompts.clear()
    running.answers = {}
    return running


@pytest.fixture(scope="module")
def base(tmp_path_factory, running):
    """A folder with an experiment of two prompts, two probes and 12 examples, and a run of it in `base`."""
    folder = tmp_path_factory.mktemp("shop")
    write_files(folder, {"e.yaml": EXPERIMENT.replace("BASE", running.base_url).replace("EXTRA", "")})
    write_files(folder, {"data.jsonl": ROWS})
    assert run(folder, "base").code == 0
    return folder


@pytest.fixture
def shop(base, tmp_path, server):
    """A copy of that folder; `server` has not been asked since."""
    return shutil.copytree(base, tmp_path / "shop")


def run(folder, name, *args, file="e.yaml"):
    return insidellms("run", file, "--run-dir", name, *args, cwd=folder)


def since(folder, name="pr", *args, canary="0", base="base"):
    done = run(folder, name, "--since", base, "--canary", canary, *args)
    assert done.code == 0, done.err
    return done


def edit(folder, before, after, name="e.yaml"):
    text = (folder / name).read_text()
    assert before in text
    (folder / name).write_text(text.replace(before, after, 1))


def note(folder, name="pr"):
    return json.loads((folder / name / "manifest.json").read_bytes())["notes"]["since"]


def test_only_a_changed_prompt_is_asked(shop, server):
    edit(shop, "Kindly: ", "Very kindly: ")
    done = since(shop)
    assert sorted(server.prompts) == sorted(f"Very kindly: Item {i}" for i in range(12))
    run_id = json.loads((shop / "base" / "manifest.json").read_bytes())["run_id"]
    assert f"24 of 48 trials reuse answers of run {run_id[:12]}, asked on" in done.out
    marks = [record.get("since") for record in records_of(shop / "pr")]
    root = json.loads((shop / "base" / "manifest.json").read_bytes())["records_root"]
    assert marks.count({"answer": "reused", "run": root}) == 24
    assert marks.count(None) == 24


def test_reused_answers_are_no_warning(shop):
    done = since(shop)
    assert "48 of 48 trials reuse answers of run" in done.out
    assert "warning" not in done.out + done.err


def test_conversations_are_asked_again_and_counted_apart(tmp_path):
    talks = [{"id": f"t{i}", "turns": [{"user": "Hello", "expected": "echo"}]} for i in range(3)]
    rows = [{"id": f"e{i}", "question": f"Item {i}", "any": ["echo"]} for i in range(4)]
    experiment = """
model: {type: dummy, args: {canned_response: echo}}
probes:
  - {type: conversation, dataset: {path: talks.jsonl}}
  - {type: contains, dataset: {path: asks.jsonl}}
"""
    write_files(tmp_path, {"e.yaml": experiment, "talks.jsonl": talks, "asks.jsonl": rows})
    assert run(tmp_path, "base").code == 0
    always = "of conversations or agents (always asked)"
    dry = run(tmp_path, "pr", "--since", "base", "--canary", "0", "--dry-run")
    assert f"calls: 0 new since that run, 0 of the rest asked again; 3 trials are {always}; 4 trials" in dry.out
    done = since(tmp_path)
    assert "4 of 7 trials reuse answers of run" in done.out
    assert f"3 {always}" in " ".join(done.out.split())
    assert note(tmp_path)["led"] == 3


def test_a_dry_run_says_what_will_be_paid_for(shop, server):
    edit(shop, "Kindly: ", "Very kindly: ")
    done = insidellms("run", "e.yaml", "--since", "base", "--canary", "0.1", "--dry-run", cwd=shop)
    told = json.loads(
        insidellms("run", "e.yaml", "--since", "base", "--canary", "0.1", "--dry-run", "--json", cwd=shop).out
    )["since"]
    assert f"calls: 12 new since that run, {told['calls_canary']} of the rest asked again" in done.out
    assert not server.prompts
    since(shop, canary="0.1")
    assert len(server.prompts) == 12 + told["calls_canary"] > 12


@pytest.mark.parametrize(
    ("before", "after", "calls"),
    [
        ("model_name: stub", "model_name: stub-2", 24),
        ("model_name: stub", "model_name: stub, temperature: 0.5", 24),
        ("any: [echo]", "any: [ECHO]", 0),
        ("- {type: regex, args: {pattern: Item}}", "- {type: regex, args: {pattern: Question}}", 0),
        ("prompts:", "repeats: 2\nprompts:", 24),
        ("prompts:", "independent_answers: true\nprompts:", 48),
        ("name: shop", "name: another", 0),
    ],
)
def test_what_decides_an_answer_is_asked_again(shop, server, before, after, calls):
    edit(shop, before, after)
    since(shop)
    assert len(server.prompts) == calls


def test_another_question_is_asked_and_another_id_is_not(shop, server):
    edit(shop, "Item 3", "Item 33", "data.jsonl")
    edit(shop, '"e04"', '"e99"', "data.jsonl")
    since(shop)
    assert sorted(server.prompts) == ["Briefly: Item 33", "Kindly: Item 33"]


def test_reused_answers_are_scored_as_the_experiment_says_now(shop):
    edit(shop, "pattern: Item", "pattern: Question")
    since(shop)
    failed = {record["probe"] for record in records_of(shop / "pr") if not record["scores"]["passed"]}
    assert failed == {"regex"}
    assert insidellms("diff", "base", "pr", cwd=shop).code == 3


def test_a_run_since_a_run_since_another_names_the_one_that_asked(shop, server):
    edit(shop, "Kindly: ", "Very kindly: ")
    since(shop, "first")
    server.prompts.clear()
    since(shop, "second", base="first")
    assert not server.prompts
    roots = [json.loads((shop / name / "manifest.json").read_bytes())["records_root"] for name in ("base", "first")]
    assert {source["run"]: source["trials"] for source in note(shop, "second")["sources"]} == dict.fromkeys(roots, 24)
    assert all(source["oldest"] for source in note(shop, "second")["sources"])


def test_what_failed_in_the_baseline_is_asked_again_and_is_no_evidence(shop, server):
    edit(shop, "dataset:", "execution: {max_attempts: 1}\ndataset:")
    server.faults = [Fault(kind="500", match="Item 7", times=99)]
    assert run(shop, "base", "--overwrite").code == 0
    server.faults = []
    assert sum(record["status"] != "success" for record in records_of(shop / "base")) == 4
    server.prompts.clear()
    since(shop)
    assert sorted(server.prompts) == ["Briefly: Item 7", "Kindly: Item 7"]
    assert [record["since"]["answer"] for record in records_of(shop / "pr")].count("retried") == 4
    since(shop, "two", canary="1e-9")
    assert [record["since"]["answer"] for record in records_of(shop / "two")].count("canary") == 2
    assert insidellms("diff", "base", "pr", "--fail-on", "significant", cwd=shop).code == 4


@pytest.mark.parametrize("others", [["--batch"], ["--shard", "1/2"], ["--cache", "read"], ["--replay", "e.yaml"]])
def test_what_cannot_go_together_is_refused_before_anything_is_asked(shop, server, others):
    done = run(shop, "pr", "--since", "base", *others)
    assert done.code == 1
    assert "--since cannot be combined with" in done.err
    assert not server.prompts


@pytest.mark.parametrize("share", ["1.5", "nan"])
def test_a_share_that_is_none_is_refused(shop, share):
    done = run(shop, "pr", "--since", "base", "--canary", share)
    assert done.code == 1
    assert "it is a share from 0 to 1" in done.err


def test_a_run_cannot_replace_the_run_that_it_is_since(shop):
    done = run(shop, "base", "--since", "base", "--overwrite")
    assert (done.code, (shop / "base" / "manifest.json").exists()) == (1, True)


def damaged(folder):
    path = folder / "base" / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b"echo: ", b"eCho: ", 1))


def cut(folder):
    path = folder / "base" / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-100])


def partial(folder):
    assert run(folder, "base", "--overwrite", "--only", "e0*").code == 0


def absent(folder):
    (folder / "base").rename(folder / "elsewhere")


def of_another_version(folder):
    path = folder / "base" / "manifest.json"
    plain = json.loads(path.read_bytes())
    plain["library"]["version"] = "0.0.1"
    path.write_text(json.dumps(plain))


def of_another_tool(folder):
    path = folder / "base" / "manifest.json"
    plain = json.loads(path.read_bytes())
    plain["notes"]["imported"] = {"from": "promptfoo"}
    path.write_text(json.dumps(plain))


def with_a_broken_note(folder):
    path = folder / "base" / "manifest.json"
    plain = json.loads(path.read_bytes())
    plain["notes"]["since"] = {"run": "\u001b[31m", "canary": "all"}
    path.write_text(json.dumps(plain))


SPOILED = (damaged, cut, partial, absent, of_another_version, of_another_tool, with_a_broken_note)


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_baseline_whose_answers_cannot_be_trusted_is_refused(shop, server, spoil):
    spoil(shop)
    server.prompts.clear()
    done = run(shop, "pr", "--since", "base")
    assert done.code == 1
    assert "fix: " in done.err
    assert not server.prompts
    assert not (shop / "pr").exists()


CODE = """
from pathlib import Path
from insideLLMs import Model

class Mine(Model):
    def __init__(self):
        super().__init__("mine")

    def generate(self, prompt, **_):
        with Path("asked.txt").open("a") as file:
            file.write(prompt + "\\n")
        return "echo: " + prompt

def answer(prompt):
    return Mine().generate(prompt)
"""


@pytest.mark.parametrize(
    "model", ["{type: 'own.py:Mine'EXTRA}", "{type: callable, args: {function: 'own.py:answer'}EXTRA}"]
)
def test_answers_of_own_code_are_reused_only_where_that_is_declared(tmp_path, model):
    text = EXPERIMENT[: EXPERIMENT.index("model:")] + f"model: {model}" + EXPERIMENT[EXPERIMENT.index("\nprompts:") :]
    write_files(tmp_path, {"e.yaml": text.replace("EXTRA", ""), "data.jsonl": ROWS, "own.py": CODE})
    assert run(tmp_path, "base").code == 0
    asked = tmp_path / "asked.txt"
    counts = []
    for extra in ("", ", reusable: true"):
        asked.write_text("")
        write_files(tmp_path, {"e.yaml": text.replace("EXTRA", extra)})
        since(tmp_path, f"pr{len(counts)}")
        counts.append(len(asked.read_text().splitlines()))
    assert counts == [24, 0]


def test_headers_from_the_environment_are_hidden_inputs(tmp_path, server):
    extra = ", headers: {X-Tenant: '${TENANT}'}"
    text = EXPERIMENT.replace("BASE", server.base_url).replace("EXTRA", extra)
    write_files(tmp_path, {"e.yaml": text, "data.jsonl": ROWS})
    for name, args in (("base", ()), ("pr", ("--since", "base"))):
        done = insidellms("run", "e.yaml", "--run-dir", name, *args, cwd=tmp_path, env={"TENANT": name})
        assert done.code == 0, done.err
    assert len(server.prompts) == 48


def test_a_gate_over_nothing_but_reused_answers_is_inconclusive(shop):
    since(shop)
    done = insidellms("diff", "base", "pr", cwd=shop)
    assert done.code == 4
    assert "nothing was asked: every answer is reused" in " ".join(done.out.split())


def test_an_unchanged_experiment_with_canaries_passes_and_says_how_many(shop, server):
    since(shop, canary="0.1")
    asked = len(server.prompts)
    done = insidellms("diff", "base", "pr", "--json", cwd=shop)
    assert done.code == 0
    found = json.loads(done.out)["verdict"]
    assert found["assessment"]["overall"]["n_paired"] == 2 * asked
    assert any("reused answers are no evidence" in remark for remark in found["remarks"])


def test_reused_answers_do_not_count(shop):
    edit(shop, "Kindly: ", "Very kindly: ")
    since(shop)
    done = insidellms("diff", "base", "pr", "--max-growth", "output_tokens=0.5", "--json", cwd=shop)
    found = json.loads(done.out)["verdict"]
    overall = found["assessment"]["overall"]
    assert (overall["n_paired"], overall["n_items"], overall["reused"]) == (24, 24, 24)
    assert [growth["n"] for growth in found["growth"]] == [12]  # of 24 Trials half share the answers of others
    assert found["suite"]["share"] == pytest.approx(0.5)


def test_the_seed_draws_other_canaries_and_the_same_ones_again(shop):
    def drawn(name, seed):
        since(shop, name, "--canary-seed", seed, canary="0.5")
        return {(r["example_id"], r["prompt"]) for r in records_of(shop / name) if r["since"]["answer"] == "canary"}

    assert drawn("one", "monday") == drawn("two", "monday") != drawn("three", "tuesday")
    assert canonical_bytes(shop / "one") == canonical_bytes(shop / "two")


def test_a_resume_needs_the_run_that_it_was_begun_with(shop):
    since(shop)
    without = run(shop, "pr", "--resume")
    assert (without.code, "--resume --since RUN" in without.err) == (1, True)
    assert run(shop, "base", "--resume", "--since", "pr").code == 1
    again = run(shop, "pr", "--resume", "--since", "base")
    assert again.code == 0, again.err


def test_a_small_suite_asks_more_where_its_only_canary_moved(shop, server):
    """A few canaries cannot be an alarm: one that moved is looked into, and then all fell."""
    server.answers = {"Item": "no"}
    done = since(shop, canary="0.01")
    assert "more of the rest is asked again" in done.err
    assert "all of the rest is asked again" in done.err
    assert len(server.prompts) == 24
    assert "all of the rest is asked again" in " ".join(done.out.split())
    assert insidellms("diff", "base", "pr", cwd=shop).code == 3


def test_the_newest_run_of_a_pool_can_be_named(shop, server):
    accepted = insidellms("baseline", "accept", "base", "--pool", "pool", "--slim", "--why", "first", cwd=shop)
    assert accepted.code == 0
    since(shop, base="pool")
    assert not server.prompts


def test_a_moved_provider_is_asked_everything(shop, server):
    """The answers asked again all fail, so that all are asked again; the gate then sees the whole drop."""
    rows = [{"id": f"m{i:03}", "question": f"Item {i}"} for i in range(100)]
    write_files(shop, {"data.jsonl": rows})
    assert run(shop, "base", "--overwrite").code == 0
    server.prompts.clear()
    server.answers = {"Item": "no"}
    done = since(shop, canary="0.1")
    assert "all of the rest is asked again" in done.err
    assert len(server.prompts) == 200
    assert note(shop)["surprise"]
    assert insidellms("diff", "base", "pr", cwd=shop).code == 3
