"""What promptfoo itself says of the examples in tests/fixtures/promptfoo_examples, beside what is said here:

    python benchmarks/promptfoo_examples.py --promptfoo FOLDER [--write]

FOLDER is where `npm install promptfoo@0.123 node@22` was run. Both tools ask one stub server. With `--write` the
verdicts that promptfoo printed are stored beside each example; tests/e2e/test_promptfoo_examples.py holds ours against
them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.openai_server import OpenAIServer
from support.promptfoo_examples import (
    FOLDER,
    NAMES,
    asked,
    copied,
    environment,
    imported,
    in_order,
    read,
    run,
)

LIMITS = {"latency", "cost"}


def theirs(folder, package, server):
    """Return what promptfoo says of the example in a folder: its exit code, what it asked, and its rows."""
    node = package / "node_modules" / "node" / "bin" / "node"
    main = package / "node_modules" / "promptfoo" / "dist" / "src" / "entrypoint.js"
    quiet = {"PROMPTFOO_CONFIG_DIR": str(folder.parent / "home"), "PROMPTFOO_DISABLE_TELEMETRY": "1",
             "PROMPTFOO_DISABLE_UPDATE": "1"}  # fmt: skip
    command = [node, main, "eval", "-c", "promptfooconfig.yaml", "-o", folder.parent / "out.json", "--no-cache"]
    done = subprocess.run(
        [*map(str, command), "--no-table", "--no-progress-bar"],
        cwd=folder, env={**os.environ, **quiet, **environment(server)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in {0, 100}:
        sys.exit(f"{folder.name}: {done.stdout}{done.stderr}")
    rows = json.loads((folder.parent / "out.json").read_text())["results"]["results"]
    return {"exit": done.returncode, "asked": asked(server), "rows": in_order(map(their_row, rows))}


def their_row(row):
    """Return one of promptfoo's results as a row of ours."""
    if row.get("failureReason") == 2:
        sys.exit(f"promptfoo could not score it: {row.get('error')}")
    parts = (row["gradingResult"] or {}).get("componentResults") or []
    name = row["provider"].get("label") or row["provider"]["id"].rpartition(":")[2]
    kept = [one["pass"] for one in parts if (one.get("assertion") or {}).get("type") not in LIMITS]
    return {"model": name, "answer": row["response"]["output"], "passed": row["success"], "assertions": kept}


def ours(folder, server):
    """Return what is said here, in the same form; what is refused is left out on request."""
    refused = imported(folder)
    if refused.code and imported(folder, "--skip-unsupported").code:
        return {"refused": refused.err}
    done, rows = run(folder, server)
    return {"exit": done.code, "asked": asked(server), "rows": rows, "refused": refused.err if refused.code else ""}


def main():
    """Ask both about every example, and say where they differ."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--promptfoo", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("names", nargs="*", default=NAMES)
    options = parser.parse_args()
    for name in options.names:
        told = []
        for ask in (lambda at, server: theirs(at, options.promptfoo, server), ours):
            with tempfile.TemporaryDirectory() as place, OpenAIServer(answers=read(name, "answers.json")) as server:
                told.append(ask(copied(name, Path(place)), server))
        compare(name, *told)
        if options.write:
            write(name, told[0])


def compare(name, their, our):
    """Say where the two differ."""
    count = sum(len(row["assertions"]) for row in their["rows"])
    print(f"{name}: {len(their['rows'])} rows, {count} assertions, exit codes {their['exit']} and {our.get('exit')}")
    print(our["refused"] or "  nothing is refused")
    for key in ("asked", "rows"):
        if their[key] != our.get(key):
            print(f"  {key} there:", json.dumps(their[key], ensure_ascii=False))
            print(f"  {key} here: ", json.dumps(our.get(key), ensure_ascii=False))


def write(name, their):
    """Store what promptfoo said, a line for each request and each row."""
    parts = {key: ",\n  ".join(json.dumps(one, ensure_ascii=False) for one in their[key]) for key in ("asked", "rows")}
    text = f'{{"exit": {their["exit"]},\n "asked": [\n  {parts["asked"]}\n ],\n "rows": [\n  {parts["rows"]}\n ]}}\n'
    (FOLDER / name / "verdicts.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
