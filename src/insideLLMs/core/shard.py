"""A shard: one of N shares of an experiment's examples, run apart from the others and merged with them."""

import hashlib
import re
from collections.abc import Mapping

import msgspec

from insideLLMs.core.errors import OptionError

MOST_SHARDS = 10_000
_SPLIT = b"insidellms/shard/1\n"
_TYPED = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_FIX = "give it as I/N, the I-th of N from 1 on: --shard 2/4"


class Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """Number `index`, from 1 on, of `count` shards."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count <= MOST_SHARDS:
            raise ValueError(f"there is no shard {self.index}/{self.count}; of N shards (at most {MOST_SHARDS:,}) "
                             "the first is 1/N and the last N/N")  # fmt: skip

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def all_of(cls, count: int) -> tuple["Shard", ...]:
        """Return all of `count` shards."""
        return tuple(cls(index, count) for index in range(1, count + 1))

    def owns(self, example_id: str) -> bool:
        """Whether an example belongs to it: decided by the id alone, so other examples and their order are nothing."""
        digest = hashlib.sha256(_SPLIT + example_id.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1

    def whole_share(self, amount: int) -> int:
        """Return its share of a whole number; the shares of all shards add up to `amount`."""
        return amount // self.count + (self.index <= amount % self.count)


def read_shard(text: str, environ: Mapping[str, str]) -> Shard:
    """Read ``I/N``, or `auto`: what a scheduler says of this job in `environ`. Raises OptionError."""
    if text == "auto":
        return _of_job(environ)
    typed = _TYPED.fullmatch(text)
    if typed is None:
        raise OptionError(f"--shard {text!r} is neither I/N nor auto", fix=_FIX)
    return _shard(int(typed[1]), int(typed[2]), "--shard")


def _shard(index: int, count: int, source: str) -> Shard:
    try:
        return Shard(index, count)
    except ValueError as error:
        raise OptionError(f"{source}: {error}", fix=_FIX) from error


def _of_job(environ: Mapping[str, str]) -> Shard:
    """Return the shard of the one scheduler that names one: of two, nobody knows which is meant."""
    known = {name: read for name, read in _SCHEDULERS.items() if environ.get(name)}
    if len(known) != 1:
        said = (
            f"{' and '.join(known)} are set, and only one can be meant"
            if known
            else f"none of {', '.join(_SCHEDULERS)} is set"
        )
        raise OptionError(f"--shard auto: {said}", fix=_FIX)
    ((name, read),) = known.items()
    return read(_Numbers(environ, name))


class _Numbers:
    """Whole numbers among environment variables."""

    def __init__(self, environ: Mapping[str, str], index: str) -> None:
        self._environ = environ
        self.index_name = index
        self.index = self.of(index, "it comes with the job")

    def of(self, name: str, fix: str) -> int:
        """Return a number. Raises OptionError if there is none."""
        text = self._environ.get(name, "")
        if not re.fullmatch(r"[0-9]{1,9}", text):
            told = f"is {text!r}, not a number" if name in self._environ else "is not set"
            raise OptionError(f"--shard auto: {name} {told}", fix=f"{fix}; or {_FIX}")
        return int(text)

    def shard(self, index: int, count: int) -> Shard:
        return _shard(index, count, f"--shard auto, {self.index_name}={self.index}")


def _of_slurm(numbers: _Numbers) -> Shard:
    """Return the shard of a Slurm array job, whose ids may begin anywhere and have a step, but no gaps."""
    of = "Slurm sets it in array jobs"
    count, first = numbers.of("SLURM_ARRAY_TASK_COUNT", of), numbers.of("SLURM_ARRAY_TASK_MIN", of)
    last, step = numbers.of("SLURM_ARRAY_TASK_MAX", of), numbers.of("SLURM_ARRAY_TASK_STEP", of)
    place = numbers.index - first
    if step < 1 or place < 0 or place % step or (last - first) // step + 1 != count:
        raise OptionError(
            f"--shard auto: task {numbers.index} is one of {count} from {first} to {last} in steps of {step}, "
            "which has gaps, so it is unclear which shards are meant",
            fix="sbatch --array=1-N; to run one task of an array again: --shard I/N, with the N of the array",
        )
    return numbers.shard(place // step + 1, count)


def _of_kubernetes(numbers: _Numbers) -> Shard:
    return numbers.shard(
        numbers.index + 1,
        numbers.of("JOB_COMPLETIONS", "Kubernetes does not set it: give it in the Job's `env`, as its `completions`"),
    )


def _of_gitlab(numbers: _Numbers) -> Shard:
    return numbers.shard(numbers.index, numbers.of("CI_NODE_TOTAL", "GitLab sets it with `parallel`"))


_SCHEDULERS = {
    "SLURM_ARRAY_TASK_ID": _of_slurm,
    "JOB_COMPLETION_INDEX": _of_kubernetes,
    "CI_NODE_INDEX": _of_gitlab,
}
