"""Do real clients get the same through the recording proxy, again from its cassette, and is no changed prompt green?

Each client of `benchmarks/clients` is recorded once against a local provider, and replayed 20 times in a network
namespace that has a loopback and no route: every output must be byte-identical. Then 50 edits of their system prompt
are replayed: each must be unverified, and named beside what was recorded. The keys of the recording must stand in no
file, in no spelling. At the end, what a call costs through the proxy beside a direct one.

Clients: `openai` and `anthropic` for Python, a LangGraph, a PydanticAI and an OpenAI Agents SDK agent, `openai` of npm,
curl. A scratch environment with them is made unless one is named; about 8 minutes, half of it imports of the clients.

    python benchmarks/proxy_clients.py [--replays 20] [--edits 50] [--python venv/bin/python] [--node FOLDER]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.agent_provider import AgentProvider  # noqa: E402 - found only now
from support.key_spellings import SPELLINGS  # noqa: E402

CLIENTS = Path(__file__).parent / "clients"
PACKAGES = [
    "openai",
    "anthropic",
    "langgraph",
    "langchain",
    "langchain-openai",
    "pydantic-ai-slim[openai]",
    "openai-agents",
]
KEYS = {
    "OPENAI_API_KEY": "sk-proj-CANARY_0123456789abcdef",
    "ANTHROPIC_API_KEY": "sk-ant-CANARY_0123456789abcdef",
    "GEMINI_API_KEY": "AIzaCANARY0123456789abcdefghijklmnop",
}
SYSTEM = "You are a friendly clerk. Answer in one sentence, and never promise a refund of more than 20 euros."
NO_ROUTE = ["unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def scratch_python(folder: Path) -> str:
    """Make an environment with the clients."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def scratch_node(folder: Path) -> Path:
    """Make a folder with npm's client."""
    (folder / "node").mkdir()
    subprocess.run(["npm", "install", "--silent", "--prefix", folder / "node", "openai"], check=True)
    return folder / "node"


def commands(python: str, node: Path) -> dict[str, list[str]]:
    """Return the command of each client; npm's runs where its package is."""
    script = node / "openai_client.mjs"
    script.write_bytes((CLIENTS / "openai_client.mjs").read_bytes())
    named = {
        "openai (Python)": "openai_client.py",
        "anthropic (Python)": "anthropic_client.py",
        "LangGraph agent": "langgraph_agent.py",
        "PydanticAI agent": "pydantic_ai_agent.py",
        "OpenAI Agents SDK agent": "agents_sdk_agent.py",
    }
    found = {name: [python, str(CLIENTS / file)] for name, file in named.items()}
    return {**found, "openai (npm)": ["node", str(script)], "curl": ["sh", str(CLIENTS / "curl_client.sh")]}


def insidellms(*args: str, cwd: Path, env: Mapping[str, str], before: Sequence[str] = ()) -> tuple[int, bytes, str]:
    """Run the command; returns exit code, stdout and stderr."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
    done = subprocess.run(
        [*before, sys.executable, "-m", "insideLLMs", *args],
        cwd=cwd,
        env={**kept, **env},
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode()


def record(server: AgentProvider, folder: Path, name: str, command: Sequence[str]) -> bytes:
    """Record a client; returns what it printed."""
    upstreams = [f"--upstream=openai={server.url}/v1", f"--upstream=anthropic={server.url}"]
    upstreams.append(f"--upstream=gemini={server.url}")
    env = {**KEYS, "SYSTEM": SYSTEM}
    code, out, err = insidellms("record", "--to", f"{name}.jsonl", *upstreams, "--", *command, cwd=folder, env=env)
    (folder / f"{name}.recorded.log").write_bytes(out + err.encode())
    assert code == 0, err
    return out


def replayed_the_same(folder: Path, name: str, command: Sequence[str], printed: bytes, times: int) -> int:
    """Replay a client without a route; returns how often it was verified and printed the same bytes."""
    same = 0
    for _ in range(times):
        env = {"SYSTEM": SYSTEM}
        code, out, err = insidellms(
            "replay", "--from", f"{name}.jsonl", "--", *command, cwd=folder, env=env, before=NO_ROUTE
        )
        same += code == 0 and out == printed and "verified: " in err
    return same


def edits() -> Iterator[tuple[str, str]]:
    """Yield prompts that differ a little from SYSTEM, with a text that must stand in what is said about each."""
    words = SYSTEM.split()
    for at, word in enumerate(words):
        bare = word.strip(".,")
        yield " ".join([*words[:at], *words[at + 1 :]]), f"[-{bare}" if word == bare else bare
        yield " ".join([*words[:at], word.replace(bare, "ZEBRA"), *words[at + 1 :]]), "ZEBRA"
        yield " ".join([*words[: at + 1], "INSERTED", *words[at + 1 :]]), "INSERTED"
        yield SYSTEM.replace(word, word.upper(), 1), bare.upper()
    yield SYSTEM + " ", "{+ +}"
    yield SYSTEM.replace(" ", "  ", 1), "{+  +}"


def planted(folder: Path, clients: Mapping[str, Sequence[str]], count: int) -> tuple[int, int, int]:
    """Replay `count` edits, the clients in turn; returns how many there were, were named, and were green."""
    changed = [edit for edit in edits() if edit[0] != SYSTEM]
    chosen = [changed[number * len(changed) // count] for number in range(count)]
    named = green = 0
    for number, (system, said) in enumerate(chosen):
        name, command = list(clients.items())[number % len(clients)]
        code, _, err = insidellms(
            "replay", "--from", f"{name}.jsonl", "--", *command, cwd=folder, env={"SYSTEM": system}
        )
        is_named = "is not recorded; the nearest is call " in err and said in err
        named += is_named
        green += code != 4
        if not is_named or code != 4:
            print(f"  {name}: {system!r} ended with {code}:\n{err}")
    return len(chosen), named, green


def files_with_keys(folder: Path) -> int:
    """Count the files that hold a key, in whatever spelling."""
    spelt = {spell(key).encode() for key in KEYS.values() for spell in SPELLINGS.values()} | {b"CANARY"}
    return sum(any(one in path.read_bytes() for one in spelt) for path in folder.rglob("*") if path.is_file())


ASKING = """
import http.client, json, os, time
host = os.environ["OPENAI_BASE_URL"].removeprefix("http://")
host, _, path = host.partition("/")
connection = http.client.HTTPConnection(host)
body = {"model": "m", "messages": [{"role": "user", "content": "Hi " * 300}]}
took = []
for number in range(300):
    body["seed"] = number
    began = time.perf_counter()
    key = {"Authorization": "Bearer sk-1234567890abcdef"}
    connection.request("POST", f"/{path}/chat/completions", json.dumps(body), key)
    connection.getresponse().read()
    took.append(time.perf_counter() - began)
print(json.dumps(took))
"""


def overhead(server: AgentProvider, folder: Path) -> dict[str, float]:
    """Return the median time of a call in milliseconds: direct, recorded, replayed."""
    (folder / "asking.py").write_text(ASKING)
    url = f"{server.url}/v1"
    command = [sys.executable, "asking.py"]
    direct = subprocess.run(
        command, cwd=folder, env={**os.environ, "OPENAI_BASE_URL": url}, capture_output=True, check=True
    ).stdout
    upstream = f"--upstream=openai={url}"
    _, recorded, _ = insidellms("record", "--to", "asking.jsonl", upstream, "--", *command, cwd=folder, env={})
    _, replayed, _ = insidellms("replay", "--from", "asking.jsonl", "--", *command, cwd=folder, env={})
    took = {"direct": direct, "recorded": recorded, "replayed": replayed}
    return {name: 1000 * statistics.median(json.loads(printed)) for name, printed in took.items()}


def main() -> int:
    """Print the table; exit with 1 where a claim does not hold."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--replays", type=int, default=20)
    options.add_argument("--edits", type=int, default=50)
    options.add_argument("--python")
    options.add_argument("--node", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as made, AgentProvider() as server:
        python = chosen.python or scratch_python(Path(made))
        clients = commands(python, chosen.node or scratch_node(Path(made)))
        folder = Path(made, "recorded")
        folder.mkdir()
        all_same = True
        print(f"{'client':26} {'calls':>5} {'replayed the same':>18}")
        for name, command in clients.items():
            printed = record(server, folder, name, command)
            calls = len((folder / f"{name}.jsonl").read_bytes().splitlines()) - 1
            same = replayed_the_same(folder, name, command, printed, chosen.replays)
            all_same = all_same and same == chosen.replays
            print(f"{name:26} {calls:5} {same:11} of {chosen.replays}", flush=True)
        count, named, green = planted(folder, clients, chosen.edits)
        print(f"planted edits of a prompt: {count}, named: {named}, green: {green}")
        leaks = files_with_keys(folder)
        print(f"files with a key: {leaks} of {sum(path.is_file() for path in folder.rglob('*'))}")
        took = overhead(server, folder)
        print("a call, median:", ", ".join(f"{name} {ms:.2f} ms" for name, ms in took.items()))
    return 0 if all_same and named == count and not green and not leaks else 1


if __name__ == "__main__":
    sys.exit(main())
