"""A run directory that somebody else made: links in it lead nowhere, and reading it never runs or calls anything."""

import hashlib
import json
import os
import shutil
import stat

import pytest

from support.command import insidellms, write_files

EXPERIMENT = {
    "name": "e",
    "model": {"type": "dummy", "id": "m"},
    "probe": {"type": "contains", "id": "c", "args": {"any": ["x"]}},
    "dataset": {"examples": [{"id": "a", "prompt": "A"}, {"id": "b", "prompt": "B"}]},
}
FILES = ("records.jsonl", "manifest.json", "config.resolved.yaml", "summary.json", "telemetry.jsonl")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    write_files(folder, {"e.json": json.dumps(EXPERIMENT)})
    for name in ("mine", "theirs"):
        done = insidellms("run", "e.json", "--run-dir", name, cwd=folder)
        assert done.code == 0, done.err
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "f")
    return tmp_path / "f"


READERS = [
    ("diff", "mine", "theirs"),
    ("report", "theirs", "--html", "page.html"),
    ("report", "theirs", "--telemetry"),
    ("verify", "theirs"),
    ("validate", "theirs"),
    ("info", "theirs"),
    ("export", "theirs"),
    ("trend", "mine", "theirs"),
    ("noise", "mine", "theirs"),
    ("rescore", "theirs", "--probe", "contains", "--to", "new"),
    ("baseline", "accept", "theirs", "--pool", "pool", "--why", "x"),
    ("list", "runs", "--run-root", "."),
]
NEEDS = {
    "records.jsonl": {"diff", "verify", "validate", "export", "noise", "rescore", "baseline"},
    "manifest.json": {
        "diff",
        "verify",
        "validate",
        "export",
        "noise",
        "rescore",
        "baseline",
        "report",
        "trend",
        "info",
    },
    "config.resolved.yaml": {"diff", "verify", "validate", "rescore", "baseline"},
    "summary.json": {"diff", "verify", "validate", "baseline", "report", "trend"},
    "telemetry.jsonl": set(),
}


@pytest.mark.parametrize("command", READERS, ids=" ".join)
@pytest.mark.parametrize("name", FILES)
def test_a_link_to_the_very_same_bytes_is_refused_by_all_that_need_the_file(folder, command, name):
    (folder / "elsewhere").write_bytes((folder / "theirs" / name).read_bytes())
    (folder / "theirs" / name).unlink()
    (folder / "theirs" / name).symlink_to(folder / "elsewhere")
    done = insidellms(*command, cwd=folder)
    assert "Traceback" not in done.err
    if command[0] in NEEDS[name]:
        assert done.code == 1, done.out
    copies = folder.glob("pool/*/telemetry.jsonl")
    assert not list(copies)


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_a_pipe_in_the_place_of_the_records_hangs_nobody(folder, command):
    (folder / "theirs" / "records.jsonl").unlink()
    os.mkfifo(folder / "theirs" / "records.jsonl")
    done = insidellms(*command, cwd=folder, timeout=30)
    assert done.code in {0, 1}
    assert stat.S_ISFIFO((folder / "theirs" / "records.jsonl").lstat().st_mode)


def make_hostile(run):
    """Let the stored experiment name code of the working folder, with the manifest's digest to match."""
    text = (run / "config.resolved.yaml").read_text()
    text = text.replace("type: dummy", "type: evil.py:Model").replace("type: contains", "type: evil.py:Probe")
    assert "evil" in text
    (run / "config.resolved.yaml").write_text(text)
    manifest = json.loads((run / "manifest.json").read_bytes())
    data = (run / "config.resolved.yaml").read_bytes()
    manifest["files"]["config.resolved.yaml"] = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    for member in (*manifest["models"], *manifest["probes"]):
        member["type"] = "evil.py:Model"
    (run / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_reading_a_run_never_runs_the_code_that_it_names(folder, command):
    write_files(folder, {"evil.py": "open('ran', 'w').close()\nclass Model: pass\nclass Probe: pass\n"})
    make_hostile(folder / "theirs")
    done = insidellms(*command, cwd=folder)
    assert done.code in {0, 1, 3, 4}
    assert not (folder / "ran").exists()
