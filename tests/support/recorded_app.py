"""An application as a folder of one file, which asks models by their base URLs; and `record`, `replay` of it."""

import sys

from support.command import insidellms, write_files

APP = """
import json, os, sys, urllib.error, urllib.request
from concurrent.futures import ThreadPoolExecutor

OPENAI, ANTHROPIC, GEMINI = (
    os.environ[name] for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL")
)
KEY = os.environ.get("OPENAI_API_KEY", "none")

def ask(url, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(asked) as came:
            return came.read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.headers['x-should-retry']} {error.read().decode()}"

def chat(text, case="", system="You are a friendly clerk.", **more):
    named = {"X-InsideLLMs-Case": case} if case else {}
    turns = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return ask(
        f"{OPENAI}/chat/completions",
        {"model": "m", "messages": turns, **more},
        Authorization=f"Bearer {KEY}",
        **named,
    )
"""
KEY = "sk-proj-CANARY_0123456789abcdef"
KEYS = {
    "OPENAI_API_KEY": KEY,
    "ANTHROPIC_API_KEY": "sk-ant-CANARY_0123456789abcdef",
    "GEMINI_API_KEY": "AIzaCANARY0123456789abcdefghijklmnop",
}


def write_app(folder, code, name="app.py"):
    """Write the application: APP and what it does; returns the command that runs it."""
    write_files(folder, {name: APP + code})
    return [sys.executable, name]


def record(provider, folder, *command, to="calls.jsonl", options=(), **env):
    """Run ``insidellms record`` with a local provider."""
    upstreams = [f"--upstream=openai={provider.url}/v1", f"--upstream=anthropic={provider.url}"]
    upstreams.append(f"--upstream=gemini={provider.url}")
    return insidellms("record", "--to", to, *upstreams, *options, "--", *command, cwd=folder, env={**KEYS, **env})


def replay(folder, *command, path="calls.jsonl", options=(), **env):
    """Run ``insidellms replay``, without keys."""
    return insidellms("replay", "--from", path, *options, "--", *command, cwd=folder, env=env)
