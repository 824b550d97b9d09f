"""`insidellms new probe` makes a probe that runs and a test that passes; `list datasets` shows what is shipped."""

import re
import subprocess
import sys

from support.command import environment, insidellms, records_of


def test_a_new_probe_runs_and_its_test_passes(tmp_path):
    done = insidellms("new", "probe", "short_answer", cwd=tmp_path)
    assert done.code == 0, done.err
    ran = insidellms("run", "short_answer.yaml", "--run-dir", "out", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert records_of(tmp_path / "out")[0]["scores"]["values"] == {"correct": 1.0, "words": 1.0}
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_short_answer.py"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout
    again = insidellms("new", "probe", "short_answer", cwd=tmp_path)
    assert again.code == 1
    assert "exists already" in again.err


def test_a_name_that_is_none_is_told(tmp_path):
    done = insidellms("new", "probe", "Short-Answer", cwd=tmp_path)
    assert done.code == 1
    assert "lower case" in done.err


def test_the_datasets_that_come_with_the_package_are_listed_with_size_licence_and_digest(tmp_path):
    rows = {row["name"]: row for row in insidellms("list", "datasets", "--json", cwd=tmp_path).json["datasets"]}
    assert rows["logic"]["examples"] == 50
    assert rows["logic"]["licence"] == "CC0-1.0"
    assert len(rows["logic"]["sha256"]) == 64
    assert "jsonl" in rows
    assert re.search(
        "^  logic +50 examples, CC0-1.0, sha256 ", insidellms("list", "datasets", cwd=tmp_path).out, re.MULTILINE
    )
