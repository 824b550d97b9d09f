"""A cassette that lacks answers: what it lacks and why is said, only that is asked, and nothing is left in the way."""

import json

import pytest

from support.command import insidellms, write_files
from support.openai_server import OpenAIServer

ROWS = [{"id": f"i{n:02}", "question": f"item i{n:02}?", "answer": "item"} for n in range(12)]
MODEL = "{type: openai, id: m, args: {model_name: stub, base_url: 'BASE', temperature: 0}, system: Help Acme.}"
EXPERIMENT = f"""
name: e
model: {MODEL}
probe: {{type: contains}}
dataset: {{path: q.jsonl}}
"""
JUDGED = """
name: judged
model: {type: openai, id: m, args: {model_name: stub, base_url: 'BASE'}}
probe:
  type: judge
  args: {judges: {type: openai, args: {model_name: grader, base_url: 'BASE'}}, rubric: Is it an answer?}
dataset: {path: q.jsonl}
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A server, and what a recording of the experiment left."""
    folder = tmp_path_factory.mktemp("recorded")
    with OpenAIServer(answers={"You grade": '{"reason": "clear", "score": 4}'}) as server:
        write(folder, server)
        assert run(folder, "--record", "t.jsonl").code == 0
        assert server.requests == len(ROWS)
        yield server, (folder / "t.jsonl").read_bytes()


@pytest.fixture
def server(recorded):
    """The server, with a count that starts at nothing."""
    recorded[0].requests = 0
    return recorded[0]


@pytest.fixture
def folder(tmp_path, recorded, server):
    """A folder with the experiment and its cassette."""
    write(tmp_path, server)
    (tmp_path / "t.jsonl").write_bytes(recorded[1])
    return tmp_path


def write(folder, server, change=("", ""), *, rows=ROWS, name="e.yaml"):
    text = EXPERIMENT.replace(*change, 1) if change[0] else EXPERIMENT
    write_files(folder, {name: text.replace("BASE", server.base_url), "q.jsonl": rows})


def run(folder, *args, **env):
    return insidellms("run", "e.yaml", *args, cwd=folder, env={"OPENAI_API_KEY": "k", **env})


def check(folder, *args):
    return insidellms("run", "e.yaml", "--replay", "t.jsonl", "--check", *args, cwd=folder)


def test_a_cassette_with_all_answers_passes_the_check_without_a_key_or_a_run(folder, server):
    done = check(folder)
    assert (done.code, done.out) == (0, "t.jsonl has all 12 answers that e.yaml needs\n")
    assert not (folder / "runs").exists()
    assert server.requests == 0


CHANGES = {
    "system prompt": (("Help Acme.", "Help Acme. Be brief."), 12, "system 'Help Acme.' -> 'Help Acme. Be brief.'"),
    "parameter": (("temperature: 0", "temperature: 0.7"), 12, "model 'm': parameters.temperature 0 -> 0.7"),
    "model": (("model_name: stub", "model_name: stub-2"), 12, "model 'm': model_name 'stub' -> 'stub-2'"),
    "address": (("BASE", "BASE/other"), 12, "model 'm': base_url '"),
    "template": (("contains", "contains, args: {template: 'Q: {{ question }}'}"), 12, "template 'item i00?' -> 'Q: "),
    "repeats": (("name: e", "name: e\nrepeats: 3"), 24, "repeats: more than were recorded"),
    "independent answers": (("name: e", "name: e\nindependent_answers: true"), 12, "independent_answers"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "missing", "says"), CHANGES.values(), ids=CHANGES)
def test_a_miss_says_what_changed_and_how_many_answers_are_missing(folder, server, change, missing, says):
    write(folder, server, change)
    done = check(folder)
    assert done.code == 4
    assert f"lacks {missing} of the " in done.out
    assert f"  {missing} × " in done.out
    assert says in done.out
    assert "fix: insidellms run e.yaml --record t.jsonl --missing" in done.err
    assert server.requests == 0


def test_edited_and_new_rows_are_named(folder, server):
    edited, new = {**ROWS[0], "question": "another item?"}, {**ROWS[0], "id": "new", "question": "new?"}
    write(folder, server, rows=[edited, *ROWS[1:], new])
    done = check(folder, "--json")
    assert done.code == 4
    (cause,) = done.json["causes"]
    assert (done.json["needs"], done.json["missing"], done.json["unused"]) == (13, 2, 1)
    assert (cause["answers"], cause["words"]) == (2, "dataset: new or edited examples, such as 'i00', 'new'")


def test_a_replay_that_misses_says_the_same_and_leaves_no_run_in_the_way(folder, server):
    write(folder, server, ("Help Acme.", "Help everybody."))
    for _ in range(2):
        done = run(folder, "--replay", "t.jsonl", "--run-dir", "candidate")
        assert done.code == 1
        assert "the cassette has no answer for example 'i00'" in done.err
        assert "lacks 12 of the 12 answers" in done.err
        assert "fix: record what is missing: insidellms run e.yaml --record t.jsonl --missing" in done.err
        assert "--resume" not in done.err
    assert server.requests == 0
    write(folder, server)
    assert run(folder, "--replay", "t.jsonl", "--run-dir", "candidate").code == 0


def test_only_what_is_missing_is_asked_and_the_rest_is_kept(folder, server):
    before = set((folder / "t.jsonl").read_bytes().splitlines())
    write(folder, server, rows=[*ROWS, {"id": "z", "question": "a new item?", "answer": "item"}])
    assert run(folder, "--record", "t.jsonl", "--missing", "--run-dir", "r").code == 0
    assert server.requests == 1
    after = (folder / "t.jsonl").read_bytes().splitlines()
    assert len(set(after) - before) <= 2  # the answer; and the line that says what the model is may be another now
    assert len(after) == len(ROWS) + 1
    assert check(folder).code == 0


def test_a_recording_that_was_killed_is_not_paid_for_again(folder, server):
    (folder / "t.jsonl").rename(folder / "t.jsonl.partial")
    assert run(folder, "--record", "t.jsonl", "--missing").code == 0
    assert server.requests == 0
    assert check(folder).code == 0


def test_a_recording_without_missing_asks_everything_again(folder, server):
    assert run(folder, "--record", "t.jsonl").code == 0
    assert server.requests == len(ROWS)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--missing",), "asks only what the cassette of `record` lacks"),
        (("--missing", "--replay", "t.jsonl"), "leave `cache` and `replay` out"),
        (("--missing", "--record", "t.jsonl", "--cache", "refresh"), "leave `cache` and `replay` out"),
        (("--check",), "--check needs a cassette"),
        (("--check", "--replay", "none.jsonl"), "--record none.jsonl"),
        (("--check", "--replay", "q.jsonl"), "q.jsonl, line 1 is not a recorded answer"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(folder, server, args, says):
    done = run(folder, *args)
    assert (done.code, says in done.err) == (1, True), done.err
    assert server.requests == 0


def test_what_a_model_was_is_told_once_and_holds_no_key(folder, server):
    key = "canary-sk-0123456789"
    assert run(folder, "--record", "u.jsonl", OPENAI_API_KEY=key).code == 0
    lines = [json.loads(line) for line in (folder / "u.jsonl").read_bytes().splitlines()]
    assert [line.get("model_identity", {}).get("model_name") for line in lines] == ["stub"] + [None] * 11
    assert key not in (folder / "u.jsonl").read_text()


def test_a_cassette_that_does_not_say_what_its_models_were_still_replays(folder, server):
    lines = [json.loads(line) for line in (folder / "t.jsonl").read_bytes().splitlines()]
    old = [{name: value for name, value in line.items() if name != "model_identity"} for line in lines]
    write_files(folder, {"t.jsonl": old})
    assert check(folder).code == 0
    write(folder, server, ("temperature: 0", "temperature: 1"))
    done = check(folder)
    assert done.code == 4
    assert "the model, its parameters, its address (base_url) or its system prompt" in done.out


def test_what_a_judge_lacks_is_found_by_replaying_its_answers(tmp_path, server):
    write_files(tmp_path, {"e.yaml": JUDGED.replace("BASE", server.base_url), "q.jsonl": ROWS})
    assert run(tmp_path, "--record", "t.jsonl").code == 0
    assert check(tmp_path).code == 0
    lines = (tmp_path / "t.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "t.jsonl").write_text("".join(line for line in lines if "You grade" not in line))
    done = check(tmp_path)
    assert (done.code, "judge/openai/grader" in done.out) == (4, True), done.out
