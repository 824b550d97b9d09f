"""`--quiet` leaves out how far a command is, and nothing that it has to say."""

import json

import pytest

from insideLLMs.cli import steps_display
from insideLLMs.cli.main import run_command
from support.command import equal_run, write_files

EXPERIMENT = """
model: {type: dummy}
probe: {type: equals}
dataset: {path: q.jsonl}
"""
ROWS = [{"id": f"e{n}", "prompt": "Q", "expected": "A"} for n in range(2_200)]
COMMANDS = {
    "run": ("run", "e.yaml", "--run-dir", "again", "--overwrite"),
    "merge": ("merge", "s1", "s2", "--to", "merged", "--overwrite"),
    "verify": ("verify", "s1"),
    "report": ("report", "s1", "--html", "page.html"),
    "rescore": ("rescore", "s1", "--probe", "contains", "--to", "rescored", "--overwrite"),
    "import": ("import", "t.csv", "--to", "imported", "--overwrite"),
    "diff": ("diff", "s1", "same", "--html", "page.html"),
}

STEPS = {"rescore": "scoring again: contains: ", "import": "importing: "}
"""The step that takes longest, where it is not the last one."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quiet")
    table = "id,input,output,score\n" + "".join(f"a{n},Q,A,1\n" for n in range(1_100))
    write_files(folder, {"e.yaml": EXPERIMENT, "q.jsonl": ROWS, "t.csv": table})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for number in (1, 2):
            assert run_command(["run", "e.yaml", "--shard", f"{number}/2", "--run-dir", f"s{number}", "--quiet"]) == 0
    equal_run(folder / "s1", "same")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_quiet_leaves_out_how_far_a_command_is(folder, name, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(steps_display, "QUIET_S", -1.0)  # every step is worth a word
    assert run_command([*COMMANDS[name]]) == 0
    loud = capsys.readouterr()
    assert f"{STEPS.get(name, '')}1,024 of" in loud.err
    assert run_command([*COMMANDS[name], "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert " trials, " not in quiet.err
    if name != "diff":  # which then prints the verdict alone
        assert quiet.out == loud.out


def test_a_quiet_merge_is_held_to_its_gate(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    merge = ["merge", "s1", "s2", "--to", "gated", "--overwrite", "--quiet"]
    assert run_command([*merge, "--min-pass-rate", "0.9"]) == 3
    assert "FAIL" in capsys.readouterr().out
    assert run_command([*merge, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] is None
