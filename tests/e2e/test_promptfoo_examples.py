"""Whole configurations in the shapes of promptfoo's documentation score here as promptfoo 0.123 itself scored them."""

import pytest

from support.command import insidellms
from support.openai_server import OpenAIServer
from support.promptfoo_examples import FOLDER, NAMES, asked, copied, environment, imported, read, run

REFUSED = {
    "chat_history": [
        "promptfooconfig.yaml:1:1: prompts: no prompt is left",
        "promptfooconfig.yaml:1:11: prompts[0]: prompt: its chat is JSON only once it is filled in",
    ],
    "env_in_vars": ["promptfooconfig.yaml:4:12: tests[0].vars.topic: the var 'topic' reads the environment"],
    "programs": [
        "promptfooconfig.yaml:5:5: defaultTest.options.transform: test: options.transform: nothing here stands for it",
        "promptfooconfig.yaml:9:9: tests[0].assert[0]: javascript: no program is run by an import",
        "promptfooconfig.yaml:15:9: tests[1].assert[0]: javascript: no program is run by an import",
    ],
    "prompts_by_provider": [
        "promptfooconfig.yaml:5:5: providers[0]: provider: prompts: every model here is asked with every prompt",
        "promptfooconfig.yaml:7:5: providers[1]: provider: prompts: every model here is asked with every prompt",
        "promptfooconfig.yaml:13:5: tests[1].providers: test: providers: every model here answers every example",
    ],
}
OTHERWISE_ASKED = {"nunjucks"}
"""Its prompts print mappings: JSON with its keys in order here. A note says so."""
CARRIED = [one for one in NAMES if one not in REFUSED]


@pytest.mark.parametrize("name", [one for one in CARRIED if one != "cost_limits"])
def test_every_assertion_of_an_example_is_judged_as_promptfoo_judged_it(name, tmp_path):
    with OpenAIServer(answers=read(name, "answers.json")) as server:
        folder, told = copied(name, tmp_path), read(name, "verdicts.json")
        done = imported(folder)
        assert done.code == 0, done.err
        assert ("promptfoo writes it otherwise" in done.err) is (name in OTHERWISE_ASKED)
        assert insidellms("validate", "e.yaml", cwd=folder, env=environment(server)).code == 0
        done, rows = run(folder, server)
        assert rows == told["rows"], done.err
        assert done.code == {0: 0, 100: 3}[told["exit"]]
        if name not in OTHERWISE_ASKED:
            assert asked(server) == told["asked"]


@pytest.mark.parametrize("name", REFUSED)
def test_an_example_that_cannot_be_carried_over_is_refused_with_each_line_and_reason(name, tmp_path):
    folder = copied(name, tmp_path)
    done = imported(folder)
    assert done.code == 1
    lines = [line.strip() for line in done.err.splitlines() if line.startswith("  promptfooconfig.yaml:")]
    assert [line.startswith(told) for line, told in zip(lines, REFUSED[name], strict=True)] == [True] * len(lines)
    assert not (folder / "e.yaml").exists()


def test_what_a_program_would_have_scored_passes_nothing_where_it_is_left_out(tmp_path):
    with OpenAIServer(answers=read("programs", "answers.json")) as server:
        folder = copied("programs", tmp_path)
        assert imported(folder, "--skip-unsupported").code == 0
        done, rows = run(folder, server)
    assert done.code == 3
    assert [one["passed"] for one in read("programs", "verdicts.json")["rows"]] == [True, True, True]
    assert [one["passed"] for one in rows] == [False, False, False]


def test_where_a_choice_of_prompts_is_left_out_nothing_that_promptfoo_asked_is_missing(tmp_path):
    with OpenAIServer(answers=read("prompts_by_provider", "answers.json")) as server:
        folder, told = copied("prompts_by_provider", tmp_path), read("prompts_by_provider", "verdicts.json")
        assert imported(folder, "--skip-unsupported").code == 0
        done, rows = run(folder, server)
        assert [one for one in told["asked"] if one not in asked(server)] == []
    assert [one for one in told["rows"] if one not in rows] == []
    assert done.code == 3


def test_a_limit_on_cost_is_not_met_before_prices_are_known_and_then_as_promptfoo_says(tmp_path):
    prices = "execution: {prices: {openai/gpt-4.1-mini: {input: 0.4, output: 1.6}}}\n"
    with OpenAIServer(answers=read("cost_limits", "answers.json")) as server:
        folder, told = copied("cost_limits", tmp_path), read("cost_limits", "verdicts.json")
        assert imported(folder).code == 0
        done, rows = run(folder, server)
        assert done.code == 4
        assert "cost_usd.max was not measured" in done.out
        with (folder / "e.yaml").open("a") as file:
            file.write(prices)
        done, rows = run(folder, server)
    assert (done.code, told["exit"]) == (3, 100)
    assert "gate: 1 of 3 conditions not met" in done.out
    assert [one["assertions"] for one in rows] == [one["assertions"] for one in told["rows"]]


def test_the_examples_are_many_and_none_holds_a_path_of_a_machine_or_an_address():
    assert len(CARRIED) >= 22
    texts = [one.read_text(encoding="utf-8") for one in FOLDER.rglob("*") if one.is_file()]
    assert not [one for one in texts if "/tmp/" in one or "127.0.0.1" in one or "/home/" in one]
