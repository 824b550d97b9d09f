"""The same experiment gives the same bytes, whatever the concurrency, hash seed, locale, time zone or folder."""

import json
import random

import pytest

from support.command import canonical_bytes, insidellms, write_files

EXPERIMENT = """
name: same
models:
  - {type: dummy, id: a, args: {responses: {one: "Yes, it is.", two: "No – it is not."}, flaky: 0.3}}
  - {type: dummy, id: b, args: {responses: ["yes", "no", "perhaps"], seed: 3}, system: Be brief.}
probes:
  - {type: logic}
  - {type: contains, args: {any: ["yes", "é"]}}
dataset: {format: jsonl, path: PATH}
repeats: 2
"""


def rows():
    return [
        {"id": f"ex-{i}", "question": f"Is {i} {'one' if i % 2 else 'two'} – né?", "answer": "yes", "weight": i / 7}
        for i in range(40)
    ]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    write_files(folder, {"e.yaml": EXPERIMENT.replace("PATH", "data.jsonl"), "data.jsonl": rows()})
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--concurrency", "1", cwd=folder)
    assert done.code == 0, done.err
    return canonical_bytes(folder / "run")


@pytest.mark.parametrize("concurrency", [1, 7, 64])
@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"},
        {"PYTHONHASHSEED": "4242", "LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu"},
    ],
    ids=["seed1-C-UTC", "seed4242-UTF8-Kathmandu"],
)
def test_canonical_files_are_identical_to_the_byte(reference, tmp_path, concurrency, env):
    files = {"e.yaml": EXPERIMENT.replace("PATH", "elsewhere/data.jsonl"), "elsewhere/data.jsonl": rows()}
    write_files(tmp_path / "other folder", files)
    done = insidellms(
        "run", "other folder/e.yaml", "--run-dir", "x/y", "--concurrency", concurrency, cwd=tmp_path, env=env
    )
    assert done.code == 0, done.err
    for name, data in canonical_bytes(tmp_path / "x" / "y").items():
        assert data == reference[name], name


def test_a_shuffled_dataset_gives_the_same_records(reference, tmp_path):
    shuffled = rows()
    random.Random(1).shuffle(shuffled)
    write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("PATH", "data.jsonl"), "data.jsonl": shuffled})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 0, done.err
    assert canonical_bytes(tmp_path / "run")["records.jsonl"] == reference["records.jsonl"]


def test_no_canonical_file_holds_a_path_a_host_or_a_clock(tmp_path):
    write_files(tmp_path / "secret-folder", {"e.yaml": EXPERIMENT.replace("PATH", "data.jsonl"), "data.jsonl": rows()})
    insidellms("run", "secret-folder/e.yaml", "--run-dir", "run", cwd=tmp_path)
    for name, data in canonical_bytes(tmp_path / "run").items():
        assert b"secret-folder" not in data, name
        assert str(tmp_path).encode() not in data, name


def test_running_twice_without_a_run_dir_makes_two_equal_runs(tmp_path):
    write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("PATH", "data.jsonl"), "data.jsonl": rows()})
    for _ in range(2):
        assert insidellms("run", "e.yaml", cwd=tmp_path).code == 0
    first, second = sorted((tmp_path / "runs").iterdir())
    assert canonical_bytes(first) == canonical_bytes(second)
    manifest = json.loads((first / "manifest.json").read_text())
    assert first.name == f"same-{manifest['run_id'][:12]}"
    assert second.name == f"{first.name}-2"
