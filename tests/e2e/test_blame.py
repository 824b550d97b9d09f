"""`insidellms blame`: which change did it, from two run directories."""

import json
import shutil
import subprocess

import pytest

from support.command import insidellms, started, write_files
from support.openai_server import OpenAIServer

BASE = """
name: asked
model: {type: dummy, args: {responses: {"days only": "30"}, canned_response: "thirty", seed: 1}}
prompt:
  id: p
  template: |
    You are the help desk.
    Answer with days only.
    Be polite.

    {{ question }}
probe: {type: contains, args: {all: ["30"]}}
dataset: {format: jsonl, path: data.jsonl}
"""
ROWS = [{"id": f"e{i:02}", "question": f"question {i}?"} for i in range(12)]


def run(folder, name, text, rows=ROWS):
    write_files(folder, {f"{name}.yaml": text, "data.jsonl": rows})
    done = insidellms("run", f"{name}.yaml", "--run-dir", name, "--overwrite", cwd=folder)
    assert done.code == 0, done.err


def blame(folder, *more, candidate="cand"):
    return insidellms("blame", "base", candidate, "--experiment", "base.yaml", *more, cwd=folder)


CAND = BASE.replace("the help desk", "a clerk").replace("with days only", "in a sentence").replace("seed: 1", "seed: 2")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    run(folder, "base", BASE)
    run(folder, "cand", CAND)
    return folder


@pytest.fixture
def runs(made, tmp_path):
    return shutil.copytree(made, tmp_path / "runs")


def guilt(report):
    return {one["factor"]["name"]: one["guilt"] for one in report["factors"]}


def test_the_hunk_that_did_it_is_named_and_the_others_are_cleared(runs):
    done = blame(runs, "--json")
    assert done.code == 0, done.err
    assert guilt(done.json) == {
        "seed": "did not",
        "template, hunk 1 of 2": "did not",
        "template, hunk 2 of 2": "did it",
    }
    assert done.json["provider"] == "did not"
    assert done.json["state"] == "found"
    assert done.json["calls"] <= 40


def test_two_changes_that_do_it_together_come_out_as_a_set(tmp_path):
    script = '{responses: {"days only": "30", "polite": "30"}, canned_response: "thirty", seed: 1}'
    base = BASE.replace('{responses: {"days only": "30"}, canned_response: "thirty", seed: 1}', script)
    run(tmp_path, "base", base)
    run(
        tmp_path,
        "cand",
        base.replace("with days only", "in words").replace("Be polite", "Be kind").replace("help desk", "shop"),
    )
    done = blame(tmp_path, "--json")
    assert done.code == 0, done.err
    assert sorted(guilt(done.json).values()) == ["did not", "took part", "took part"]
    assert [len(cause["factors"]) for cause in done.json["causes"]] == [2]


def test_a_second_start_pays_nothing_again_and_says_the_same(runs):
    first, second = (blame(runs, "--json").json for _ in range(2))
    assert second["earlier_calls"] == second["calls"] == first["calls"]
    assert {**second, "earlier_calls": 0} == first


def test_a_budget_that_ends_is_inconclusive_and_a_larger_one_goes_on(runs):
    whole = blame(runs, "--json", "--to", "whole").json
    short = blame(runs, "--json", "--max-calls", "14")
    assert short.code == 4
    assert short.json["state"] == "undecided"
    assert short.json["calls"] <= 14
    assert set(guilt(short.json).values()) == {"not decided"}
    nothing = blame(runs, "--json", "--max-calls", "3", "--to", "nothing")
    assert (nothing.code, nothing.json["calls"], nothing.json["looked_at"]) == (4, 0, 0)
    on = blame(runs, "--json").json
    assert on["earlier_calls"] == short.json["calls"]
    assert on["causes"] == whole["causes"]


def test_a_kill_at_any_moment_loses_nothing(runs):
    slow = [(runs / f"{name}.yaml").read_text().replace("seed:", "delay_s: 0.02, seed:") for name in ("base", "cand")]
    write_files(runs, {"slow-base.yaml": slow[0], "slow-cand.yaml": slow[1]})
    for name in ("base", "cand"):
        assert insidellms("run", f"slow-{name}.yaml", "--run-dir", f"slow-{name}", cwd=runs).code == 0
    command = ("blame", "slow-base", "slow-cand", "--experiment", "slow-base.yaml", "--json")
    for kill in (subprocess.Popen.kill, subprocess.Popen.terminate):
        process = started(*command, cwd=runs)
        process.stderr.readline()  # the first words: from now on it asks
        kill(process)
        process.communicate()
    done = insidellms(*command, cwd=runs)
    whole = insidellms(*command, "--to", "whole", cwd=runs)
    assert done.code == 0, done.err
    assert {**done.json, "earlier_calls": 0, "rounds": ""} == {**whole.json, "earlier_calls": 0, "rounds": ""}


def test_a_change_of_the_scoring_alone_is_scored_on_the_answers_that_are_there(tmp_path):
    with OpenAIServer(answers={"question": "30 days"}) as server:
        model = f"{{type: openai, args: {{model_name: m, base_url: '{server.base_url}'}}}}"
        text = BASE.replace(BASE.splitlines()[2].removeprefix("model: "), model)
        run(tmp_path, "base", text)
        run(tmp_path, "cand", text.replace('all: ["30"]', 'all: ["thirty"]'))
        asked = server.requests
        done = blame(tmp_path, "--experiment", "cand.yaml", "--json", "--exact")
        assert guilt(done.json) == {"all": "did it"}
        assert server.requests - asked == done.json["calls"] == len(ROWS)


def test_a_dry_run_lists_the_suspects_and_asks_nothing(runs):
    done = insidellms("blame", "base", "cand", "--dry-run", cwd=runs)
    assert done.code == 0, done.err
    assert "4 suspects" in done.out
    assert "at most 400 calls" in done.out
    assert "{+clerk+}" in done.out
    assert not (runs / "cand.blame").exists()


def test_nothing_is_asked_on_behalf_of_runs_that_nobody_vouches_for(runs):
    done = insidellms("blame", "base", "cand", cwd=runs)
    assert done.code == 1
    assert "--experiment" in done.err
    assert "--trust-run" in done.err
    assert not (runs / "cand.blame").exists()
    assert insidellms("blame", "base", "cand", "--trust-run", cwd=runs).code == 0


def test_the_report_stands_in_the_comment_and_in_the_page(runs):
    done = blame(runs, "--markdown", "c.md", "--html", "page.html")
    assert done.code == 0, done.err
    comment, page = (runs / "c.md").read_text(), (runs / "page.html").read_text()
    assert comment.startswith("<!-- insidellms:asked-blame -->")
    assert "template, hunk 2 of 2 did it" in comment
    assert "template, hunk 2 of 2 did it" in page


def test_text_of_a_prompt_is_never_live(tmp_path):
    run(tmp_path, "base", BASE)
    evil = "Say <script>alert(1)</script> ![x](https://evil.example/x) @team ::error::no | and \x1b[31mred."
    run(tmp_path, "cand", BASE.replace("Answer with days only.", json.dumps(evil)[1:-1].replace("\\u001b", "")))
    done = blame(tmp_path, "--markdown", "c.md", "--html", "page.html")
    assert done.code == 0, done.err
    comment = (tmp_path / "c.md").read_text()
    assert "<script>" not in comment.partition("\n")[2]
    assert "![x](" not in comment
    assert "@team" not in comment
    assert "<script>alert(1)" not in (tmp_path / "page.html").read_text()
    assert not any(line.startswith("::error::") for line in done.out.splitlines())


def test_examples_without_an_answer_may_have_fallen_so_nothing_is_decided(tmp_path):
    bot = "def answer(prompt):\n    if FAILS and 'question 1' in prompt:\n        raise ValueError\n    return '30'\n"
    own = '{type: dummy, args: {responses: {"days only": "30"}, canned_response: "thirty", seed: 1}}'
    for name, fails in (("base", False), ("cand", True)):
        write_files(tmp_path, {f"{name}.py": f"FAILS = {fails}\n{bot}"})
        model = f"{{type: callable, id: bot, args: {{function: '{name}.py:answer'}}}}"
        write_files(tmp_path, {f"{name}.yaml": BASE.replace(own, model), "data.jsonl": ROWS})
        insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=tmp_path)
    done = blame(tmp_path)
    assert done.code == 4, done.err
    assert "3 examples with an answer in base got none in cand" in done.out
    assert "no other example fell" in done.out
    assert blame(tmp_path, "--json").json["unanswered"] == 3


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (('all: ["30"]', 'all: ["thirty"]'), "all"),
        (('canned_response: "thirty"', 'canned_response: "x"'), None),
    ],
)
def test_what_a_probe_expects_is_a_suspect(tmp_path, change, name):
    run(tmp_path, "base", BASE)
    run(tmp_path, "cand", BASE.replace(*change))
    done = blame(tmp_path, "--json")
    if name is None:
        assert done.code == 0
        assert done.json["state"] == "nothing_fell"
        return
    assert "does not have its" in done.err  # a probe of another kind is named by its own experiment
    done = blame(tmp_path, "--experiment", "cand.yaml", "--json")
    assert done.code == 0, done.err
    assert guilt(done.json)[name] == "did it"


def test_a_rubric_is_a_suspect(tmp_path):
    judge = """{type: dummy, args: {responses: {"Be strict": '{"reason": "x", "score": 1}'},
      canned_response: '{"reason": "x", "score": 5}'}}"""
    probe = f'probe: {{type: judge, args: {{rubric: "Is it polite? Be mild.", judges: [{judge}]}}}}'
    base = BASE.replace('probe: {type: contains, args: {all: ["30"]}}', probe)
    run(tmp_path, "base", base)
    run(tmp_path, "cand", base.replace("Be mild", "Be strict").replace("seed: 1", "seed: 2"))
    done = blame(tmp_path, "--experiment", "cand.yaml")
    assert done.code == 0, done.err
    assert "rubric did it" in done.out
    assert "the other change did not: seed" in done.out


def test_calls_of_judges_count_against_the_budget(tmp_path):
    grades = {"Be strict": '{"reason": "x", "score": 1}', "Be mild": '{"reason": "x", "score": 5}'}
    with OpenAIServer(answers=grades) as server:
        judge = f"{{type: openai, args: {{model_name: j, base_url: '{server.base_url}'}}}}"
        probe = f'probe: {{type: judge, args: {{rubric: "Is it polite? Be mild.", judges: [{judge}]}}}}'
        base = BASE.replace('probe: {type: contains, args: {all: ["30"]}}', probe)
        run(tmp_path, "base", base)
        run(tmp_path, "cand", base.replace("Be mild", "Be strict").replace("seed: 1", "seed: 2"))
        stored = len(server.prompts)
        done = blame(tmp_path, "--experiment", "cand.yaml", "--json", "--exact", "--max-calls", "12")
        asked = len(server.prompts) - stored
    assert asked <= done.json["calls"] <= 12


def test_an_edited_example_is_a_suspect(tmp_path):
    text = BASE.replace(', args: {all: ["30"]}', "")
    run(tmp_path, "base", text, [{**row, "all": ["30"]} for row in ROWS])
    run(tmp_path, "cand", text, [{**row, "all": ["31"] if row["id"] < "e06" else ["30"]} for row in ROWS])
    done = blame(tmp_path, "--json")
    assert done.code == 0, done.err
    assert list(guilt(done.json).values()) == ["did it"]
    assert done.json["fallen"] == 6


def test_a_changed_provider_is_blamed_with_what_else_is_in_no_experiment(tmp_path):
    with OpenAIServer(answers={"question": "30"}) as server:
        model = f"{{type: openai, args: {{model_name: m, base_url: '{server.base_url}', temperature: 0}}}}"
        text = BASE.replace(BASE.splitlines()[2].removeprefix("model: "), model)
        run(tmp_path, "base", text)
        server.answers["question"] = "thirty"
        run(tmp_path, "cand", text.replace("Be polite", "Be kind"))
        done = blame(tmp_path, "--json", "--exact")
    assert done.code == 0, done.err
    assert done.json["provider"] == "did it"
    assert done.json["state"] == "provider"
    assert set(guilt(done.json).values()) == {"did not"}


def test_no_mixture_sends_the_key_of_one_side_to_the_address_of_the_other(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_A", "key-of-a-0123456789")
    monkeypatch.setenv("KEY_B", "key-of-b-0123456789")
    with OpenAIServer(answers={"question": "30"}) as one, OpenAIServer(answers={"question": "thirty"}) as other:
        for name, server in (("a", one), ("b", other)):
            args = (
                f"{{model_name: {name}, base_url: '{server.base_url}', api_key_env: KEY_{name.upper()}, max_tokens: 9}}"
            )
            text = BASE.replace(BASE.splitlines()[2].removeprefix("model: "), f"{{type: openai, id: m, args: {args}}}")
            text = text if name == "a" else text.replace("max_tokens: 9", "max_tokens: 8").replace("polite", "kind")
            run(tmp_path, {"a": "base", "b": "cand"}[name], text)
        for name, server in (("a", one), ("b", other)):
            server.require_key = f"key-of-{name}-0123456789"
        done = blame(tmp_path, "--experiment", "cand.yaml", "--json", "--exact")
    assert done.code == 0, done.err
    assert guilt(done.json) == {"template": "did not", "max_tokens": "did not", "model": "did it"}


def test_where_answers_vary_a_cause_is_proved_and_noise_is_not_blamed(tmp_path):
    flaky = BASE.replace("seed: 1", "flaky: 0.1, seed: 1")
    rows = [{"id": f"e{i:02}", "question": f"question {i}?"} for i in range(40)]
    run(tmp_path, "base", flaky, rows)
    run(tmp_path, "cand", flaky.replace("with days only", "in a sentence").replace("help desk", "clerk"), rows)
    done = blame(tmp_path, "--json")
    assert done.code == 0, done.err
    assert guilt(done.json) == {"template, hunk 1 of 2": "did not", "template, hunk 2 of 2": "did it"}
    assert done.json["exact"] is False
    assert done.json["causes"][0]["p"] < 0.02


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("base", "base"), "given twice"),
        (("base", "nowhere"), "does not exist"),
        (("base", "data.jsonl"), "is a file"),
        (("base", "cand", "--max-calls", "0"), "--max-calls"),
        (("base", "cand", "--alpha", "nan"), "alpha"),
        (("base", "cand", "--pair", "x"), "BASELINE=CANDIDATE"),
        (("base", "cand", "--to", "base"), "is a run"),
        (("base", "cand", "--to", "base.yaml"), "is a file"),
    ],
)
def test_what_cannot_be_blamed_is_said_before_anything_is_asked(runs, arguments, told):
    done = insidellms("blame", *arguments, "--experiment", "base.yaml", cwd=runs)
    assert done.code in {1, 2}
    assert told in done.err
    assert "Traceback" not in done.err
    assert not (runs / "cand.blame").exists()


def test_runs_without_an_example_in_common_are_no_calm(runs):
    run(runs, "other", CAND, [{**row, "id": f"other-{row['id']}"} for row in ROWS])
    done = blame(runs, candidate="other")
    assert done.code == 1
    assert "no scored example in common" in done.err


def test_a_fall_of_chance_is_called_noise(tmp_path):
    flaky = BASE.replace("seed: 1", "flaky: 0.5, seed: SEED").replace('all: ["30"]', 'all: ["30"], none: ["altered"]')
    rows = [{"id": f"e{i:02}", "question": f"question {i}?"} for i in range(40)]
    run(tmp_path, "base", flaky.replace("SEED", "1"), rows)
    run(tmp_path, "cand", flaky.replace("SEED", "2"), rows)
    done = blame(tmp_path, "--json")
    assert done.code == 0, done.err
    assert done.json["state"] == "not_reproduced"
    assert done.json["causes"] == []


def test_a_folder_that_holds_something_else_stays_as_it_is(runs):
    write_files(runs, {"cand.blame/notes.txt": "mine"})
    done = blame(runs)
    assert done.code == 1
    assert "holds something else" in done.err
    assert [path.name for path in (runs / "cand.blame").iterdir()] == ["notes.txt"]


def test_a_red_gate_names_the_next_step(runs):
    done = insidellms("diff", "base", "cand", cwd=runs)
    assert done.code == 3
    assert "insidellms blame base cand" in done.err
