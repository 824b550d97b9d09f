"""An application behind the recording proxy: recorded once, then replayed without a provider, a key or a network."""

import itertools
import json
import shutil
import signal
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from support.agent_provider import AgentProvider
from support.command import command_line, environment, insidellms
from support.documents import PLUGIN, ROOT
from support.key_spellings import SPELLINGS
from support.recorded_app import KEY, KEYS, record, replay, write_app

EVERY_API = """
print(chat("What about refunds?"))
print(chat("Stream it", stream=True))
print(ask(f"{OPENAI}/responses", {"model": "m", "input": "Where is it?"}, Authorization=f"Bearer {KEY}"))
print(ask(f"{OPENAI}/embeddings", {"model": "e", "input": "a"}, Authorization=f"Bearer {KEY}"))
print(ask(f"{OPENAI}/models", Authorization=f"Bearer {KEY}"))
anthropic = {"x_api_key": os.environ["ANTHROPIC_API_KEY"], "anthropic_version": "2023-06-01"}
turns = [{"role": "user", "content": "Hello"}]
print(ask(f"{ANTHROPIC}/v1/messages", {"model": "m", "max_tokens": 9, "messages": turns}, **anthropic))
print(ask(f"{ANTHROPIC}/v1/messages", {"model": "m", "max_tokens": 9, "messages": turns, "stream": True}, **anthropic))
print(ask(f"{ANTHROPIC}/v1/messages/count_tokens", {"model": "m", "messages": turns}, **anthropic))
gemini = f"{GEMINI}/v1beta/models/g"
contents = {"contents": [{"parts": [{"text": "Hello"}]}]}
print(ask(f"{gemini}:generateContent?key={os.environ['GEMINI_API_KEY']}", contents))
print(ask(f"{gemini}:streamGenerateContent?alt=sse&key={os.environ['GEMINI_API_KEY']}", contents))
print(ask(f"{OPENAI}/no/such/path", {}))
"""


@pytest.fixture
def provider():
    with AgentProvider() as server:
        yield server


def test_every_api_is_recorded_and_replayed_without_provider_and_keys(tmp_path):
    command = write_app(tmp_path, EVERY_API)
    with AgentProvider() as server:
        recorded = record(server, tmp_path, *command)
        sent = [headers.get("authorization") or headers.get("x-api-key") for headers in server.headers]
    assert recorded.code == 0, recorded.err
    assert "11 calls recorded in calls.jsonl" in recorded.err
    assert f"Bearer {KEY}" in sent
    assert KEYS["ANTHROPIC_API_KEY"] in sent
    again = replay(tmp_path, *command)
    assert again.code == 0, again.err
    assert again.out == recorded.out
    assert again.err == "verified: 11 calls against calls.jsonl; the command ended with 0\n"


def test_keys_are_written_nowhere_in_whatever_spelling_they_come_back(tmp_path, provider):
    keys = itertools.cycle(KEYS.values())
    spellings = [spell(key) for spell, key in zip(SPELLINGS.values(), keys, strict=False)]
    code = f"""
for text in {spellings!r}:
    chat(text)
    chat(text, stream=True)
print(ask(f"{{OPENAI}}/chat/completions?api_key={{KEY}}", {{"model": KEY, KEY: [KEY]}}, X_My_Token=KEY)[:0])
sys.stderr.write("".join(str(len(os.environ[name])) for name in {list(KEYS)!r}))
"""
    command = write_app(tmp_path, code)
    done = record(provider, tmp_path, *command, options=["--verbose", "--log-level", "debug"])
    assert done.code == 0, done.err
    (tmp_path / "app.py").unlink()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir()) + done.err.encode() + done.out.encode()
    assert kept.count(b"[redacted]") > len(spellings)
    for spelling in spellings:
        assert spelling.encode() not in kept
        assert json.dumps(spelling)[1:-1].encode() not in kept
    assert b"CANARY" not in kept


def test_parallel_calls_are_recorded_to_the_same_bytes_and_replayed_in_any_order(tmp_path):
    code = """
texts = [f"Question {number % 5}" for number in range(12)]
with ThreadPoolExecutor(6) as pool:
    answers = list(pool.map(chat, texts[::int(os.environ["STEP"])]))
print(*sorted(answers))
"""
    command = write_app(tmp_path, code)
    with AgentProvider(delay_s=0.02) as server:
        first = record(server, tmp_path, *command, to="a.jsonl", STEP="1")
        second = record(server, tmp_path, *command, to="b.jsonl", STEP="-1")
    assert (first.code, second.code) == (0, 0)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    again = replay(tmp_path, *command, path="a.jsonl", STEP="-1")
    assert again.code == 0, again.err
    assert again.out == first.out


CHANGING = """
system = os.environ.get("SYSTEM", "You are a friendly clerk who knows all about refunds.")
print(chat("What about refunds?", "refund", system, temperature=float(os.environ.get("TEMPERATURE", "0"))))
print(chat("Where is my parcel?", "parcel"))
"""
RUDER = "messages[0].content: You are a [-friendly-]{+rude+} clerk who knows all about refunds."


def test_a_changed_request_is_named_and_is_never_green(tmp_path, provider):
    command = write_app(tmp_path, CHANGING)
    record(provider, tmp_path, *command)
    changed = replay(tmp_path, *command, SYSTEM="You are a rude clerk who knows all about refunds.")
    assert changed.code == 4
    assert f"refund: POST openai/v1/chat/completions is not recorded; the nearest is call 1 of refund\n  {RUDER}\n" in (
        changed.err
    )
    assert changed.out.startswith("422 false ")  # what the client got, though the command ended with 0
    assert "UNVERIFIED: 2 calls against calls.jsonl; the command ended with 0" in changed.err


def test_the_verdict_is_given_as_json(tmp_path, provider):
    command = write_app(tmp_path, CHANGING)
    record(provider, tmp_path, *command)
    done = replay(tmp_path, *command, options=["--json"], TEMPERATURE="1").json
    assert done["status"] == "unverified"
    assert done["command_exit_code"] == 0
    (changed,) = done["changed"]
    assert (changed["case"], changed["nearest"]) == ("refund", "call 1 of refund")
    assert changed["differences"] == ["temperature: 0.0 -> 1.0"]
    assert list(done["not_made"].values()) == [1]
    same = replay(tmp_path, *command, options=["--json"]).json
    assert (same["status"], same["calls"], same["changed"], same["not_made"]) == ("verified", 2, [], {})


COUNTED = """
for number in range(int(os.environ.get("TIMES", "3"))):
    print(chat("The same", f"case {number % 2}"))
"""


def test_a_call_that_is_not_made_or_made_once_more_is_not_green(tmp_path, provider):
    command = write_app(tmp_path, COUNTED)
    record(provider, tmp_path, *command)
    fewer = replay(tmp_path, *command, TIMES="2")
    assert fewer.code == 4
    assert "case 0: POST openai/v1/chat/completions was recorded and not made" in fewer.err
    more = replay(tmp_path, *command, TIMES="4")
    assert more.code == 4
    assert "the same request, made more often than it was recorded" in more.err


def test_of_a_subset_of_the_tests_the_other_cases_are_not_missed(tmp_path, provider):
    command = write_app(tmp_path, "\nchat('a', 'one'); len(sys.argv) > 1 or chat('b', 'two')\n")
    record(provider, tmp_path, *command)
    assert replay(tmp_path, *command, "only", options=["--subset"]).code == 0
    assert replay(tmp_path, *command, "only").code == 4


def test_a_command_that_asks_nothing_is_not_green(tmp_path, provider):
    silent = write_app(tmp_path, "\n", "silent.py")
    recorded = record(provider, tmp_path, *silent)
    assert recorded.code == 1
    assert "nothing was recorded: the command made no call to a model" in recorded.err
    assert "fix: have it read its base URL from the environment" in recorded.err
    assert not list(tmp_path.glob("calls.jsonl*"))
    record(provider, tmp_path, *write_app(tmp_path, CHANGING))
    replayed = replay(tmp_path, *silent, options=["--subset"])
    assert replayed.code == 4
    assert "the command made no call to a model" in replayed.err


def test_the_exit_code_and_the_output_are_the_commands_own(tmp_path, provider):
    command = write_app(tmp_path, "\nprint(len(chat('Hi')) > 9); print('oops', file=sys.stderr); sys.exit(7)\n")
    recorded = record(provider, tmp_path, *command)
    replayed = insidellms("replay", "--from", "calls.jsonl", *command, "--json", cwd=tmp_path)  # which is the command's
    assert (recorded.code, replayed.code) == (7, 7)
    assert recorded.out == replayed.out == "True\n"
    assert recorded.err.startswith("oops\n")


def test_a_signal_reaches_the_command_and_an_unfinished_recording_replaces_nothing(tmp_path, provider):
    command = write_app(tmp_path, "\nprint(chat('Hi'), flush=True)\nimport time; time.sleep(60)\n")
    write_app(tmp_path, CHANGING, "other.py")
    record(provider, tmp_path, command[0], "other.py")
    before = (tmp_path / "calls.jsonl").read_bytes()
    arguments = ["record", "--to", "calls.jsonl", f"--upstream=openai={provider.url}/v1", "--", *command]
    with subprocess.Popen(command_line(*arguments), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE) as running:
        running.stdout.readline()
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 128 + signal.SIGTERM
    assert (tmp_path / "calls.jsonl").read_bytes() == before
    assert len((tmp_path / "calls.jsonl.partial").read_bytes().splitlines()) == 2


FAILING = """
print(chat("One"))
if os.environ.get("FAILS"):
    sys.exit(3)
print(chat("Two"))
"""


def test_a_command_that_fails_replaces_no_cassette_and_can_go_on(tmp_path, provider):
    command = write_app(tmp_path, FAILING)
    record(provider, tmp_path, *command)
    before = (tmp_path / "calls.jsonl").read_bytes()
    failed = record(provider, tmp_path, *command, FAILS="1")
    assert failed.code == 3
    assert "the command ended with 3, and calls.jsonl is as it was; go on with --resume from calls.jsonl.partial" in (
        failed.err
    )
    assert "recorded in" not in failed.err
    assert (tmp_path / "calls.jsonl").read_bytes() == before
    asked = provider.asked
    resumed = record(provider, tmp_path, *command, options=["--resume"])
    assert (resumed.code, provider.asked - asked) == (0, 1)
    assert (tmp_path / "calls.jsonl").read_bytes() == before
    kept = record(provider, tmp_path, *command, options=["--keep-failed"], FAILS="1")
    assert (kept.code, len((tmp_path / "calls.jsonl").read_bytes().splitlines())) == (3, 2)
    assert "1 call recorded in calls.jsonl" in kept.err


def test_a_command_that_fails_without_a_call_says_so(tmp_path, provider):
    done = record(provider, tmp_path, "sh", "-c", "exit 4")
    assert done.code == 4
    assert "the command ended with 4 without a call to a model; nothing is recorded" in done.err
    assert not list(tmp_path.glob("calls.jsonl*"))


def test_an_error_is_asked_again_when_a_recording_goes_on(tmp_path, provider):
    code = "\nprint(ask(f'{OPENAI}/' + ('no/such/path' if os.environ.get('FAILS') else 'models')))\n"
    command = write_app(tmp_path, code + FAILING)
    record(provider, tmp_path, *command)
    record(provider, tmp_path, *command, FAILS="1")
    asked = provider.asked
    assert record(provider, tmp_path, *command, options=["--resume"], FAILS="").code == 0
    assert provider.asked - asked == 2
    assert "no such path" not in (tmp_path / "calls.jsonl").read_text()


def test_a_replay_is_written_as_junit(tmp_path, provider):
    command = write_app(tmp_path, CHANGING + "\nsys.exit(int(os.environ.get('CODE', '0')))\n")
    record(provider, tmp_path, *command)
    assert replay(tmp_path, *command, options=["--junit", "green.xml"]).code == 0
    assert red_cases(tmp_path / "green.xml") == {"refund": None, "parcel": None, "verdict": None, "command": None}
    replay(tmp_path, *command, options=["--junit", "red.xml"], TEMPERATURE="1", CODE="5")
    red = red_cases(tmp_path / "red.xml")
    assert "temperature: 0.0 -> 1.0" in red["refund"]
    assert "recorded and not made" in red["refund"]
    assert "temperature" in red["verdict"]
    assert (red["parcel"], red["command"]) == (None, "")


def test_of_a_subset_the_cases_that_make_no_call_are_skipped_in_junit(tmp_path, provider):
    command = write_app(tmp_path, "\nchat('a', 'one'); len(sys.argv) > 1 or chat('b', 'two')\n")
    record(provider, tmp_path, *command)
    assert replay(tmp_path, *command, "only", options=["--subset", "--junit", "j.xml"]).code == 0
    skipped = ET.parse(tmp_path / "j.xml").findall(".//testcase[skipped]")
    assert [case.get("name") for case in skipped] == ["two"]


def red_cases(path):
    """Return the text of the failure of each case, None of those that passed."""
    return {case.get("name"): case.findtext("failure") for case in ET.parse(path).iter("testcase")}


def test_a_killed_recording_keeps_what_was_answered(tmp_path, provider):
    command = write_app(tmp_path, "\nfor number in range(10**6): chat(str(number), 'c'); print(number, flush=True)\n")
    arguments = ["record", "--to", "calls.jsonl", f"--upstream=openai={provider.url}/v1", "--", *command]
    with subprocess.Popen(command_line(*arguments), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE) as running:
        done = [running.stdout.readline() for _ in range(20)]
        running.kill()
    partial = tmp_path / "calls.jsonl.partial"
    with partial.open("ab") as file:
        file.write(b'{"torn')
    fewer = write_app(tmp_path, f"\nfor number in range({len(done)}): print(chat(str(number), 'c'))\n", "fewer.py")
    again = replay(tmp_path, *fewer, path=partial.name)
    assert "is not recorded" not in again.err
    refused = record(provider, tmp_path, *command)
    assert refused.code == 1
    assert f"a recording that was stopped left {partial.name}" in refused.err
    asked = provider.asked
    resumed = record(provider, tmp_path, *fewer, options=["--resume"])
    assert resumed.code == 0, resumed.err
    assert provider.asked == asked
    assert not partial.exists()
    assert replay(tmp_path, *fewer).out == resumed.out


def test_calls_go_where_the_users_own_variables_lead(tmp_path, provider):
    command = write_app(tmp_path, "\nprint(chat('Hi'))\n")
    done = insidellms(
        "record", "--to=c.jsonl", "--", *command, cwd=tmp_path, env={"OPENAI_BASE_URL": f"{provider.url}/v1"}
    )
    assert done.code == 0, done.err
    assert provider.asked == 1


class _Nowhere:
    url = "http://127.0.0.1:9"


def test_a_provider_that_cannot_be_reached_is_said_and_not_recorded(tmp_path):
    done = record(_Nowhere, tmp_path, *write_app(tmp_path, "\nprint(chat('Hi'))\n"))
    assert done.code == 1
    assert done.out.startswith("502 None ")
    assert "nothing was recorded: openai cannot be reached" in done.err
    assert "fix: check the network, or name another address with --upstream" in done.err


def test_a_damaged_cassette_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "calls.jsonl").write_text('{"format":"insidellms-wire/1"}\n{"case": 1}\n')
    (tmp_path / "path.jsonl").write_text('{"format":"insidellms-wire/1","variables":{"PATH":"openai"}}\n')
    done = replay(tmp_path, "touch", "ran")
    assert done.code == 1
    assert "calls.jsonl, line 2 is not a recorded call" in done.err
    assert replay(tmp_path, "touch", "ran", path="path.jsonl").code == 1
    assert not (tmp_path / "ran").exists()


def test_a_command_that_cannot_be_started_is_said(tmp_path, provider):
    done = record(provider, tmp_path, "no-such-command")
    assert done.code == 1
    assert "'no-such-command' cannot be started" in done.err


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_cases_are_told_apart_by_the_variables_of_their_processes(tmp_path, provider):
    script = 'curl -s "$OPENAI_BASE_URL/models" >/dev/null'
    lines = [script, f"INSIDELLMS_CASE=named {script}", f'PYTEST_CURRENT_TEST="t.py::test_a (call)" {script}']
    (tmp_path / "app.sh").write_text("\n".join(lines))
    record(provider, tmp_path, "sh", "app.sh")
    cases = [json.loads(line)["case"] for line in (tmp_path / "calls.jsonl").read_text().splitlines()[1:]]
    assert cases == ["curl", "named", "t.py::test_a"]


def test_the_calls_of_pytest_are_of_the_test_that_makes_them(tmp_path, provider):
    tests = """
import subprocess
import sys

def test_refund():
    assert "REFUND" in chat("A refund?")

def test_parcel_in_another_process():
    code = "from test_shop import chat; print(chat('A parcel?'))"
    assert b"PARCEL" in subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
"""
    write_app(tmp_path, tests, "test_shop.py")
    plugin = ["-p", PLUGIN] if PLUGIN else []
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin]
    recorded = record(provider, tmp_path, *command)
    assert recorded.code == 0, recorded.out
    cases = [json.loads(line)["case"] for line in (tmp_path / "calls.jsonl").read_text().splitlines()[1:]]
    assert cases == ["test_shop.py::test_parcel_in_another_process", "test_shop.py::test_refund"]
    again = replay(tmp_path, *command)
    assert again.code == 0, again.err


CLIENTS = ROOT / "benchmarks" / "clients"


@pytest.mark.parametrize("client", ["openai_client.py", "anthropic_client.py"])
def test_a_providers_own_client_gets_the_same_again(client, tmp_path, provider):
    command = [sys.executable, str(CLIENTS / client)]
    recorded = record(provider, tmp_path, *command)
    assert recorded.code == 0, recorded.err
    again = replay(tmp_path, *command)
    assert again.code == 0, again.err
    assert again.out == recorded.out
    changed = replay(tmp_path, *command, SYSTEM="You are a rude clerk.")
    assert changed.code == 4
    assert "You are a [-friendly-]{+rude+} clerk." in changed.err
    assert "CANARY" not in (tmp_path / "calls.jsonl").read_text()


def test_two_recordings_are_compared_as_runs_are(tmp_path, provider):
    command = write_app(tmp_path, CHANGING)
    record(provider, tmp_path, *command, to="before.jsonl")
    record(provider, tmp_path, *command, to="again.jsonl")
    write_app(tmp_path, CHANGING.replace("parcel?", "letter?"))
    record(provider, tmp_path, *command, to="after.jsonl")
    same = insidellms("diff", "before.jsonl", "again.jsonl", "--fail-on", "changes", cwd=tmp_path)
    assert same.code == 0, same.err
    other = insidellms("diff", "before.jsonl", "after.jsonl", "--fail-on", "changes", cwd=tmp_path)
    assert other.code == 3, other.err
    assert "WHERE IS MY [-PARCEL-]{+LETTER+}?" in other.out.replace("\x1b", "")
    assert "refund" not in other.out.partition("parcel")[2]
