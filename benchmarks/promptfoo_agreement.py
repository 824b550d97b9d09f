"""How often an imported test passes where promptfoo's own does: `npm install promptfoo@0.123 node@22`, and then

    python benchmarks/promptfoo_agreement.py --promptfoo FOLDER [--write]

Both tools ask one stub server for the answers of tests/unit/migrate/promptfoo_verdicts.json: promptfoo runs a
configuration of all tests, `insidellms import` makes an experiment of it, and `insidellms run` runs that. A test that
cannot be carried over is imported alone, and must be refused. With `--write` the verdicts that promptfoo printed are
stored in the file, against which the unit tests check every conversion.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

STORED = Path(__file__).parent.parent / "tests" / "unit" / "migrate" / "promptfoo_verdicts.json"
COMMAND = [str(Path(sys.executable).with_name("insidellms"))]


class Stub(BaseHTTPRequestHandler):
    """Answers chat completions: the last message is the case's number."""

    answers: ClassVar[list[str]] = []

    def do_POST(self):
        """Answer one request."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = self.answers[int(body["messages"][-1]["content"].removeprefix("case "))]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        data = json.dumps({"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, *_):
        """Say nothing."""


def config(pairs, port, numbers):
    """Return the configuration of some tests, for the stub."""
    provider = {"id": "openai:chat:m", "config": {"apiBaseUrl": f"http://127.0.0.1:{port}/v1", "apiKey": "unused-key"}}
    tests = [
        {**pairs[at]["test"], "description": f"t{at}", "vars": {"case": str(at), **pairs[at]["test"].get("vars", {})}}
        for at in numbers
    ]
    return {"prompts": ["case {{case}}"], "providers": [provider], "tests": tests}


def theirs(folder, package):
    """Return promptfoo's verdict of each test by its description: passed, failed, or None for an error."""
    node = package / "node_modules" / "node" / "bin" / "node"
    main = package / "node_modules" / "promptfoo" / "dist" / "src" / "entrypoint.js"
    run = [str(node), str(main), "eval", "-c", "promptfooconfig.yaml"]
    environ = {**os.environ, "PROMPTFOO_CONFIG_DIR": str(folder / "home"), "PROMPTFOO_DISABLE_TELEMETRY": "1",
               "PROMPTFOO_DISABLE_UPDATE": "1", "OPENAI_API_KEY": "unused-key"}  # fmt: skip
    done = subprocess.run(
        [*run, "-o", "out.json", "--no-cache", "--no-table", "--no-progress-bar", "-j", "8"],
        cwd=folder, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not (folder / "out.json").exists():
        sys.exit(done.stdout + done.stderr)
    found = {}
    for row in json.loads((folder / "out.json").read_text())["results"]["results"]:
        is_error = row.get("failureReason") == 2
        found[row["testCase"]["description"]] = None if is_error else row["success"]
    return found


def ours(folder):
    """Return our verdict of each test, by its id."""
    for step in (
        ["import", "promptfooconfig.yaml", "--to", "e.yaml"],
        ["run", "e.yaml", "--run-dir", "run", "--no-gate"],
    ):
        done = subprocess.run([*COMMAND, *step], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
    records = [json.loads(line) for line in (folder / "run" / "records.jsonl").read_text().splitlines()]
    return {one["example_id"]: one["scores"]["passed"] if one["scores"] else None for one in records}


def is_refused(folder, made):
    """Whether a configuration is not imported."""
    (folder / "one.yaml").write_text(json.dumps(made, ensure_ascii=False))
    command = [*COMMAND, "import", "one.yaml", "--to", "one.e.yaml", "--overwrite"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).returncode == 1


def main():
    """Ask both, compare, and say where they differ."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--promptfoo", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    pairs = json.loads(STORED.read_text())
    Stub.answers = [one["answer"] for one in pairs]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    everything = range(len(pairs))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "promptfooconfig.yaml"
        source.write_text(json.dumps(config(pairs, server.server_port, everything), ensure_ascii=False))
        told = theirs(folder, options.promptfoo)
        refused = {at for at in everything if pairs[at].get("here") == "refused"}
        surprising = [at for at in refused if not is_refused(folder, config(pairs, server.server_port, [at]))]
        rest = config(pairs, server.server_port, [at for at in everything if at not in refused])
        source.write_text(json.dumps(rest, ensure_ascii=False))
        said = ours(folder)
    counts = Counter()
    for at in everything:
        their, our = told[f"t{at}"], "refused" if at in refused else said[f"t{at}"]
        kind = "refused" if at in refused else "same" if their is our else "different"
        counts[kind] += 1
        if kind == "different" or at in surprising:
            print(kind, f"promptfoo {their}, here {our}", json.dumps(pairs[at], ensure_ascii=False))
        pairs[at]["promptfoo"] = their
        pairs[at].pop("here", None)
        if kind != "same":
            pairs[at]["here"] = our
    print(f"{len(pairs)} tests: {dict(counts)}; refused without need: {len(surprising)}")
    if options.write:
        STORED.write_text("[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in pairs) + "\n]\n")


if __name__ == "__main__":
    main()
