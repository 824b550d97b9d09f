"""Conversations through the real command: paid once, replayed, rescored, and held with applications of every kind."""

import json
import sys
from typing import ClassVar

import pytest

from support.command import insidellms, records_of, write_files
from support.local_server import LocalServer, QuietHandler
from support.openai_server import Fault, OpenAIServer

SCRIPTED = """
name: talk
model: {type: openai, id: m, args: {model_name: stub, base_url: 'URL'}}
probe:
  type: conversation
  args: {checks: [{type: contains, none: [sorry]}]}
dataset:
  examples:
    - {id: a, turns: [first, second, {user: third, expected: third}, fourth]}
    - {id: b, turns: [erste, zweite, dritte]}
execution: {max_attempts: 1, concurrency: 1}
"""
PLAYED = """
name: played
model: {type: openai, id: m, args: {model_name: stub, base_url: 'URL'}}
probe:
  type: conversation
  args:
    user:
      model: {type: openai, args: {model_name: player, base_url: 'URL', seed: 7}}
      max_turns: 2
      at_turn_limit: score
    checks: [{type: contains, any: [echo]}]
dataset: {examples: [{id: a, goal: Get a refund}]}
repeats: 2
execution: {concurrency: 1}
"""


@pytest.fixture
def server():
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def folder(tmp_path, server):
    write_files(tmp_path, {"talk.yaml": SCRIPTED.replace("URL", server.base_url)})
    write_files(tmp_path, {"played.yaml": PLAYED.replace("URL", server.base_url)})
    return tmp_path


def run(folder, *args, file="talk.yaml", code=0):
    done = insidellms("run", file, *args, cwd=folder)
    assert done.code == code, done.err
    return done


def telemetry(folder, name):
    return [json.loads(line) for line in (folder / name / "telemetry.jsonl").read_text().splitlines()]


def test_a_resumed_run_asks_from_the_turn_that_failed(folder, server):
    server.faults = [Fault(kind="500", match="third")]
    run(folder, "--run-dir", "out")
    failed = records_of(folder / "out")[0]
    assert (failed["status"], failed["failure"]["message"].partition(":")[0]) == ("error", "turn 3")
    assert [one["content"] for one in failed["response"]["trajectory"]] == [
        "first", "echo: first", "second", "echo: second", "third",
    ]  # fmt: skip
    before = len(server.prompts)
    run(folder, "--run-dir", "out", "--resume")
    assert server.prompts[before:] == ["third", "fourth"]
    run(folder, "--run-dir", "whole")
    assert (folder / "out/records.jsonl").read_bytes() == (folder / "whole/records.jsonl").read_bytes()


def test_a_spent_budget_ends_a_conversation_at_its_next_turn_and_a_resumed_run_goes_on(folder, server):
    run(folder, "--run-dir", "out", "--set", "execution.max_tokens=4", code=1)
    assert server.prompts == ["first", "second"]
    run(folder, "--run-dir", "out", "--resume")
    assert sorted(server.prompts) == sorted(["first", "second", "third", "fourth", "erste", "zweite", "dritte"])


def test_a_recorded_conversation_is_replayed_byte_for_byte_and_rescored_without_a_call(folder, server):
    run(folder, "--run-dir", "live", "--record", "talk.jsonl")
    asked = len(server.prompts)
    run(folder, "--run-dir", "replayed", "--replay", "talk.jsonl")
    assert (folder / "live/records.jsonl").read_bytes() == (folder / "replayed/records.jsonl").read_bytes()
    stricter = {"type": "conversation", "args": {"turn_checks": [{"type": "contains", "none": ["second", "dritte"]}]}}
    done = insidellms("rescore", "live", "--probe", json.dumps(stricter), "--to", "again", cwd=folder)
    assert done.code == 0, done.err
    assert [one["scores"]["label"] for one in records_of(folder / "again")] == ["turn 2 fails", "turn 3 fails"]
    assert len(server.prompts) == asked


def test_a_conversation_that_broke_off_is_rescored_as_a_failure(folder, server):
    server.faults = [Fault(kind="500", match="third", times=9)]
    run(folder, "--run-dir", "out")
    probe = json.dumps({"type": "contains", "args": {"any": ["echo"]}})
    done = insidellms("rescore", "out", "--probe", probe, "--to", "again", cwd=folder)
    assert done.code == 0, done.err
    assert [one["status"] for one in records_of(folder / "again")] == ["error", "success"]


def test_a_dry_run_says_how_many_calls_there_are_at_most(folder):
    assert "at most 7 calls for 2 trials" in run(folder, "--dry-run").out
    rows = json.loads(run(folder, "--dry-run", "--json", file="played.yaml").out)["models"]
    found = [(row["model"], row["calls"], row["is_most"]) for row in rows]
    assert found == [("m", 4, True), ("conversation/user", 6, True)]


def test_a_simulated_users_calls_are_recorded_counted_and_seeded_by_repeat(folder, server):
    run(folder, "--run-dir", "live", "--record", "played.jsonl", file="played.yaml")
    seeds = [body["seed"] for body in server.bodies if body["model"] == "player"]
    assert (len(seeds), len(set(seeds))) == (6, 6)
    calls = [call for line in telemetry(folder, "live") for call in line["judges"]]
    assert [call["model"] for call in calls] == ["conversation/user"] * 6
    asked = len(server.prompts)
    run(folder, "--run-dir", "replayed", "--replay", "played.jsonl", file="played.yaml")
    assert len(server.prompts) == asked
    assert (folder / "live/records.jsonl").read_bytes() == (folder / "replayed/records.jsonl").read_bytes()
    run(folder, "--run-dir", "again", file="played.yaml")
    assert [body["seed"] for body in server.bodies if body["model"] == "player"][6:] == seeds


def test_what_the_user_said_before_a_turn_failed_is_not_paid_again(folder, server):
    server.answers = {"The conversation begins": "I want a refund."}
    server.faults = [Fault(kind="429", match="I want a refund", times=99)]
    once = ("--run-dir", "out", "--set", "repeats=1", "--set", "execution.max_attempts=1")
    run(folder, *once, file="played.yaml", code=1)
    assert records_of(folder / "out")[0]["status"] == "rate_limited"
    server.faults, before = [], len(server.prompts)
    run(folder, *once, "--resume", file="played.yaml")
    assert server.prompts[before] == "I want a refund."


def test_who_plays_the_user_is_part_of_the_runs_identity(folder):
    def run_id(**changed):
        text = (folder / "played.yaml").read_text()
        for old, new in changed.items():
            text = text.replace(old, new)
        write_files(folder, {"other.yaml": text})
        return json.loads(run(folder, "--dry-run", "--json", file="other.yaml").out)["run_id"]

    same = run_id()
    assert len({same, run_id(player="other"), run_id(**{"max_turns: 2": "max_turns: 3"})}) == 3


def test_shards_hold_the_same_conversations_as_the_whole_run(folder):
    run(folder, "--run-dir", "whole")
    for part in "12":
        run(folder, "--shard", f"{part}/2", "--run-dir", f"part{part}")
    done = insidellms("merge", "part1", "part2", "--to", "merged", cwd=folder)
    assert done.code == 0, done.err
    assert (folder / "merged/records.jsonl").read_bytes() == (folder / "whole/records.jsonl").read_bytes()


def test_an_audit_advises_checks_that_the_conversation_itself_reads(folder):
    run(folder, "--run-dir", "out")
    done = insidellms("audit", "out", cwd=folder)
    assert "# in example a" in done.out
    assert "under `probes`" not in done.out


class Remembers(QuietHandler):
    """An application that keeps what each session was told."""

    sessions: ClassVar[dict] = {}

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        heard = self.sessions.setdefault(body["session"], [])
        heard.append(body["text"])
        self.answer(200, {"reply": " | ".join(heard), "sources": [f"page {len(heard)}"]})


STATEFUL = """
model:
  type: http
  id: app
  args:
    base_url: 'URL/chat'
    body: {session: "{{ conversation_id }}", text: "{{ prompt }}"}
    answer: $.reply
    keep: {sources: $.sources}
probe:
  type: conversation
  args:
    turn_checks: [{type: contains, of: sources, any: [page]}]
    checks: [{type: contains, of: sources, any: [page 3]}, {type: equals, expected: "a\\n\\na | b\\n\\na | b | c"}]
dataset: {examples: [{id: abc, turns: [a, b, c]}, {id: again, order: 7, turns: [a, b, c]}]}
"""


def test_an_application_that_keeps_its_history_gets_a_new_conversation_for_each_trial_and_run(tmp_path):
    Remembers.sessions.clear()
    with LocalServer(Remembers) as app:
        write_files(tmp_path, {"app.yaml": STATEFUL.replace("URL", app.url)})
        run(tmp_path, "--run-dir", "one", "--record", "app.jsonl", file="app.yaml")
        run(tmp_path, "--run-dir", "two", "--cache", "read", file="app.yaml")
        run(tmp_path, "--run-dir", "three", "--cache", "read", file="app.yaml")
        assert sorted(Remembers.sessions.values()) == [["a", "b", "c"]] * 6
    run(tmp_path, "--run-dir", "replayed", "--replay", "app.jsonl", file="app.yaml")
    assert all(one["scores"]["passed"] for one in records_of(tmp_path / "one"))
    names = {one["request"]["variables"]["conversation_id"] for one in records_of(tmp_path / "one")}
    assert (len(names), names & set(Remembers.sessions)) == (2, set())
    for other in ("two", "three", "replayed"):
        assert (tmp_path / "one/records.jsonl").read_bytes() == (tmp_path / other / "records.jsonl").read_bytes()


def test_a_command_is_sent_the_chat_or_only_the_last_message(tmp_path):
    program = "import json, sys\nchat = json.load(sys.stdin)\nprint(len(chat['history']), chat['last'])\n"
    text = """
model:
  type: exec
  args: {command: [PYTHON, app.py], stdin: {history: "{{ messages }}", last: "{{ prompt }}"}}
probe: {type: conversation, args: {checks: [{type: contains, all: ["1 Hi", "3 Bye"]}]}}
dataset: {examples: [{id: a, turns: [Hi, Bye]}]}
"""
    write_files(tmp_path, {"app.py": program, "e.yaml": text.replace("PYTHON", sys.executable)})
    run(tmp_path, "--run-dir", "out", file="e.yaml")
    assert records_of(tmp_path / "out")[0]["scores"]["passed"] is True


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('{"id": "a", "turns": []}', "nothing that the user says"),
        ('{"id": "a", "turns": "Hello"}', "its `turns` are a text"),
        ('{"id": "a", "turns": ["Hi", "You said {{ answers[3] }}"]}', "turn 2"),
        ('{"id": "a", "turns": ["Hi", 3]}', "turns[1]: is 3"),
        ('{"id": "a", "turns": ["Hi", {"user": "x", "check": []}]}', "did you mean 'checks'"),
    ],
)
def test_what_is_wrong_with_a_conversation_is_said_with_its_line_before_anything_is_asked(folder, server, row, problem):
    text = (folder / "talk.yaml").read_text().partition("dataset:")[0] + "dataset: {path: talks.jsonl}\n"
    write_files(folder, {"wrong.yaml": text, "talks.jsonl": '{"id": "ok", "turns": ["Hi"]}\n' + row + "\n"})
    done = run(folder, file="wrong.yaml", code=1)
    assert problem in done.err
    assert "talks.jsonl:2" in done.err or "line 2" in done.err
    assert server.prompts == []


@pytest.mark.parametrize("row", [{"goal": "Win", "wording": "2+2?"}, {"turns": ["2+2?", "And 3+3?"]}])
def test_what_a_conversation_takes_for_an_input_is_none_for_other_probes(folder, server, row):
    experiment = {"model": {"type": "dummy"}, "probe": "contains", "dataset": {"examples": [{**row, "expected": "4"}]}}
    write_files(folder, {"other.yaml": json.dumps(experiment)})
    refused = run(folder, "--run-dir", "other", file="other.yaml", code=1)
    assert "has no input but its `turns` or `goal`" in refused.err
    experiment["dataset"] = {"examples": [{**row, "turns": "3", "input": "2+2?", "expected": "4"}]}
    write_files(folder, {"other.yaml": json.dumps(experiment)})
    run(folder, "--run-dir", "other", file="other.yaml")
    same = {"prompt": "Win", "goal": "Win", "expected": "4"}
    experiment["dataset"] = {"examples": [same], "field_names": {"input": "prompt"}}
    write_files(folder, {"other.yaml": json.dumps(experiment)})
    run(folder, "--run-dir", "named", file="other.yaml")
