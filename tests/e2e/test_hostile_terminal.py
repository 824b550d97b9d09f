"""A person's terminal shows what a model, a dataset or a labeller wrote, and obeys none of it; a pipe gets it exact."""

import csv
import io
import json
import os
import pty
import re
import subprocess

import pytest

from insideLLMs.store.labels import append_label
from support.command import command_line, environment, insidellms, records_of, write_files
from support.people import answers, label_of

NAME = "\x9b2J\u202eabc"
TEXT = f"\x1b]0;title\x07\x1b[2J\x1b[8m{NAME}\x7f\rover"
EXPERIMENT = {
    "model": {"type": "dummy", "id": f"m{NAME}", "args": {"canned_response": f"42 {TEXT}"}},
    "probe": {"type": "contains", "id": f"p{NAME}", "args": {"any": ["42"]}},
    "dataset": {"examples": [{"id": f"q {TEXT}", "prompt": f"say 42 {TEXT}", "answer": TEXT}]},
}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
COMMANDS = [
    ("diff", "a", "d"),
    ("diff", "a", "d", "--json"),
    ("report", "d"),
    ("info", "d", "--json"),
    ("export", "a", "d"),
    ("export", "d", "--format", "jsonl"),
    ("labels", "show", "d"),
    ("labels", "export", "d"),
    ("runs", "list", "."),
    ("runs", "show", "d", "--json"),
    ("trend", "a", "d"),
    ("blame", "a", "d", "--dry-run"),
    ("validate", f"d{NAME}.json"),
    ("quicktest", "--arg", f"canned_response={TEXT}", "hi"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    worse = {**EXPERIMENT, "model": {**EXPERIMENT["model"], "args": {"canned_response": f"No. {TEXT}"}}}
    write_files(folder, {"a.json": json.dumps(EXPERIMENT), f"d{NAME}.json": json.dumps(worse)})
    for name, file in (("a", "a.json"), ("d", f"d{NAME}.json")):
        assert insidellms("run", file, "--run-dir", name, cwd=folder).code == 0
    (answer,) = answers(folder / "d")
    append_label(folder / "d", label_of(answer, f"ann{NAME}", passed=True, note=TEXT))
    return folder


def seen_on_terminal(*args, cwd):
    """Run a command whose results a terminal shows, and return what the terminal gets."""
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as screen:
        with subprocess.Popen(
            command_line(*args), cwd=cwd, env=environment(NO_COLOR=""), stdout=theirs, stderr=subprocess.DEVNULL
        ) as process:
            os.close(theirs)
            shown = bytearray()
            while piece := _read(screen):
                shown += piece
        assert process.returncode in {0, 3}, shown
    return shown.decode().replace("\r\n", "\n")


def _read(screen):
    try:
        return screen.read(1 << 16)
    except OSError:  # how Linux says that the other end is closed
        return b""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:3]).encode("unicode_escape"))
def test_a_terminal_obeys_nothing_that_others_wrote(folder, command):
    shown = seen_on_terminal(*command, cwd=folder)
    assert shown
    assert not {letter for letter in COLOUR.sub("", shown) if not letter.isprintable()} - {"\n", "\t"}
    assert "\x1b[8m" not in shown


def test_what_is_ours_stays_coloured(folder):
    assert "\x1b[31m" in seen_on_terminal("diff", "a", "d", cwd=folder)


def test_json_on_a_terminal_has_the_same_values(folder):
    shown = seen_on_terminal("export", "d", "--format", "jsonl", cwd=folder)
    assert [json.loads(line) for line in shown.splitlines()] == records_of(folder / "d")


def test_a_pipe_gets_labels_as_people_wrote_them(folder):
    piped = subprocess.run(
        command_line("labels", "export", "d"), cwd=folder, env=environment(), stdout=subprocess.PIPE, check=True
    ).stdout
    (row,) = csv.DictReader(io.StringIO(piped.decode(), newline=""))
    assert (row["by"], row["note"]) == (f"ann{NAME}", TEXT)
