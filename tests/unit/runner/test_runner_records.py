"""Records read back from a run directory."""

import pytest

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.runner import run_probe
from insideLLMs.runner.results import lines_in_directory
from support.users_code import Ask, Echo


@pytest.fixture
def run_dir(tmp_path):
    run_probe(Echo(), Ask(), ["a", "b"], run_dir=tmp_path)
    return tmp_path


def test_records_and_telemetry_are_read_side_by_side(run_dir):
    (first, telemetry), _ = lines_in_directory(run_dir).decode(validate=True)
    assert first.status == "success"
    assert telemetry.latency_ms is not None


def test_without_telemetry_the_facts_are_blank(run_dir):
    (run_dir / "telemetry.jsonl").unlink()
    assert lines_in_directory(run_dir).decode(validate=True)[0][1].latency_ms is None


@pytest.mark.parametrize("edit", [(b'"dataset"', b'"datasett"'), (b",", b", ")])
def test_a_record_that_was_edited_after_sealing_is_refused(run_dir, edit):
    lines = (run_dir / "records.jsonl").read_bytes().splitlines()
    (run_dir / "records.jsonl").write_bytes(b"\n".join([lines[0], lines[1].replace(*edit, 1)]) + b"\n")
    with pytest.raises(RunDirectoryError, match="not the file that was sealed"):
        lines_in_directory(run_dir)
