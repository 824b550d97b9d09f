"""The commands of docs/scale.md that need no service are run as they stand there."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.command import canonical_bytes, environment, insidellms, write_files
from support.documents import ROOT, fences

PAGE = ROOT / "docs" / "scale.md"
HERE = "here; tests/e2e/test_scale_page.py runs it as it stands"
EXPERIMENT = """
model: {type: dummy}
probe: {type: contains, args: {any: ["Ann Lee"]}}
dataset: {path: data.jsonl}
"""


@pytest.fixture
def folder(tmp_path):
    rows = [{"id": f"item-{number}", "prompt": f"Call Ann Lee, +49 30 901820, about {number}"} for number in range(20)]
    write_files(tmp_path, {"experiment.yaml": EXPERIMENT, "data.jsonl": rows, "names.txt": "Ann Lee\n"})
    assert insidellms("run", "experiment.yaml", "--run-dir", "whole", cwd=tmp_path).code == 0
    return tmp_path


def run_block(folder, beginning):
    """Run the one block that begins so, as a user who copies it does."""
    (script,) = [each.code for each in fences(PAGE) if each.reason == HERE and each.code.startswith(beginning)]
    variables = environment(PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin")
    done = subprocess.run(["sh", "-ec", script], cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "beginning", ["insidellms run experiment.yaml --shard", "insidellms run experiment.yaml --proc"]
)
def test_a_run_in_parts_has_the_bytes_of_the_whole(folder, beginning):
    run_block(folder, beginning)
    assert canonical_bytes(folder / "run") == canonical_bytes(folder / "whole")


def test_a_run_is_signed_proved_and_redacted(folder):
    (folder / "whole").rename(folder / "run")
    run_block(folder, "insidellms verify run")
    run_block(folder, "insidellms export run --redact")
    redacted = (folder / "public.jsonl").read_text()
    assert "item-17" in redacted
    assert "Ann Lee" not in redacted
    assert "901820" not in redacted


def test_every_such_block_is_run():
    assert sum(fence.reason == HERE for fence in fences(PAGE)) == 4
