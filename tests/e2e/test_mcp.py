"""`insidellms mcp`, driven by the client of the protocol's own SDK over stdin and stdout."""

import contextlib
import json
import os
import subprocess
import sys
import threading

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters

from support.command import command_line, environment, insidellms, write_files

RUN = "experiment.yaml"
SLOW = """
def answer(prompt):
    open("started", "w").close()
    return open("go").read() or "yes"
"""
SLOW_EXPERIMENT = """
model: {type: callable, id: m, args: {function: "slow.py:answer"}}
probe: logic
dataset: {path: questions.jsonl}
execution: {concurrency: 1}
"""
TROJAN = """
model: {type: callable, id: m, args: {function: "trojan.py:answer"}}
probe: logic
dataset: {path: questions.jsonl}
"""


@pytest.fixture
def folder(tmp_path):
    assert insidellms("init", "project", cwd=tmp_path).code == 0
    return tmp_path / "project"


def server(folder, **env):
    program, *args = command_line("mcp")
    return StdioServerParameters(command=program, args=args, cwd=folder, env=environment(**env))


def with_client(folder, talk, **env):
    """Run the coroutine `talk(client)` against a server in `folder`; return what it returns."""

    async def main():
        async with Client(server(folder, **env)) as client:
            return await talk(client)

    return anyio.run(main)


def call(folder, tool, env=(), **arguments):
    return with_client(folder, lambda client: client.call_tool(tool, arguments), **dict(env))


def told(result):
    return "\n".join(part.text for part in result.content)


def test_an_agent_runs_changes_compares_and_is_told_why(folder):
    steps = []

    async def talk(client):
        assert {tool.name for tool in (await client.list_tools()).tools} == {"validate", "run", "diff", "explain"}
        assert "never an instruction" in client.instructions
        valid = await client.call_tool("validate", {"experiment": RUN})
        before = await client.call_tool("run", {"experiment": RUN, "run_dir": "before"}, progress_callback=progress)
        experiment = folder / RUN
        experiment.write_text(experiment.read_text().replace("makes 42", "makes 41"))
        await client.call_tool("run", {"experiment": RUN, "run_dir": "after"})
        diff = await client.call_tool("diff", {"baseline": "before", "candidate": "after"})
        why = await client.call_tool("explain", {"run": "after"})
        one = await client.call_tool("explain", {"run": "after", "example_id": "whale"})
        return valid, before, diff, why, one

    async def progress(done, total, message):
        steps.append((done, total))

    valid, before, diff, why, one = with_client(folder, talk)
    assert "4 trials" in valid.structured_content["text"]
    assert before.structured_content["verdict"] == "passed"
    assert steps[-1] == (4, 4)
    assert diff.structured_content["verdict"] == "failed"
    assert diff.structured_content["exit_code"] == 3
    assert "look first at: logic / sum" in diff.structured_content["text"]
    assert "failed: logic / sum" in told(why)
    assert "That makes 41." in told(why)
    assert "whale" not in told(why)
    assert "passed: logic / whale" in told(one)


OUTSIDE = ["../secret.yaml", "/etc/passwd", "link.yaml", ".", "", "a/../../secret.yaml", "nul\0.yaml"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_tool_takes_a_path_that_leads_out_of_the_folder(folder, path):
    (folder.parent / "secret.yaml").write_text("hidden: content")
    (folder / "link.yaml").symlink_to(folder.parent / "secret.yaml")

    async def talk(client):
        return [
            await client.call_tool("validate", {"experiment": path}),
            await client.call_tool("run", {"experiment": path, "run_dir": "run"}),
            await client.call_tool("run", {"experiment": RUN, "run_dir": path}),
            await client.call_tool("run", {"experiment": RUN, "run_dir": "run", "replay": path}),
            await client.call_tool("diff", {"baseline": path, "candidate": path}),
            await client.call_tool("explain", {"run": path}),
        ]

    for result in with_client(folder, talk):
        assert result.is_error
        assert "hidden" not in told(result)
        assert "is not inside the folder" in told(result) or "is no path" in told(result)
    assert not (folder / "run").exists()


def test_an_experiment_of_a_stored_run_is_not_run_and_its_code_not_loaded(folder):
    insidellms("run", RUN, "--run-dir", "given", cwd=folder)
    write_files(
        folder / "given", {"inner.yaml": TROJAN, "trojan.py": "open('owned', 'w')\ndef answer(prompt): return ''\n"}
    )

    async def talk(client):
        results = []
        for name in ("given/config.resolved.yaml", "given/inner.yaml"):
            results.append(await client.call_tool("validate", {"experiment": name}))
            results.append(await client.call_tool("run", {"experiment": name, "run_dir": "again"}))
        results.append(await client.call_tool("explain", {"run": "given"}))
        return results

    *refused, explained = with_client(folder, talk)
    for result in refused:
        assert result.is_error
        assert "somebody else" in told(result)
    assert told(explained) == "every trial passed"
    assert not list(folder.rglob("owned"))


def test_a_result_is_bounded_whatever_was_answered(folder):
    rows = [{"id": f"q{n}", "question": "word " * 500, "answer": "no"} for n in range(100)]
    text = "model: {type: dummy, args: {canned_response: '%s'}}\nprobe: logic\ndataset: {path: big.jsonl}\n"
    write_files(folder, {"big.jsonl": rows, "one.yaml": text % ("yes " * 9000), "two.yaml": text % ("no " * 9000)})

    async def talk(client):
        await client.call_tool("run", {"experiment": "two.yaml", "run_dir": "two"})
        await client.call_tool("run", {"experiment": "one.yaml", "run_dir": "one"})
        return [
            await client.call_tool("diff", {"baseline": "two", "candidate": "one", "limit": 100}),
            await client.call_tool("explain", {"run": "one", "limit": 50}),
        ]

    for result in with_client(folder, talk):
        assert not result.is_error
        assert len(json.dumps(told(result))) < 60_000
        assert "cut here" in told(result)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("run", {}),
        ("run", {"experiment": 7, "run_dir": []}),
        ("run", {"experiment": RUN, "run_dir": "x", "max_examples": -1}),
        ("diff", {"baseline": "a", "candidate": "b", "fail_on": "--html=/tmp/x"}),
        ("diff", {"baseline": "a", "candidate": "b", "limit": 10**9}),
        ("explain", {"run": "missing"}),
        ("validate", {"experiment": "missing.yaml"}),
        ("validate", {"experiment": "--help"}),
    ],
)
def test_wrong_arguments_are_errors_that_say_what_is_wrong(folder, tool, arguments):
    result = call(folder, tool, **arguments)
    assert result.is_error
    assert len(told(result)) > 20
    assert "Traceback" not in told(result)


def test_a_pipe_in_the_place_of_an_experiment_hangs_nobody(folder):
    os.mkfifo(folder / "pipe.yaml")
    result = call(folder, "validate", experiment="pipe.yaml")
    assert result.is_error
    assert "is not a file" in told(result)


def test_an_error_is_told_whatever_the_experiment_prints(folder):
    noisy = "import os, sys\nprint('{}')\nos.write(1, b'noise\\n')\n"
    noisy += "def answer(prompt):\n    os.write(2, b'x' * 300_000 + b'\\n')\n    raise ValueError('the reason')\n"
    write_files(folder, {"slow.yaml": SLOW_EXPERIMENT, "slow.py": noisy})
    result = call(folder, "run", experiment="slow.yaml", run_dir="noisy")
    assert result.is_error
    assert len(told(result)) < 21_000
    assert "the reason" in told(result)


def test_an_unknown_tool_is_an_error_and_the_next_call_works(folder):
    async def talk(client):
        try:
            refused = (await client.call_tool("delete_everything", {})).is_error
        except MCPError:
            refused = True
        return refused, await client.call_tool("validate", {"experiment": RUN})

    refused, valid = with_client(folder, talk)
    assert refused
    assert valid.structured_content["verdict"] == "passed"


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
INITIALIZE = [
    json.dumps({"jsonrpc": "2.0", "id": 2, "method": "initialize", "params": HELLO}),
    json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
]


@contextlib.contextmanager
def raw_server(folder):
    """Start a server that is spoken to in plain lines; it must end quietly once its stdin is closed."""
    with subprocess.Popen(
        command_line("mcp"), cwd=folder, env=environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        yield process
        process.stdin.close()
        process.stdout.read()
        assert process.wait(timeout=60) == 0


def send(process, lines):
    process.stdin.write("".join(f"{line}\n" for line in lines))
    process.stdin.flush()


def test_lines_that_are_no_messages_do_not_end_the_server(folder):
    odd = ["no JSON", "{}", "[]", '{"jsonrpc": "2.0", "id": 1, "method": "no/such"}', "\x00\xff", "9" * 100_000]
    with raw_server(folder) as process:
        send(process, [*odd, *INITIALIZE, json.dumps({"jsonrpc": "2.0", "id": 3, "method": "tools/list"})])
        answers = {}
        while 3 not in answers:
            answer = json.loads(process.stdout.readline())
            answers[answer.get("id")] = answer
    assert len(answers[3]["result"]["tools"]) == 4


@pytest.fixture
def slow(folder):
    """An experiment whose model opens `started`, and answers what is written into `go`."""
    for name in ("started", "go"):
        os.mkfifo(folder / name)
    write_files(folder, {"slow.yaml": SLOW_EXPERIMENT, "slow.py": SLOW})
    return {"experiment": "slow.yaml", "run_dir": "slow"}


def answer_in_the_background(folder):
    """Let each question be answered at once, from the one that waits on."""

    def answer():
        while True:
            (folder / "go").write_text("yes")
            (folder / "started").read_text()

    threading.Thread(target=answer, daemon=True).start()


def test_a_client_that_leaves_ends_its_run_which_can_be_resumed(folder, slow):
    with raw_server(folder) as process:
        asked = {"name": "run", "arguments": slow}
        send(process, [*INITIALIZE, json.dumps({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": asked})])
        (folder / "started").read_text()
        answer_in_the_background(folder)
    resumed = insidellms("run", "slow.yaml", "--run-dir", "slow", "--resume", cwd=folder)
    assert resumed.code == 0, resumed.err
    assert "4 trials, 4 answered" in resumed.out


def test_a_cancelled_run_keeps_its_answers_and_is_resumed(folder, slow):
    async def talk(client):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "run", slow)
            await anyio.to_thread.run_sync((folder / "started").read_text)
            tasks.cancel_scope.cancel()
        answer_in_the_background(folder)
        return await client.call_tool("run", {**slow, "resume": True})

    result = with_client(folder, talk)
    assert not result.is_error, told(result)
    assert "4 trials, 4 answered" in result.structured_content["text"]


def test_a_key_reaches_no_result(folder, openai_server):
    key = "sk-canary-0123456789abcdef"
    text = f"model: {{type: openai, args: {{model_name: m, base_url: '{openai_server.base_url}'}}}}\nprobe: logic\n"
    write_files(folder, {"paid.yaml": text + "dataset: {path: questions.jsonl}\n"})
    openai_server.answers = {"": f"your key is {key}"}

    async def talk(client):
        return [
            await client.call_tool("run", {"experiment": "paid.yaml", "run_dir": "paid"}),
            await client.call_tool("explain", {"run": "paid"}),
        ]

    results = with_client(folder, talk, OPENAI_API_KEY=key)
    assert "your key is" in told(results[1])
    assert not [result for result in results if key in told(result)]


def test_without_the_extra_the_command_that_installs_it_is_named(tmp_path):
    code = (
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'mcp' else find(name, *rest)\n"
        "from insideLLMs.cli.main import main\n"
        "main(['mcp'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'insidellms[mcp]'" in done.stderr
