"""Every error that insideLLMs raises, and the exit codes of the command.

::

    InsideLLMsError                 expected: the message says what, where and how to fix it (exit 1)
    ├── ConfigError                 an experiment file or an option; carries every Problem at once
    ├── OptionError                 an argument of a Python call, or an option (also ValueError)
    ├── DatasetError                a dataset that cannot be read, hashed or selected from
    ├── PluginError                 a plug-in name
    │   ├── UnknownPluginError      (also KeyError)
    │   ├── DuplicatePluginError    (also ValueError)
    │   └── ArgumentError           an argument of a plug-in (also ValueError)
    ├── TemplateError               a template that cannot be filled from an example
    ├── TrajectoryError             what a subject did, in a form that cannot be read (also ValueError)
    ├── CanonicalError              a value that canonical JSON refuses (also ValueError)
    ├── RunDirectoryError           a run directory that cannot be used
    │   ├── LockedError             another process is writing there
    │   ├── JournalError            a journal damaged in the middle
    │   ├── PlanMismatchError       a resume of another experiment
    │   ├── NoBaselineError         a pool without a run to compare with (exit 4)
    │   └── StorageError            the disk refused a write
    ├── RemoteError                 a URL, or an object store that refused a read or a write
    ├── SandboxError                a program that cannot be run in isolation here
    ├── CompareError                two runs that cannot be compared
    ├── ModelError                  one failed call to a model; `status`, `retryable`, `fatal` say what follows
    │   ├── RateLimitError          429 and its kin
    │   ├── ModelTimeoutError       (also TimeoutError)
    │   │   └── ToolTimeoutError    a tool that was called and may have done its work; not called again
    │   ├── ServerError             5xx
    │   ├── ConnectionFailedError   refused, reset, TLS, DNS
    │   ├── BadAnswerError          a body that is not what the API promises
    │   ├── RequestRefusedError     4xx: this request is wrong
    │   ├── CommandFailedError      a command ended with a status that says so, or by a signal
    │   ├── AuthError               401, 403; fatal
    │   ├── ModelNotFoundError      404; fatal
    │   ├── CassetteMissError       the cassette that is replayed lacks an answer; fatal
    │   ├── NotAnsweredYetError     the request is collected for a batch, and its Trial stays open
    │   └── ModelUnavailableError   a missing extra or missing weights; fatal
    ├── ProbeExecutionError         a Trial failed under `stop_on_error`
    │   └── TrialTimeoutError       (also TimeoutError)
    ├── WorkersLostError            a run on other machines that has no workers left; it can be resumed
    ├── BudgetSpentError            the run reached its max_tokens or max_cost_usd; it can be resumed
    ├── CassetteError               a cassette that cannot be read or written
    ├── BatchFileError              a file of answers from a batch that cannot be taken as it is
    ├── RunUnfinishedError          a batch that has not answered everything yet; the run can go on
    ├── InterruptedRunError         the run was asked to stop; it can be resumed (exit 130)
    └── NothingToDoError            no examples, no trials, no answers: never a green run
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Self


class ExitCode(IntEnum):
    """What the command's exit code means; one meaning each."""

    OK = 0
    """Done, and the gate (if any) passed."""
    ERROR = 1
    """An expected error; the message says how to fix it."""
    UNEXPECTED = 2
    """Wrong usage of the command line, or a bug in insideLLMs."""
    GATE_FAILED = 3
    """The comparison found what the policy forbids."""
    INCONCLUSIVE = 4
    """The comparison could not be decided."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C or SIGTERM; the run directory can be resumed."""


class InsideLLMsError(Exception):
    """An expected error.

    `message` says what is wrong and where; `fix` says how to fix it; `run_dir` is the run directory that keeps what
    was done until then, if there is one. To go on from there, options of `run` change as `go_on_with` says: the value
    of each, "" for one without, None for one to leave out. The command ends with `exit_code`.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR
    run_dir: Path | None = None
    go_on_with: Mapping[str, str | None] = MappingProxyType({})

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def going_on_with(self, options: Mapping[str, str | None]) -> Self:
        """Return this error, with its `go_on_with`."""
        self.go_on_with = options
        return self

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}" if self.fix else self.message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: `line` and `column` count from 1, and are None where there is no file."""

    message: str
    field: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        if self.file is None and place:
            place = f"line {place}"
        text = ": ".join(part for part in (place, self.field, self.message) if part)
        return f"{text} ({self.hint})" if self.hint else text


class ConfigError(InsideLLMsError):
    """An experiment that cannot be run; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem], *, fix: str | None = None) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in the experiment:\n"
        super().__init__(head + "\n".join(f"  {problem}" for problem in self.problems), fix=fix)


class OptionError(InsideLLMsError, ValueError):
    """An argument of the Python API, or an option of a command, that is not taken as given."""


class DatasetError(InsideLLMsError):
    """A dataset that cannot be read, hashed or selected from."""


class PluginError(InsideLLMsError):
    """A plug-in that cannot be found, loaded or registered."""


class UnknownPluginError(PluginError, KeyError):
    """No plug-in has this name."""

    __str__ = InsideLLMsError.__str__


class DuplicatePluginError(PluginError, ValueError):
    """Two plug-ins claim one name."""


class ArgumentError(PluginError, ValueError):
    """An argument that a plug-in does not take as given; `argument` names it, where it is one of `args`."""

    argument: str | None = None


class TemplateError(InsideLLMsError):
    """A template that is malformed, or names what the example does not have; `line` counts from 1 within its text.

    `argument` names the argument that holds the template.
    """

    argument: str = "template"

    def __init__(self, message: str, *, fix: str | None = None, line: int | None = None) -> None:
        super().__init__(message, fix=fix)
        self.line = line

    def of(self, argument: str) -> "TemplateError":
        """Say which argument holds the template."""
        self.argument = argument
        return self


class TrajectoryError(InsideLLMsError, ValueError):
    """What a subject returned as its trajectory cannot be read as one."""


class CanonicalError(InsideLLMsError, ValueError):
    """A value that canonical JSON refuses: NaN, infinity, too large an integer, a lone surrogate, another type."""


class RunDirectoryError(InsideLLMsError):
    """A run directory that cannot be used as asked."""


class LockedError(RunDirectoryError):
    """Another process is writing to this run directory."""


class JournalError(RunDirectoryError):
    """A journal that is damaged elsewhere than in its last line."""


class PlanMismatchError(RunDirectoryError):
    """A resume of a run whose experiment, dataset or model has changed."""


class NoBaselineError(RunDirectoryError):
    """A pool that has no run yet, so that nothing can be decided."""

    exit_code = ExitCode.INCONCLUSIVE


class StorageError(RunDirectoryError):
    """The disk refused a read or a write."""


class RemoteError(InsideLLMsError):
    """A URL that cannot be used, or an object store that refused a read or a write; it shows no key and no query."""


class SandboxError(InsideLLMsError):
    """A program that cannot be run in isolation on this machine."""


class CompareError(InsideLLMsError):
    """Two runs that cannot be compared as asked."""


class NothingToDoError(InsideLLMsError):
    """Nothing was selected or nothing was answered; reported as an error so that it can never pass for success."""


class WorkersLostError(InsideLLMsError):
    """A run on other machines cannot have or keep its workers; what is done is kept and can be resumed."""


class BudgetSpentError(InsideLLMsError):
    """The run spent what it may; what is done is kept and can be resumed."""


class CassetteError(InsideLLMsError):
    """A cassette that cannot be read or written."""


class BatchFileError(InsideLLMsError):
    """A file of answers that does not fit the run, or is damaged; nothing of it was taken."""


class RunUnfinishedError(InsideLLMsError):
    """Some answers are still to come; what is there is kept, and the run can go on."""


class InterruptedRunError(InsideLLMsError):
    """The run was asked to stop; what is done is kept and can be resumed."""

    exit_code = ExitCode.INTERRUPTED


class ModelError(InsideLLMsError):
    """One failed call to a model.

    `status` is the Outcome it leads to, `retryable` whether another attempt makes sense, `fatal` whether
    the run should stop because every later call would fail too. One that stopped a run names the Trial's `model`,
    `probe` and `example_id`.
    """

    status: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    fatal: bool = False
    model: str = ""
    probe: str = ""
    example_id: str = ""

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        http_status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, fix=fix)
        self.http_status = http_status
        self.retry_after_s = retry_after_s


class RateLimitError(ModelError):
    """The provider asked us to slow down; `retry_after_s` is its wish, if it named one."""

    status = "rate_limited"
    retryable = True


class ModelTimeoutError(ModelError, TimeoutError):
    """No answer in time."""

    status = "timeout"
    retryable = True


class ToolTimeoutError(ModelTimeoutError):
    """A tool did not answer in time; it may have done its work, and is not called again."""

    retryable = False


class ServerError(ModelError):
    """The provider failed (5xx)."""

    retryable = True


class ConnectionFailedError(ModelError):
    """No connection, or it broke."""

    retryable = True


class BadAnswerError(ModelError):
    """The provider answered with something that its API does not promise.

    `answer_digest` identifies the bytes, where they are known: the same ones are not paid for again.
    """

    retryable = True
    answer_digest: str | None = None


class RequestRefusedError(ModelError):
    """The provider says that this request is wrong (4xx)."""


class CommandFailedError(ModelError):
    """A command that was to answer failed: by its exit status, by a signal, or because it wrote too much."""


class AuthError(ModelError):
    """The key is missing, wrong, or may not do this."""

    fatal = True


class ModelNotFoundError(ModelError):
    """The provider does not have this model, or nothing answers at this path."""

    fatal = True


class CassetteMissError(ModelError):
    """The cassette that stands in for the models lacks an answer."""

    fatal = True


class NotAnsweredYetError(ModelError):
    """The answer is still to come in a batch: the Trial stays open, and leaves no record."""


class ModelUnavailableError(ModelError):
    """A model that cannot be started here: an extra or its weights are missing."""

    fatal = True


class ProbeExecutionError(InsideLLMsError):
    """A Trial failed and the run stops on errors; `original_error` is what was raised, if anything was."""

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        model: str = "",
        probe: str = "",
        example_id: str = "",
        original_error: BaseException | None = None,
    ) -> None:
        super().__init__(message, fix=fix)
        self.model = model
        self.probe = probe
        self.example_id = example_id
        self.original_error = original_error


class TrialTimeoutError(ProbeExecutionError, TimeoutError):
    """A Trial timed out and the run stops on errors."""
