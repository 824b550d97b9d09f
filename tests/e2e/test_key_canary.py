"""A key is in the request and nowhere else: not in files, logs, errors, cassettes, caches or the process list."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support import streams, wire
from support.api_server import ApiServer
from support.command import command_line, environment, write_files
from support.key_spellings import KEYS, SPELLINGS

CANARY = "sk-canary-4f9d2b7c1e8a"
PROVIDERS = {
    "openai": ("OPENAI_API_KEY", "/v1"),
    "openai_responses": ("OPENAI_API_KEY", "/v1"),
    "anthropic": ("ANTHROPIC_API_KEY", ""),
    "gemini": ("GEMINI_API_KEY", "/v1beta"),
    "cohere": ("CO_API_KEY", "/v2"),
    "mistral": ("MISTRAL_API_KEY", "/v1"),
    "http": ("OWN_KEY", "/answer"),
}
FAILURES = {
    "works": (200, None),
    "quotes the key under 401": (401, {"error": {"message": f"Incorrect API key provided: {CANARY}", "code": CANARY}}),
    "quotes the key under 400": (400, {"error": {"message": f"bad header Bearer {CANARY}"}}),
    "quotes the key under 500": (500, {"error": f"upstream said {CANARY}"}),
    "quotes the key in a good answer": (200, {"choices": [{"message": {"content": f"Your key is {CANARY}"}}]}),
    "answers with something else": (200, {CANARY: CANARY}),
}


def experiment(url):
    models = []
    for name, (variable, path) in PROVIDERS.items():
        args = {"model_name": "m", "base_url": url + path}
        if name == "http":
            args.update(api_key_env=variable, body={"question": "{{ prompt }}"}, answer="data.reply")
        models.append({"type": name, "id": name, "args": args})
    return {
        "name": "canary",
        "models": models,
        "probe": {"type": "contains", "args": {"any": ["A"]}},
        "dataset": {"examples": [{"id": "a", "prompt": "aaa"}, {"id": "b", "prompt": "bbb"}]},
        "execution": {"max_attempts": 2, "timeout_s": 10},
    }


def run_watched(folder, *args):
    """Run the command; return what it printed, and every command line that it had meanwhile."""
    keys = {variable: CANARY for variable, _ in PROVIDERS.values()}
    process = subprocess.Popen(
        command_line(*args),
        cwd=folder,
        env=environment(**keys, INSIDELLMS_CACHE=str(folder / "cache")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    listed = Path(f"/proc/{process.pid}/cmdline").read_text()
    output, _ = process.communicate(timeout=120)
    return output, listed


def files_with_the_key(folder):
    return [str(path) for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


@pytest.mark.parametrize("case", FAILURES)
@pytest.mark.parametrize("log_format", ["json"])
def test_the_key_stays_where_it_belongs(tmp_path, case, log_format):
    status, failure = FAILURES[case]
    with ApiServer(status=status, failure=failure) as server:
        write_files(tmp_path, {"e.json": json.dumps(experiment(server.url))})
        output, listed = run_watched(
            tmp_path, "run", "e.json", "--run-dir", "run", "--verbose", "--log-format", log_format,
            "--cache", "refresh", "--record", "tape.jsonl",
        )  # fmt: skip
        sent = json.dumps([headers for _, headers, _ in server.requests])
    assert CANARY in sent
    assert CANARY not in output, output
    assert CANARY not in listed
    assert not files_with_the_key(tmp_path)


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_key_that_is_echoed_in_any_spelling_stays_where_it_belongs(tmp_path, spelling, status):
    key = KEYS[0]
    echoed = SPELLINGS[spelling](key)
    answer = wire.chat_completion(f"your key: {echoed}")
    answer["choices"][0]["message"]["reasoning_content"] = f"it sent {echoed}"
    body = answer if status == 200 else {"error": {"message": f"wrong key: {echoed}", "code": echoed}}
    pieces = [list(streams.chat(answer)) for _ in range(2)] if status == 200 else ()
    args = {"model_name": "m", "api_key_env": "OPENAI_API_KEY"}
    with ApiServer(streams=pieces) as streaming, ApiServer(status=status, failure=body) as server:
        models = [
            {"type": "openai", "id": "plain", "args": {**args, "base_url": f"{server.url}/v1"}},
            {"type": "openai", "id": "streamed", "args": {**args, "base_url": f"{streaming.url}/v1", "stream": True}},
        ]
        write_files(tmp_path, {"e.json": json.dumps({**experiment(""), "models": models})})
        done = subprocess.run(
            command_line("run", "e.json", "--run-dir", "run", "--verbose", "--cache", "refresh", "--record", "t.jsonl"),
            cwd=tmp_path,
            env=environment(OPENAI_API_KEY=key, INSIDELLMS_CACHE=str(tmp_path / "cache")),
            capture_output=True,
            check=False,
        )
    written = [done.stdout, done.stderr, *(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())]
    assert server.requests
    forms = [key.encode(), echoed.encode(), json.dumps(echoed)[1:-1].encode()]
    assert not [form for form in forms for text in written if form in text]


@pytest.mark.parametrize(
    "command", [("doctor",), ("doctor", "--json"), ("validate", "e.json"), ("run", "e.json", "--dry-run")]
)
def test_commands_that_look_at_keys_do_not_show_them(tmp_path, command):
    write_files(tmp_path, {"e.json": json.dumps(experiment("http://127.0.0.1:9"))})
    output, _ = run_watched(tmp_path, *command)
    assert CANARY not in output


def test_doctor_says_whom_it_can_reach_and_sends_no_key(tmp_path):
    with ApiServer() as server:
        env = environment(OPENAI_API_KEY=CANARY, OPENAI_BASE_URL=server.url, AZURE_OPENAI_API_KEY=CANARY)
        env |= {"ANTHROPIC_API_KEY": CANARY, "ANTHROPIC_BASE_URL": "https://127.0.0.1:9"}
        done = subprocess.run(
            command_line("doctor", "--network"), cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert not server.requests
    rows = {line[9:].split("  ")[0].strip(): line for line in done.stdout.splitlines()}
    assert rows["network to openai"].startswith("ok")
    assert rows["network to anthropic"].startswith("missing")
    assert "Connection refused" in rows["network to anthropic"]
    assert "AZURE_OPENAI_ENDPOINT is not set" in rows["network to azure"]
    assert CANARY not in done.stdout + done.stderr


def test_secrets_by_reference_reach_the_wire_and_no_file(tmp_path):
    app = "def answer(prompt, api_key):\n    return 'A' if api_key.startswith('sk-canary') else 'B'\n"
    reference = {"api_key": "${OWN_KEY}"}
    with ApiServer() as server:
        models = [
            {"type": "callable", "args": {"function": "app.py:answer", "options": reference}},
            {"type": "openai", "args": {"model_name": "m", "base_url": server.url + "/v1", "extra": reference}},
            {
                "type": "http",
                "args": {
                    "base_url": server.url + "/answer",
                    "body": {"question": "{{ prompt }}", "auth": [reference]},
                    "answer": "data.reply",
                },
            },
        ]
        write_files(tmp_path, {"e.json": json.dumps({**experiment(""), "models": models}), "app.py": app})
        output, _ = run_watched(tmp_path, "run", "e.json", "--run-dir", "run", "--verbose", "--record", "tape.jsonl")
        bodies = json.dumps([body for _, _, body in server.requests])
    assert bodies.count(CANARY) == 4
    assert "6 answered" in output, output
    assert CANARY not in output
    assert not files_with_the_key(tmp_path)
    assert "${OWN_KEY}" in (tmp_path / "run" / "config.resolved.yaml").read_text()


def test_a_connection_that_fails_does_not_show_the_key(tmp_path):
    write_files(tmp_path, {"e.json": json.dumps(experiment("http://127.0.0.1:9"))})
    output, _ = run_watched(tmp_path, "run", "e.json", "--run-dir", "run", "--verbose")
    assert "cannot connect" in output
    assert CANARY not in output
    assert not files_with_the_key(tmp_path)


@pytest.mark.parametrize("query", ["key=", "alt=sse&key=", "api-key=", "sig=", "access_token="])
def test_a_key_in_an_address_is_refused_and_not_shown(tmp_path, query):
    address = f"http://127.0.0.1:9/v1beta/models/m:streamGenerateContent?{query}{CANARY}"
    model = {"type": "gemini", "args": {"model_name": "m", "base_url": address}}
    write_files(tmp_path, {"e.json": json.dumps({**experiment(""), "model": model})})
    output, _ = run_watched(tmp_path, "run", "e.json", "--run-dir", "run")
    assert "base_url: holds a secret" in output
    assert CANARY not in output
    assert not (tmp_path / "run").exists()


ECHOES = """
import json, os, sys
echoed = json.load(open("echoed.json"))[int(sys.argv[1])]
key = os.environ["OWN_KEY"]
assert key == os.environ["BY_REFERENCE"], "they are one"
sys.stderr.write("x" * 70_000 + echoed + "y" * 300)
if sys.argv[2] == "fails":
    sys.exit("wrong key: " + echoed)
print(json.dumps({"text": "your key: " + echoed, "more": {echoed: [echoed]}}) if sys.argv[2] == "json" else echoed)
"""


def test_a_key_that_a_command_echoes_in_any_spelling_stays_where_it_belongs(tmp_path):
    key = KEYS[0]
    echoed = [spell(key) for spell in SPELLINGS.values()]
    rows = [{"id": f"s{at}", "prompt": "a", "at": at} for at in range(len(echoed))]
    common = {"env": {"OWN_KEY": "${OWN_KEY}", "BY_REFERENCE": "${OWN_KEY}"}}
    models = [
        {
            "type": "exec",
            "id": kind,
            "args": {"command": [sys.executable, "-S", "echoes.py", "{{ at }}", kind], **common, **args},
        }
        for kind, args in (("text", {}), ("fails", {}), ("json", {"answer": "$.text", "keep": {"more": "$.more"}}))
    ]
    spec = {**experiment(""), "models": models, "dataset": {"examples": rows}, "execution": {"max_attempts": 1}}
    write_files(tmp_path, {"e.json": json.dumps(spec), "echoes.py": ECHOES})
    elsewhere = tmp_path / "run_here"
    elsewhere.mkdir()
    (tmp_path / "echoed.json").write_text(json.dumps(echoed))
    done = subprocess.run(
        command_line("run", "e.json", "--run-dir", "run_here/run", "--verbose", "--record", "run_here/t.jsonl"),
        cwd=tmp_path,
        env=environment(OWN_KEY=key),
        capture_output=True,
        check=False,
    )
    written = [done.stdout, done.stderr, *(path.read_bytes() for path in elsewhere.rglob("*") if path.is_file())]
    assert b"[redacted]" in b"".join(written)
    assert f"{2 * len(rows)} answered".encode() in done.stdout, done.stderr
    forms = [form for text in (key, *echoed) for form in (text.encode(), json.dumps(text)[1:-1].encode())]
    assert not [form for form in forms for text in written if form in text]


def test_a_key_in_the_place_of_a_variables_name_is_not_shown(tmp_path):
    for env in ([f"OWN_KEY={CANARY}"], [CANARY], {CANARY: "x"}, {"OWN_KEY": [CANARY]}):
        model = {"type": "exec", "args": {"command": ["cat"], "stdin": "{{ prompt }}", "env": env}}
        write_files(tmp_path, {"e.json": json.dumps({**experiment(""), "models": [model]})})
        output, _ = run_watched(tmp_path, "run", "e.json", "--run-dir", "run")
        assert "env" in output
        assert CANARY not in output, output
