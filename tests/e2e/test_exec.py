"""Commands as models, through the command line: answers, causes, cassettes, faults of the experiment, and their end."""

import json
import shutil
import signal
import subprocess
import sys

import pytest

from support.command import canonical_bytes, command_line, environment, insidellms, records_of, write_files
from support.foreign_runs import edit_experiment
from support.processes import is_there, wait_until_gone

QUESTIONS = [{"id": "a", "question": "one 'x' \"y\"\n$HOME"}, {"id": "b", "question": "--two"}]
SHELL = '#!/bin/sh\n# answers in capitals\nprintf "%s" "$1" | tr a-z A-Z\n'
NODE = """
let text = "";
process.stdin.on("data", (piece) => (text += piece));
process.stdin.on("end", () => {
  const asked = JSON.parse(text);
  console.log(JSON.stringify({ reply: asked.question.toUpperCase(), usage: { out: 2 }, sources: [asked.id] }));
});
"""
WAITS = """
import os, sys, time
print("asked", sys.argv[1])
child = os.fork()
if child and sys.argv[1] != "quick":
    os.rename(open(f"new{child}", "w").name, f"pids{os.getpid()}-{child}")
if sys.argv[1] == "quick" or os.path.exists("release"):
    os._exit(0) if not child else sys.exit()
if not child:
    os.setsid()
time.sleep(600)
"""


def experiment(*models, rows=QUESTIONS, **more):
    return {
        "name": "exec", "models": list(models), "probe": {"type": "contains", "args": {"any": ["O"]}},
        "dataset": {"examples": rows}, **more,
    }  # fmt: skip


def model(*command, id=None, **args):
    return {"type": "exec", **({"id": id} if id else {}), "args": {"command": list(command), **args}}


SH = model("./shout.sh", "{{ question }}", id="sh")


def write(folder, *models, **more):
    write_files(folder, {"shout.sh": SHELL, "shout.js": NODE, "e.json": json.dumps(experiment(*models, **more))})
    (folder / "shout.sh").chmod(0o755)


def run(folder, *options, **more):
    return insidellms("run", "e.json", *options, cwd=folder, **more)


def answers(folder, run_dir="run"):
    return {(one["model"], one["example_id"]): one["response"] for one in records_of(folder / run_dir)}


def test_a_script_is_asked_with_each_question_as_one_argument(tmp_path):
    write(tmp_path, SH)
    done = run(tmp_path, "--run-dir", "run")
    assert done.code == 0, done.err
    assert answers(tmp_path) == {("sh", row["id"]): {"text": row["question"].upper()} for row in QUESTIONS}
    assert str(tmp_path).encode() not in b"".join(canonical_bytes(tmp_path / "run").values())


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
def test_a_node_program_reads_json_and_answers_json(tmp_path):
    body = {"question": "{{ question }}", "id": "{{ n }}"}
    reads = {"answer": "$.reply", "reads": {"output_tokens": "$.usage.out"}, "keep": {"sources": "$.sources"}}
    rows = [{"id": "a", "question": "one", "n": 7}]
    write(tmp_path, model("node", "shout.js", id="js", stdin=body, **reads), rows=rows)
    assert run(tmp_path, "--run-dir", "run").code == 0
    assert answers(tmp_path) == {("js", "a"): {"text": "ONE", "usage": {"output_tokens": 2}, "kept": {"sources": [7]}}}


def test_an_edited_script_is_told_first_and_is_not_answered_from_what_is_stored(tmp_path):
    write(tmp_path, SH)
    cache = {"INSIDELLMS_CACHE": str(tmp_path / "cache")}
    assert run(tmp_path, "--run-dir", "one", "--record", "tape.jsonl", "--cache", "refresh", env=cache).code == 0
    assert run(tmp_path, "--run-dir", "same", "--replay", "tape.jsonl").code == 0
    assert canonical_bytes(tmp_path / "same") == canonical_bytes(tmp_path / "one")
    (tmp_path / "shout.sh").write_text(SHELL.replace("A-Z", "A-NPPQ-Z"))
    assert run(tmp_path, "--run-dir", "none", "--replay", "tape.jsonl").code == 1
    assert run(tmp_path, "--run-dir", "two", "--cache", "read", env=cache).code == 0
    assert answers(tmp_path, "two")["sh", "b"]["text"] == "--TWP"
    told = " ".join(insidellms("diff", "one", "two", cwd=tmp_path).out.split())
    assert "changed model 'sh': files../shout.sh" in told
    assert told.index("files../shout.sh") < told.index("probe passed")


def test_a_cassette_needs_no_program(tmp_path):
    write(tmp_path, SH, model("python3", "tool.py", "{{ question }}", id="py"))
    (tmp_path / "tool.py").write_text("print('O')")
    assert run(tmp_path, "--run-dir", "one", "--record", "tape.jsonl").code == 0
    for name in ("shout.sh", "tool.py"):
        (tmp_path / name).unlink()
    done = run(tmp_path, "--run-dir", "two", "--replay", "tape.jsonl", env={"PATH": "/nowhere"})
    assert done.code == 0, done.err
    assert canonical_bytes(tmp_path / "two") == canonical_bytes(tmp_path / "one")


def test_two_arms_of_one_command_are_compared_as_subjects(tmp_path):
    arms = [model("./app.sh", *flag, "{{ question }}", id=name) for name, flag in (("plain", ()), ("low", ("--low",)))]
    write(tmp_path, *arms, rows=[{"id": f"e{number}", "question": f"o{number}"} for number in range(12)])
    (tmp_path / "app.sh").write_text('#!/bin/sh\nif [ "$1" = --low ]; then echo nix; else echo O; fi\n')
    (tmp_path / "app.sh").chmod(0o755)
    assert run(tmp_path, "--run-dir", "run").code == 0
    done = insidellms("compare", "run", "--baseline", "plain", "--candidate", "low", cwd=tmp_path)
    assert done.code == 3, done.out
    assert "12/12 → 0/12" in done.out
    assert "{+--low" in done.out


def test_neither_a_check_nor_a_dry_run_starts_anything(tmp_path):
    write(tmp_path, model("./touch.sh", "{{ question }}", env=["NOT_THERE"]))
    (tmp_path / "touch.sh").write_text("#!/bin/sh\ntouch ran\n")
    (tmp_path / "touch.sh").chmod(0o755)
    assert insidellms("validate", "e.json", cwd=tmp_path).code == 0
    assert run(tmp_path, "--dry-run").code == 0
    done = run(tmp_path, "--run-dir", "run")
    assert done.code == 1
    assert "environment variable NOT_THERE, which is not set" in done.err
    assert not (tmp_path / "ran").exists()


FAULTS = {
    "a text": ('command: "./shout.sh {{ question }}"', "write a list: [./shout.sh,"),
    "a field that is not there": ('command: [./shout.sh, "{{ questoin }}"]', "did you mean {{ question }}?"),
    "another tool's field": ("command: [./shout.sh, '{question}']", "write {{ question }}"),
    "a program that is not there": ('command: [./shuot.sh, "{{ question }}"]', "did you mean 'shout.sh'?"),
    "code of a shell": ('command: [sh, -c, "x {{ question }}"]', "is code with a field in it"),
    "a pipe": ('command: [./shout.sh, "{{ question }}", "|", wc]', "there is no shell to read it"),
    "a secret option": ('command: [./shout.sh, --api-key, sk-canary-1, "{{ question }}"]', "holds a secret"),
    "a secret in a word": ('command: [./shout.sh, --token=sk-canary-1, "{{ question }}"]', "holds a secret"),
    "a secret header": ('command: [curl, -H, "Authorization: Bearer sk-canary-1", "{{ question }}"]', "holds a secret"),
    "a secret variable": ('command: [./shout.sh, "{{ question }}"], env: {API_KEY: sk-canary-1}', "holds a secret"),
    "a variable in an argument": ('command: [./shout.sh, "{{ question }}", "${OWN_KEY}"]', "environment"),
    "a misspelt argument": ('command: [./shout.sh, "{{ question }}"], stdim: x', "did you mean 'stdin'?"),
    "a file in the place of input": ("command: [./shout.sh], stdin: file://prompt.txt", "{file: prompt.txt}"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_in_an_experiment_is_named_with_its_line_and_nothing_runs(tmp_path, fault):
    args, said = FAULTS[fault]
    write(tmp_path, SH)
    text = f"probe: contains\nmodel:\n  type: exec\n  args: {{{args}}}\ndataset: {{path: q.jsonl}}\n"
    write_files(tmp_path, {"e.yaml": text, "q.jsonl": [{"id": "a", "question": "q", "answer": "x"}]})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 1
    assert said in " ".join(done.err.split())
    assert "e.yaml:4:" in done.err or "e.yaml:2:" in done.err
    assert "sk-canary" not in done.err + done.out
    assert not (tmp_path / "run").exists()


def test_failures_are_records_that_quote_the_end_of_what_went_wrong(tmp_path):
    script = '#!/bin/sh\necho "Traceback"  >&2; echo "ValueError: no \\033[31mindex" >&2; exit 2\n'
    write(tmp_path, model("./bad.sh", "{{ question }}"))
    (tmp_path / "bad.sh").write_text(script)
    (tmp_path / "bad.sh").chmod(0o755)
    done = run(tmp_path, "--run-dir", "run")
    (failure, _) = [record["failure"] for record in records_of(tmp_path / "run")]
    assert failure["type"] == "CommandFailedError"
    assert "'bad.sh' ended with exit status 2: Traceback ValueError: no index" in failure["message"]
    assert done.code == 1  # nothing was answered


def waiting(folder, question="wait", **execution):
    rows = [{"id": "a", "question": "quick"}, {"id": "b", "question": question}]
    write(folder, model(sys.executable, "waits.py", "{{ question }}"), rows=rows, execution=execution)
    (folder / "waits.py").write_text(WAITS)


def started_by(process, folder):
    """Return the processes that a run's commands have started, once there are some, and one answer is kept."""
    while not (found := list(folder.glob("pids*"))) or b"quick" not in journal(folder):
        assert process.poll() is None
    return [int(pid) for path in found for pid in path.name.removeprefix("pids").split("-")]


def journal(folder):
    path = folder / "run" / "journal.jsonl"
    return path.read_bytes() if path.exists() else b""


@pytest.mark.parametrize("signals", [[signal.SIGKILL], [signal.SIGINT, signal.SIGINT]])
def test_nothing_outlives_a_run_that_is_killed_or_interrupted_and_it_resumes_to_the_same_bytes(tmp_path, signals):
    waiting(tmp_path)
    process = subprocess.Popen(
        command_line("run", "e.json", "--run-dir", "run"), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE
    )
    below = started_by(process, tmp_path)
    process.send_signal(signals[0])
    for number in signals[1:]:
        while b"interrupt again" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(number)
    process.communicate()
    assert process.returncode in {130, -signal.SIGKILL}
    wait_until_gone(*below)
    (tmp_path / "release").touch()
    assert run(tmp_path, "--run-dir", "run", "--resume").code == 0
    assert run(tmp_path, "--run-dir", "whole").code == 0
    assert canonical_bytes(tmp_path / "run") == canonical_bytes(tmp_path / "whole")


HANGS = '#!/bin/sh\nsleep 600 &\n: > "new$$"; mv "new$$" "pids$$-$!"\nwait\n'


def test_a_command_that_hangs_is_a_timeout_and_is_ended(tmp_path):
    write(tmp_path, model("./hangs.sh", "{{ question }}"), execution={"attempt_timeout_s": 3, "max_attempts": 1})
    (tmp_path / "hangs.sh").write_text(HANGS)
    (tmp_path / "hangs.sh").chmod(0o755)
    run(tmp_path, "--run-dir", "run")
    assert {record["status"] for record in records_of(tmp_path / "run")} == {"timeout"}
    pids = [int(pid) for path in tmp_path.glob("pids*") for pid in path.name.removeprefix("pids").split("-")]
    assert pids
    assert not any(map(is_there, pids))


READERS = (
    ("report", "cand", "--html", "page.html"), ("rescore", "cand", "--probe", "contains", "--to", "new"),
    ("verify", "cand"), ("diff", "base", "cand", "--confirm"),
    ("diff", "base", "cand", "--retest", "--experiment", "e.json"),
)  # fmt: skip


def test_a_stored_run_starts_no_command_that_the_user_did_not_name(tmp_path):
    write(tmp_path, SH)
    for name in ("base", "cand"):
        assert run(tmp_path, "--run-dir", name).code == 0
    write_files(tmp_path, {"evil.sh": "#!/bin/sh\ntouch ran\necho TWO\n"})
    (tmp_path / "evil.sh").chmod(0o755)
    edit_experiment(tmp_path / "cand", "shout.sh", "evil.sh")
    for command in READERS:
        done = insidellms(*command, cwd=tmp_path)
        assert done.code in {0, 1}, done.err
        assert not (tmp_path / "ran").exists(), command
    done = insidellms("diff", "base", "cand", "--retest", "--trust-run", cwd=tmp_path)
    assert "--trust-run: cand: model 'sh' (exec), runs ./evil.sh '{{ question }}'" in " ".join(done.err.split())
