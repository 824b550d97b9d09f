"""The command, run as a user runs it: in a process of its own, in a folder of files."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support import warm_start


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def write_files(folder, files):
    """Write a dict of file name -> text, or -> a list of JSON lines."""
    for name, given in files.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = given
        if isinstance(given, list):
            content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in content)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")


KEYS = ("OPENAI", "ANTHROPIC", "AWS_", "AZURE_", "CO_API", "GEMINI", "HF_TOKEN", "MISTRAL", "OLLAMA")
OWN = ("INSIDELLMS", *KEYS)


def environment(**extra):
    """A user's environment without keys or settings of ours, plus `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    return {**kept, "NO_COLOR": "1", **extra}


def command_line(*args):
    return [sys.executable, "-m", "insideLLMs", *map(str, args)]


def started(*args, cwd):
    """Start ``insidellms ARGS`` in `cwd`, to be interrupted or killed; its stderr can be read."""
    return subprocess.Popen(
        command_line(*args),
        cwd=cwd,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def insidellms(*args, cwd, env=None, timeout=120):
    """Run ``insidellms ARGS`` in `cwd`."""
    changed = env or {}
    if warm_start.is_warm(changed):
        return Done(*warm_start.run([*map(str, args)], cwd=cwd, env=environment(**changed), timeout=timeout))
    done = subprocess.run(
        command_line(*args),
        cwd=cwd,
        env=environment(**changed),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def records_of(run):
    """Return the records of a run directory, decoded."""
    return [json.loads(line) for line in (Path(run) / "records.jsonl").read_bytes().splitlines()]


CANONICAL = ("records.jsonl", "manifest.json", "config.resolved.yaml", "summary.json", "report.html")


def equal_run(run, name):
    """Put a run with the same answers beside `run`: a copy without telemetry may be one that asked at other times."""
    return shutil.copytree(run, run.with_name(name), ignore=shutil.ignore_patterns("telemetry.jsonl"))


def canonical_bytes(run):
    """Return the canonical files of a run directory by name."""
    return {name: (Path(run) / name).read_bytes() for name in CANONICAL}
