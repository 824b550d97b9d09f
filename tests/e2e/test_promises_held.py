"""Promises of the README, each through the command line: nothing lost, nothing green by mistake, nothing leaked."""

import json
import sqlite3
import subprocess
import sys

import pytest

from support import wire
from support.api_server import ApiServer
from support.command import command_line, environment, insidellms, records_of, write_files
from support.processes import below, command_lines, wait_until_gone

PROBE = {"type": "contains", "id": "c", "args": {"any": ["A"]}}


def experiment(model, probe=PROBE, prompts=("a", "b", "c"), **settings):
    rows = [{"id": name, "prompt": name} for name in prompts]
    text = json.dumps({"model": model, "probe": probe, "dataset": {"examples": rows}, **settings})
    return {"e.json": text}


def provider(name, server, path="", **args):
    return {"type": name, "args": {"model_name": "m", "base_url": f"{server.url}{path}", **args}}


def run(folder, *options, env=None, name="run"):
    done = insidellms("run", "e.json", "--run-dir", name, *options, cwd=folder, env=env)
    assert "Traceback" not in done.err
    return done


ONCE = {"execution": {"max_attempts": 1, "concurrency": 1}}


def test_a_cancellation_out_of_a_users_model_costs_one_trial(tmp_path):
    code = (
        "import asyncio\nclass Model:\n    def __init__(self, name='m'):\n        self.name = name\n"
        "    async def agenerate(self, prompt, **options):\n"
        "        if prompt == 'b':\n            raise asyncio.CancelledError\n        return 'A'\n"
    )
    write_files(tmp_path, {"m.py": code, **experiment({"type": "m.py:Model"}, execution={"concurrency": 3})})
    assert run(tmp_path).code == 0
    assert [record["status"] for record in records_of(tmp_path / "run")] == ["success", "error", "success"]


@pytest.mark.parametrize("damage", ["doubled", "removed"])
def test_a_sealed_run_whose_lines_were_moved_is_not_reopened(tmp_path, damage):
    write_files(tmp_path, experiment({"type": "dummy"}))
    assert run(tmp_path).code == 0
    records = tmp_path / "run" / "records.jsonl"
    lines = records.read_bytes().splitlines(keepends=True)
    changed = b"".join([lines[0], lines[0], lines[2]] if damage == "doubled" else lines[:2])
    records.write_bytes(changed)
    done = run(tmp_path, "--resume")
    assert done.code == 1, done.out
    assert records.read_bytes() == changed


FAILURES = [
    ("openai", "/v1", {"choices": [{"error": {"code": 502, "message": "x"}, "finish_reason": "error"}]}),
    ("openai", "/v1", {"choices": [{"message": {"content": "A half"}, "finish_reason": "abort"}]}),
    ("gemini", "/v1beta", {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "content": {"parts": []}}]}),
    ("openai_responses", "/v1", {**wire.responses("A"), "status": "in_progress"}),
    ("ollama", "", {"message": {"content": ""}, "done": True, "done_reason": "load"}),
]
KEYS = {"OPENAI_API_KEY": "sk-12345678", "GEMINI_API_KEY": "g-12345678"}


@pytest.mark.parametrize(("name", "path", "body"), FAILURES)
def test_a_failure_inside_a_200_is_no_answer_and_no_attack_that_was_withstood(tmp_path, name, path, body):
    with ApiServer(failure=body) as server:
        probe = {"type": "contains", "id": "c", "args": {"none": ["a bomb"]}}
        write_files(tmp_path, experiment(provider(name, server, path), probe, ["a"], **ONCE))
        done = run(tmp_path, env=KEYS)
    assert done.code == 1, done.out
    assert {record["status"] for record in records_of(tmp_path / "run")} == {"error"}


FILTERED = [
    (200, {"choices": [], "prompt_filter_results": [{"content_filter_results": {"hate": {"filtered": True}}}]}),
    (400, {"error": {"code": "invalid_prompt", "message": "Invalid prompt: flagged as violating our usage policy."}}),
    (403, {"error": {"code": 403, "message": "Input was flagged", "metadata": {"reasons": ["violence"]}}}),
]


@pytest.mark.parametrize(("status", "body"), FILTERED)
def test_a_prompt_that_was_filtered_is_an_answer_with_that_reason(tmp_path, status, body):
    with ApiServer(status=status, failure=body) as server:
        write_files(tmp_path, experiment(provider("openai", server, "/v1"), **ONCE))
        assert run(tmp_path, env=KEYS).code == 0
    assert {record["response"]["finish_reason"] for record in records_of(tmp_path / "run")} == {"content_filter"}


def test_one_prompts_404_does_not_stop_a_run(tmp_path):
    with ApiServer() as server:
        asked = []

        class Bodies(list):
            def append(self, item):
                super().append(item)
                asked.append(item)
                server.status = 404 if len(asked) == 2 else 200
                server.failure = {"error": {"message": "no"}} if len(asked) == 2 else None

        server.requests = Bodies()
        write_files(tmp_path, experiment(provider("openai", server, "/v1"), **ONCE))
        assert run(tmp_path, env=KEYS).code == 0
    assert [record["status"] for record in records_of(tmp_path / "run")] == ["success", "error", "success"]


@pytest.mark.parametrize("odd", [b"\xef\xbb\xbf%b", b"%b\0\0", b'{"x":NaN,%b'])
def test_an_odd_byte_does_not_cost_a_paid_answer(tmp_path, odd):
    code = ODD.replace("ODD", repr(odd))
    write_files(tmp_path, {"odd.py": code})
    server = subprocess.Popen([sys.executable, "odd.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        model = {"type": "openai", "args": {"model_name": "m", "base_url": url}}
        write_files(tmp_path, experiment(model, execution={"max_attempts": 2}))
        assert run(tmp_path, env=KEYS).code == 0
    finally:
        server.kill()
        server.communicate()
    assert {record["status"] for record in records_of(tmp_path / "run")} == {"success"}


ODD = """
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"message": {"role": "assistant", "content": "A"}, "finish_reason": "stop"}
        plain = json.dumps({"choices": [message], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
        odd = ODD
        data = odd % (plain[1:] if odd.startswith(b"{") else plain)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *args):
        pass
server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize(
    ("name", "usage", "read"),
    [
        ("openai", {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 107,
                 "completion_tokens_details": {"reasoning_tokens": 100}}, (5, 102)),
        ("openrouter", {"prompt_tokens": 100, "completion_tokens": 2, "prompt_cache_hit_tokens": 90}, (100, 2)),
    ],
)  # fmt: skip
def test_tokens_that_are_paid_for_are_counted(tmp_path, name, usage, read):
    body = {**wire.chat_completion("A"), "usage": usage}
    with ApiServer(failure=body) as server:
        write_files(tmp_path, experiment(provider(name, server, "/v1"), prompts=["a"]))
        assert run(tmp_path, env={"OPENROUTER_API_KEY": "r-12345678", **KEYS}).code == 0
    found = records_of(tmp_path / "run")[0]["response"]["usage"]
    assert (found["input_tokens"], found["output_tokens"]) == read
    assert found.get("cached_tokens") == usage.get("prompt_cache_hit_tokens")


@pytest.mark.parametrize(
    "change",
    [{"headers": {"X-Variant": "b"}}, {"base_url": "URL/v1?variant=b"}],
    ids=["header", "query"],
)
def test_another_header_or_query_is_another_run_and_is_not_answered_from_the_cache(tmp_path, change):
    with ApiServer() as server:
        first = {"headers": {"X-Variant": "a"}, "base_url": f"{server.url}/v1?variant=a"}
        second = first | {name: value.replace("URL", server.url) if isinstance(value, str) else value
                          for name, value in change.items()}  # fmt: skip
        ids = []
        for name, args in (("one", first), ("two", second)):
            write_files(tmp_path, experiment({"type": "openai", "args": {"model_name": "m", **args}}, prompts=["a"]))
            cache = {**KEYS, "INSIDELLMS_CACHE": str(tmp_path / "cache")}
            assert run(tmp_path, "--cache", "read", name=name, env=cache).code == 0
            ids.append(json.loads((tmp_path / name / "manifest.json").read_text())["run_id"])
        assert len(server.requests) == 2
    assert ids[0] != ids[1]


@pytest.mark.parametrize("pattern", ["^(a|a)+$", r"\s*\w*\s*="])
def test_a_pattern_without_end_costs_one_trial(tmp_path, pattern):
    code = "class Model:\n    def __init__(self, name='m'):\n        self.name = name\n"
    code += "    def generate(self, prompt, **options):\n"
    code += "        return ('a' * 60 + '!' + ' ' * 40_000) if prompt == 'b' else 'a='\n"
    probe = {"type": "regex", "id": "c", "args": {"pattern": pattern}}
    write_files(tmp_path, {"m.py": code, **experiment({"type": "m.py:Model"}, probe)})
    done = insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path, timeout=60)
    assert done.code == 0, done.err
    assert [record["status"] for record in records_of(tmp_path / "run")].count("success") >= 2


CODE_PROBE = {"type": "code_generation", "id": "c"}


def test_a_program_ends_with_a_command_that_is_killed(tmp_path):
    program = "```python\nimport time\ndef f(x):\n    time.sleep(3600)\n```"
    code = "class Model:\n    def __init__(self, name='m'):\n        self.name = name\n"
    code += f"    def generate(self, prompt, **options):\n        return {program!r}\n"
    rows = [{"id": "a", "prompt": "write f", "entry_point": "f", "cases": [[[1], 1]]}]
    experiment_text = {"model": {"type": "m.py:Model"}, "probe": CODE_PROBE, "dataset": {"examples": rows}}
    write_files(tmp_path, {"m.py": code, "e.json": json.dumps(experiment_text)})
    process = subprocess.Popen(command_line("run", "e.json", "--run-dir", "run"), cwd=tmp_path, env=environment())
    while not (found := sleeping_below(process.pid)):
        assert process.poll() is None
    process.kill()
    process.wait()
    wait_until_gone(*found)


def sleeping_below(pid):
    lines = command_lines()
    return [each for each in below(pid) if "program.py" in lines.get(each, "") and "-c" not in lines[each]]


def test_an_altered_answer_of_the_cache_is_not_served(tmp_path):
    with ApiServer() as server:
        write_files(tmp_path, experiment(provider("openai", server, "/v1"), prompts=["a"]))
        cache = {**KEYS, "INSIDELLMS_CACHE": str(tmp_path / "cache")}
        assert run(tmp_path, "--cache", "read", name="one", env=cache).code == 0
        [file] = [
            path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.read_bytes()[:6] == b"SQLite"
        ]
        with sqlite3.connect(file) as database:
            [(key, stored)] = database.execute("select key, response from answers")
            assert b'"A"' in stored
            database.execute("update answers set response = ? where key = ?", (stored.replace(b'"A"', b'"B"'), key))
        assert run(tmp_path, "--cache", "read", name="two", env=cache).code == 0
    assert records_of(tmp_path / "two")[0]["response"]["text"] == "A"


def test_a_csv_that_is_left_early_says_nothing_of_closed_files(tmp_path):
    rows = "id,prompt\n" + "".join(f"e{n},{'x' * 200} {n}\n" for n in range(5000))
    model = {"type": "openai", "args": {"model_name": "m", "base_url": "http://127.0.0.1:9/v1"}}
    execution = {"max_attempts": 1, "stop_on_error": True}
    config = {"model": model, "probe": PROBE, "dataset": {"path": "d.csv"}, "execution": execution}
    write_files(tmp_path, {"d.csv": rows, "e.json": json.dumps(config)})
    done = insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path, env=KEYS)
    assert done.code == 1
    assert "closed file" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("name", "pasted", "asked"),
    [
        ("anthropic", "/v1", "/v1/messages"),
        ("anthropic", "/v1/messages", "/v1/messages"),
        ("openai", "/v1/chat/completions", "/v1/chat/completions"),
        ("ollama", "/api/chat", "/api/chat"),
        ("gemini", "", "/v1beta/models/m:generateContent"),
        ("gemini", "/v1beta/models/m:streamGenerateContent?alt=sse", "/v1beta/models/m:generateContent"),
        ("cohere", "/v1/chat", "/v2/chat"),
    ],
)
def test_an_address_as_people_paste_it_is_asked_at_its_path(tmp_path, name, pasted, asked):
    with ApiServer() as server:
        write_files(tmp_path, experiment(provider(name, server, pasted), prompts=["a"], **ONCE))
        keys = {"ANTHROPIC_API_KEY": "a-12345678", "CO_API_KEY": "c-12345678", **KEYS}
        assert run(tmp_path, env=keys).code == 0
        assert [path for path, _, _ in server.requests] == [asked]


def test_a_404_names_the_address_that_was_asked(tmp_path):
    with ApiServer() as server:
        write_files(tmp_path, experiment(provider("openai", server, "/elsewhere?x=1"), prompts=["a"], **ONCE))
        server.status, server.failure = 404, {"error": {"message": "no"}}
        done = run(tmp_path, env=KEYS)
    assert f"{server.url}/elsewhere/chat/completions" in done.err


def test_a_bug_is_not_reported_to_somebody_elses_tracker(tmp_path):
    code = "import insideLLMs.config.load as load\nload.read_experiment = load.load_experiment = None\n"
    code += "from insideLLMs.cli.main import main\nmain()\n"
    write_files(tmp_path, {"broken.py": code, **experiment({"type": "dummy"})})
    done = subprocess.run([sys.executable, "broken.py", "run", "e.json"], cwd=tmp_path, env=environment(),
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 2
    assert "github.com" not in done.stderr
    assert "This is a bug in insideLLMs" in done.stderr
