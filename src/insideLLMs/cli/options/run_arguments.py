"""What the command line of `run` says, checked, and how to go on after a run that stopped."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from insideLLMs.cli import console
from insideLLMs.cli.options.batch import BatchChoice
from insideLLMs.cli.options.settings import parse_settings
from insideLLMs.cli.options.since import SinceChoice
from insideLLMs.core.errors import CassetteMissError, InsideLLMsError, InterruptedRunError, OptionError
from insideLLMs.core.part import PartOptions
from insideLLMs.core.ray_options import RayOptions
from insideLLMs.core.shell_words import as_typed
from insideLLMs.remote.url import RemoteUrl

if TYPE_CHECKING:
    from insideLLMs.api.answers import AnswerOptions, CacheMode
    from insideLLMs.core.types import JsonValue


_NOT_AGAIN = dict.fromkeys(("--run-dir", "--resume", "--overwrite", "--run-root", "--salvage"))
"""Options of which nothing is left to say when a run goes on."""
_OTHER_WAYS = "--early-stop, --batch, --executor, --shard, --processes, --cache, --record or --replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments:
    """What the command line says of where and how to run."""

    run_dir: Path | RemoteUrl | None
    run_root: Path | RemoteUrl
    resume: bool
    overwrite: bool
    salvage: bool
    concurrency: int | None
    timeout_s: float | None
    repeats: int | None
    max_examples: int | None
    stop_on_error: bool | None
    early_stop: bool
    baselines: tuple[Path, ...]
    pool: Path | None
    no_telemetry: bool
    compress: bool | None
    pairs: tuple[str, ...]
    cache: "CacheMode"
    record: Path | RemoteUrl | None
    missing: bool
    replay: Path | None
    html: Path | None
    part: PartOptions
    processes: int
    ray: RayOptions | None
    batch: BatchChoice | None
    since: SinceChoice | None
    dry_run: bool

    def overrides(self) -> "dict[str, JsonValue]":
        """Return what goes over the experiment's settings. Raises OptionError."""
        named: dict[str, JsonValue] = {
            "execution.concurrency": self.concurrency,
            "execution.timeout_s": self.timeout_s,
            "execution.stop_on_error": self.stop_on_error,
            "repeats": self.repeats,
            "max_examples": self.max_examples,
            "execution.telemetry": False if self.no_telemetry else None,
            "execution.compress": self.compress,
        }
        return {**{key: value for key, value in named.items() if value is not None}, **parse_settings(self.pairs)}

    def check(self) -> None:
        """Raise OptionError for options that need each other."""
        for is_wrong, said, fix in (
            (
                self.resume and self.run_dir is None,
                "--resume needs --run-dir",
                "give the folder of the run to continue",
            ),
            (
                self.resume and self.overwrite,
                "--resume and --overwrite exclude each other",
                "--resume keeps what is there, --overwrite removes it",
            ),
            (self.salvage and not self.resume, "--salvage goes with --resume", "add --resume, or leave --salvage out"),
            (
                self.early_stop != bool(self.baselines or self.pool),
                "--early-stop and --baseline, or --pool, go together",
                "insidellms run EXPERIMENT --early-stop --baseline RUN",
            ),
            (
                self.processes > 1 and (self.early_stop or self.part.shard or self.ray or self.batch),
                "--processes goes with neither --early-stop, --shard, --executor ray nor --batch",
                "leave --processes out",
            ),
            (
                self.batch and (self.early_stop or self.cache != "off" or self.record or self.replay or self.ray),
                "--batch cannot be combined with --early-stop, --cache, --record, --replay or --executor",
                "leave those out",
            ),
            (
                self.early_stop and self.part != PartOptions(),
                "--early-stop decides on a whole run, not on a part",
                "leave the selection out",
            ),
            (self.since and self._asks_otherwise, f"--since cannot be combined with {_OTHER_WAYS}", "leave those out"),
        ):
            if is_wrong:
                raise OptionError(said, fix=fix)
        if self.since is not None:
            self.since.check_apart(self.run_dir)

    @property
    def _asks_otherwise(self) -> bool:
        """Whether some other option says where answers come from, or that other processes ask."""
        elsewhere = self.record or self.replay or self.cache != "off"
        return bool(elsewhere or self.early_stop or self.batch or self.ray or self.part.shard or self.processes > 1)

    @property
    def answers(self) -> "AnswerOptions":
        """Where answers come from beside the models. Raises OptionError."""
        from insideLLMs.api.answers import AnswerOptions  # noqa: PLC0415 - slow

        record = None if self.record is None else Path(str(self.record))
        return AnswerOptions(cache=self.cache, record=record, missing=self.missing, replay=self.replay)

    def how_to_resume(self, file: Path, error: InsideLLMsError) -> str:
        """Return the command that goes on with a run: the one that was typed, changed as the error says."""
        from insideLLMs.cli.options.typed_again import typed_again  # noqa: PLC0415 - most runs do not stop

        shard = {"--shard": str(self.part.shard)} if self.part.shard else {}  # a person's shell has no scheduler
        words = ("insidellms run", as_typed(file), "--run-dir", as_typed(error.run_dir), "--resume")
        return " ".join((*words, *typed_again({**_NOT_AGAIN, **shard, **error.go_on_with})))

    @contextlib.contextmanager
    def saying_what_next(self, file: Path) -> Iterator[None]:
        """Say of a run of `file` that stopped with which command to go on."""
        try:
            yield
        except InterruptedRunError as error:
            fix = error.fix or "nothing was answered yet, so nothing is kept: start it again"
            fix = fix if error.run_dir is None else self.how_to_resume(file, error)
            raise InterruptedRunError(error.message, fix=fix) from error
        except CassetteMissError as error:
            assert self.replay is not None
            fix = f"record what is missing: {self.how_to_record(file, self.replay)}"
            raise CassetteMissError(error.message, fix=fix) from error
        except InsideLLMsError as error:
            if error.run_dir is not None:
                console.note(f"answers are kept; to go on: {self.how_to_resume(file, error)}")
            raise

    def how_to_record(self, file: Path, cassette: Path) -> str:
        """Return the command that records what a cassette lacks."""
        named = {"repeats": self.repeats, "max-examples": self.max_examples}
        words = [f"--{name} {value}" for name, value in named.items() if value is not None]
        words += [f"--set {as_typed(pair)}" for pair in self.pairs] + list(self.part.words())
        return " ".join((f"insidellms run {as_typed(file)} --record {as_typed(cassette)} --missing", *words))
