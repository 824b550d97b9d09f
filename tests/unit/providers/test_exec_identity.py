"""What of a command is part of a model's identity: the program, its files, its variables and its fresh folder."""

import json
import os
import stat

import pytest

from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import (
    ArgumentError,
    AuthError,
    ModelUnavailableError,
)
from support.exec_commands import answer, folder_of, model
from support.processes import PYTHON


@pytest.fixture
def folder(tmp_path):
    return folder_of(tmp_path)


@pytest.mark.parametrize(
    ("env", "seen"),
    [
        (["OWN"], {"OWN": "value-of-own"}),
        ({"MODE": "fast", "LANG": "C", "ASKED": "{{ lang }}"}, {"MODE": "fast", "LANG": "C", "ASKED": "de"}),
        ({"TEAM": FromEnvironment.of("{{ x }}", "${OWN}")}, {"TEAM": "{{ x }}"}),
        (None, {}),
    ],
)
def test_only_variables_that_are_named_reach_it(folder, monkeypatch, env, seen):
    monkeypatch.setenv("OWN", "value-of-own")
    monkeypatch.setenv("OTHER", "value-of-other")
    told_of = model(
        folder, PYTHON, "-c", "import json, os; print(json.dumps(dict(os.environ)))", "{{ prompt }}", env=env
    )
    names = {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "USER"}
    listed = json.loads(answer(told_of).text.replace("[redacted]", os.environ["OWN"]))
    assert {name: value for name, value in listed.items() if name in seen} == seen
    assert set(listed) <= names | set(seen)


def test_a_variable_that_has_no_value_is_missed_when_it_is_run_and_not_before(folder, monkeypatch):
    monkeypatch.delenv("OWN", raising=False)
    asked = model(folder, env=["OWN"])
    assert asked.identity()["env"] == {"OWN": "${OWN}"}
    with pytest.raises(AuthError, match="environment variable OWN, which is not set"):
        asked.check()


def test_an_edit_of_the_program_or_of_its_files_is_another_identity(folder):
    (folder / "app").write_text("#!/bin/sh\necho 1\n")
    (folder / "app").chmod(0o755)
    (folder / "prompts").mkdir()
    (folder / "prompts" / "v1.md").write_text("one")
    seen = set()
    for path, text in (
        ("app", "#!/bin/sh\necho 2 \n"), ("settings.json", "{}"), ("prompts/v1.md", "other"), ("prompts/v2.md", "two"),
        ("tells.py", "print(1)"), ("unrelated", "x"),
    ):  # fmt: skip
        (folder / path).write_text(text)
        made = model(folder, "./app", "--config=settings.json", "tells.py", "{{ prompt }}", files=["prompts"])
        seen.add(json.dumps(made.identity(), sort_keys=True))
    assert len(seen) == 5
    assert sorted(made.identity()["files"]) == ["./app", "prompts", "settings.json", "tells.py"]
    assert str(folder) not in json.dumps(made.identity())


def test_a_recorded_identity_stands_in_for_what_is_not_here_and_never_for_an_edit(folder):
    recorded = model(folder, "python3", "tells.py", "{{ prompt }}").facts()
    elsewhere = {**recorded, "python3": "of another python"}
    here = model(folder, "python3", "tells.py", "{{ prompt }}")
    assert here.origin() == model(folder, "python3", "tells.py", "{{ prompt }}").origin()
    here.assume(elsewhere)
    assert here.facts() == elsewhere
    (folder / "tells.py").write_text("print(2)")
    assert here.facts() != elsewhere
    (folder / "tells.py").unlink()
    assert here.facts() == elsewhere


@pytest.mark.parametrize(
    ("command", "args", "said"),
    [
        (["./tels.py", "{{ prompt }}"], {}, "did you mean 'tells.py'"),
        (["./tells.py", "{{ prompt }}"], {}, "may not be run"),
        (["./app --ask", "{{ prompt }}"], {}, "each argument as an item of its own"),
        (["no-such-program", "{{ prompt }}"], {}, "in the folders of PATH"),
        (["python3", "tells.py", "{{ prompt }}"], {"files": ["tels.py"]}, "did you mean 'tells.py'"),
        (["python3", "tells.py", "{{ prompt }}"], {"cwd": "none", "fresh": True}, "there is no folder 'none'"),
        (["python3", "tells.py", "{{ prompt }}"], {"cwd": "tels.py"}, "did you mean 'tells.py'"),
        (["python3", "tells.py", "{{ prompt }}"], {"cwd": ".", "fresh": True}, "holds the experiment itself"),
        (["python3", "tells.py", "{{ prompt }}"], {"files": [".."]}, "holds the experiment itself"),
    ],
)
def test_what_is_missing_is_named_with_what_is_near(folder, command, args, said):
    with pytest.raises(ArgumentError) as caught:
        model(folder, *command, **args).identity()
    assert said in str(caught.value)


def test_a_program_is_looked_for_where_it_runs_and_then_beside_the_experiment(folder):
    (folder / "in").mkdir()
    for path, text in (("app", "outer"), ("in/app", "inner"), ("only", "outer")):
        (folder / path).write_text(f"#!/bin/sh\necho {text} $1\npwd\n")
        (folder / path).chmod(0o755)
    assert answer(model(folder, "./app", "{{ lang }}", cwd="in")).text == f"inner de\n{folder}/in"
    assert answer(model(folder, "./only", "{{ lang }}", cwd="in")).text == f"outer de\n{folder}/in"


def test_a_fresh_folder_is_a_copy_for_each_call_and_is_gone_afterwards(folder):
    work = folder / "work"
    (work / "deep").mkdir(parents=True)
    (work / "deep" / "file").write_text("original")
    (work / "link").symlink_to("deep/file")
    (work / "run.sh").write_text('#!/bin/sh\ncat link; echo "$1" > deep/file; chmod 000 deep; pwd\n')
    (work / "run.sh").chmod(0o755)
    asked = model(folder, "./run.sh", "{{ prompt }}", cwd="work", fresh=True)
    for _ in range(2):
        text = answer(asked).text
        assert text.startswith("original")
        assert not os.path.exists(text.removeprefix("original"))
    assert (work / "deep" / "file").read_text() == "original"
    assert stat.S_IMODE((work / "deep").stat().st_mode) != 0
    before = asked.identity()
    (work / "deep" / "file").write_text("edited")
    assert asked.identity() != before


def test_a_fresh_folder_may_use_what_stands_beside_the_experiment(folder):
    (folder / "work").mkdir()
    script = "{{ experiment_folder }}/tells.py"
    asked = model(folder, "python3", script, "{{ prompt }}", cwd="work", fresh=True)
    seen = json.loads(answer(asked).text)
    assert seen["arguments"] == ["What is asked"]
    assert seen["cwd"] != str(folder / "work")
    assert script in asked.identity()["files"]


@pytest.mark.parametrize("link", ["/etc/passwd", "../secret", "here/../../secret", "here"])
def test_a_link_that_leads_out_of_a_fresh_folder_is_refused(folder, link):
    (folder / "work").mkdir()
    (folder / "secret").write_text("x")
    (folder / "work" / "here").symlink_to("." if link != "here" else "..")
    (folder / "work" / "link").symlink_to(link)
    with pytest.raises(ArgumentError, match="which leads out of it"):
        model(folder, cwd="work", fresh=True).identity()


def test_a_pipe_in_a_fresh_folder_is_refused(folder):
    (folder / "work").mkdir()
    os.mkfifo(folder / "work" / "pipe")
    with pytest.raises(ArgumentError, match="neither a file nor a folder"):
        model(folder, cwd="work", fresh=True).identity()


def test_a_program_that_is_taken_away_meanwhile_stops_the_run(folder):
    (folder / "app").write_text("#!/bin/none\n")
    (folder / "app").chmod(0o755)
    asked = model(folder, "./app", "{{ prompt }}")
    with pytest.raises(ModelUnavailableError, match="its first line names"):
        answer(asked)
    (folder / "app").write_text("echo no first line")
    with pytest.raises(ModelUnavailableError, match="#!/bin/sh"):
        answer(asked)
    (folder / "app").unlink()
    with pytest.raises(ModelUnavailableError, match="there is no program"):
        answer(asked)
