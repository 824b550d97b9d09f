"""All words to the user: results to stdout, everything else to stderr, colour only on a terminal."""

import codecs
import contextlib
import datetime as dt
import functools
import io
import json
import logging
import os
import shutil
import stat
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, TypeVar, cast

import click

from insideLLMs.cli.steps_display import showing_steps
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.report.safe_text import (
    for_terminal,
    json_for_terminal,
    json_without_commands,
    printable,
    without_commands,
)

if TYPE_CHECKING:
    from insideLLMs.execute.progress import ProgressInfo

Command = TypeVar("Command", bound=Callable[..., object])
_EXTRA_FIELDS = (
    "run_id", "model", "prompt", "probe", "example_id", "trials", "resumed", "status", "stage", "error_type",
    "http_status", "attempt", "attempts", "wait_s", "latency_ms",
)  # fmt: skip
_PLAIN_EVERY_S = 5.0
_BAR_EVERY_S = 0.1
_BAR_COLUMNS = 30
_QUIET = "insidellms.quiet"
_ERASE = "\r\x1b[K"
_TRACKER_LABELS = ("issues", "bug tracker", "tracker")
"""Names for the address of a tracker in package metadata (packaging.python.org, "Well-known Project URLs")."""


class _Settings:
    """What the common options say."""

    verbose = False


def out(text: str = "") -> None:
    """Print a result. Raises InsideLLMsError where it cannot be written."""
    _print(text)


def out_json(value: object) -> None:
    """Print a result as JSON."""
    out_document(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True))


def out_document(text: str) -> None:
    """Print JSON that is written already; with escapes where the output takes no UTF-8."""
    if codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8":
        text = "".join(letter if letter.isascii() else json.dumps(letter)[1:-1] for letter in text)
    _echo(json_for_terminal(text) if is_terminal(sys.stdout) else json_without_commands(text))


def note(text: str) -> None:
    """Say something that is not the result."""
    _print(text, err=True)


def ci_command(line: str) -> None:
    """Print a command to the CI runner."""
    _echo(line, err=True)


def unwritable(error: OSError) -> InsideLLMsError:
    """Return the error of an output that cannot be written."""
    return InsideLLMsError(f"cannot write the output: {error.strerror}", fix="make room, or write it elsewhere")


def open_outputs() -> None:
    """Let an output in another encoding than UTF-8 replace what that lacks, and one that is closed take everything."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        elif stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as we live


def warn(text: str) -> None:
    """Say something that the user should not miss."""
    _print(_marked("warning: ", fg="yellow") + printable(text), err=True)


def error(problem: InsideLLMsError) -> None:
    """Say what is wrong and how to fix it."""
    _print(_marked("error: ", fg="red", bold=True) + printable(problem.message, keep_newlines=True), err=True)
    if problem.fix:
        _print(_marked("  fix: ", fg="green") + printable(problem.fix, keep_newlines=True), err=True)
    if _Settings.verbose:
        _print_traceback(problem)


def _marked(word: str, **style: Any) -> str:  # click's own
    return click.style(word, **style) if colours(sys.stderr) else word


def bug(problem: BaseException) -> None:
    """Say that this is our fault, and how to report it."""
    _print(f"internal error: {type(problem).__name__}: {printable(str(problem))}", err=True)
    if _Settings.verbose:
        _print_traceback(problem)
    else:
        note("Run it again with --verbose for the traceback.")
    note(f"This is a bug in insideLLMs. {_where_to_report()}")


def _print_traceback(problem: BaseException) -> None:
    _print(printable("".join(traceback.format_exception(problem)).rstrip(), keep_newlines=True), err=True)


def _print(text: str, *, err: bool = False) -> None:
    """Print text; neither a terminal nor a CI runner, which reads our output as its log, obeys what a model wrote."""
    watched = is_terminal(sys.stderr if err else sys.stdout)
    _echo(for_terminal(text) if watched else without_commands(text), err=err)


@contextlib.contextmanager
def data_out(form: str) -> "Iterator[BinaryIO]":
    """Open stdout for the bytes of a table in this form; in a file they are exact, elsewhere nobody obeys them."""
    stream = sys.stdout.buffer
    is_exact = form == "parquet" or stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    try:
        yield (
            stream if is_exact else cast("BinaryIO", _HarmlessData(stream, _harmless_spelling(form)))
        )  # only written to
        stream.flush()
    except BrokenPipeError:  # the reader wants no more
        abandon_stdout()


def _harmless_spelling(form: str) -> Callable[[str], str]:
    if is_terminal(sys.stdout):
        return json_for_terminal if form == "jsonl" else functools.partial(printable, keep_newlines=True)
    return json_without_commands if form == "jsonl" else without_commands


class _HarmlessData:
    """A stdout that a terminal or a CI runner reads; it is only written to."""

    def __init__(self, out: BinaryIO, change: Callable[[str], str]) -> None:
        self._out = out
        self._change = change

    def write(self, data: bytes) -> int:
        return self._out.write(self._change(data.decode()).encode())

    def writelines(self, lines: "Iterable[bytes]") -> None:
        for line in lines:
            self.write(line)


def _echo(text: str, *, err: bool = False) -> None:
    try:
        click.echo(_with_urls(text), err=err)
    except BrokenPipeError:
        if not err:
            abandon_stdout()
    except OSError as error:
        if not err:
            raise unwritable(error) from error


def _with_urls(text: str) -> str:
    """Put URLs in the place of the copies that stand for them on this machine."""
    copies = sys.modules.get("insideLLMs.remote.copies")  # without it there is none
    return text if copies is None else str(copies.with_urls(text))


def _where_to_report() -> str:
    """Name the tracker that the installed package names: it may be somebody's own copy."""
    from importlib import metadata  # noqa: PLC0415 - 10 ms, and only for a bug

    try:
        named = metadata.metadata("insidellms").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        named = []
    addresses = {label.strip().lower(): url.strip() for label, _, url in (text.partition(",") for text in named)}
    known = (addresses[label] for label in _TRACKER_LABELS if label in addresses)
    address = next(known, None)
    return f"Please report it: {address}" if address else "Please report it where you got insideLLMs from."


def abandon_stdout() -> None:
    """Go on without stdout after the reader of a pipe has gone: the work and its exit code still count."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether a person watches the stream (stderr by default)."""
    return bool((stream or sys.stderr).isatty())


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: getattr(record, name) for name in _EXTRA_FIELDS if hasattr(record, name)}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        line = json.dumps(
            {
                "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage(),
                **fields,
            },
            ensure_ascii=False,
        )
        return _with_urls(json_without_commands(line))


class _TextFormatter(logging.Formatter):
    """A line a message; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return _with_urls(without_commands(printable(super().format(record), keep_newlines=True)))


def configure(*, verbose: bool, log_level: str, log_format: str) -> None:
    """Apply the common options to this process."""
    _Settings.verbose = verbose
    handler = logging.StreamHandler()
    formatter = _JsonFormatter() if log_format == "json" else _TextFormatter("%(levelname)s %(name)s: %(message)s")
    handler.setFormatter(formatter)
    root = logging.getLogger("insideLLMs")
    root.handlers = [handler]
    root.setLevel(("debug" if verbose else log_level).upper())
    root.propagate = False


class GroupedCommand(click.Command):
    """A command whose `--help` shows options under headings: those that `groups` names, then all others."""

    groups: Mapping[str, Sequence[str]]

    def __init__(self, *args: Any, groups: Mapping[str, Sequence[str]], **kwargs: Any) -> None:  # click's own
        super().__init__(*args, **kwargs)
        self.groups = groups

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = (param for param in self.get_params(ctx) if isinstance(param, click.Option))
        rows = {option.name: row for option in options if (row := option.get_help_record(ctx))}
        for title, names in self.groups.items():
            with formatter.section(title):
                formatter.write_dl([rows.pop(name) for name in names])
        with formatter.section("Logging and help"):
            formatter.write_dl(list(rows.values()))


def quiet_option(function: Command) -> Command:
    """Add `--quiet` to a command; `is_quiet` says whether it was given."""

    def apply(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        ctx.meta[_QUIET] = value

    told = "Show no progress."
    return click.option("--quiet", is_flag=True, help=told, expose_value=False, callback=apply)(function)


def is_quiet() -> bool:
    """Whether the command that runs was given `--quiet`."""
    return bool(click.get_current_context().meta.get(_QUIET))


def common_options(function: Command) -> Command:
    """Add the options that every command has."""

    def apply(ctx: click.Context, param: click.Parameter, value: bool | str) -> bool | str:
        ctx.meta[f"insidellms.{param.name}"] = value
        configure(
            verbose=bool(ctx.meta.get("insidellms.verbose")),
            log_level=str(ctx.meta.get("insidellms.log_level", "warning")),
            log_format=str(ctx.meta.get("insidellms.log_format", "text")),
        )
        return value

    options = (
        click.option(
            "--verbose", is_flag=True, help="Log everything, and show tracebacks.", expose_value=False, callback=apply
        ),
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"]),
            default="warning",
            show_default=True,
            expose_value=False,
            callback=apply,
            help="What is logged to stderr.",
        ),
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            expose_value=False,
            callback=apply,
            help="How it is logged.",
        ),
    )
    shown: Command = _showing_steps(function)
    for option in reversed(options):
        shown = option(shown)
    return shown


def _showing_steps(function: Command) -> Command:
    @functools.wraps(function)
    def shown(*args: Any, **options: Any) -> object:  # whatever the command takes
        if options.get("quiet") or is_quiet():
            return function(*args, **options)
        with showing_steps(bar=draw if is_terminal() else None, say=note):
            return function(*args, **options)

    return cast("Command", shown)  # wraps keeps the signature


def draw(line: str) -> None:
    """Write the last line of the terminal again, cut to its width; nothing erases it."""
    columns = shutil.get_terminal_size((80, 24)).columns
    click.echo(f"{_ERASE}{line[: columns - 1]}\r" if line else _ERASE, err=True, nl=False)


@contextlib.contextmanager
def progress(*, quiet: bool) -> "Iterator[Callable[[ProgressInfo], None] | None]":
    """Show progress: a bar on a terminal, else a plain line every few seconds; nothing if `quiet`."""
    if quiet:
        yield None
    elif is_terminal():
        bar = _Bar()
        try:
            yield bar
        finally:
            bar.erase()
    else:
        yield _PlainProgress()


class _PlainProgress:
    """Progress for logs."""

    def __init__(self) -> None:
        self._next_s = _PLAIN_EVERY_S

    def __call__(self, info: "ProgressInfo") -> None:
        if info.elapsed_s >= self._next_s or info.current == info.total:
            self._next_s = info.elapsed_s + _PLAIN_EVERY_S
            eta = f", {info.eta_s:.0f} s to go" if info.eta_s and info.current < info.total else ""
            note(f"{info.current}/{info.total} trials, {info.failed} failed, {info.rate or 0:.1f}/s{eta}")


class _Bar:
    """Progress on a terminal, as its last line: written again as the run goes on, erased at the end."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def __call__(self, info: "ProgressInfo") -> None:
        if info.elapsed_s < self._next_s and info.current < info.total:
            return
        self._next_s = info.elapsed_s + _BAR_EVERY_S
        share = info.current / info.total if info.total else 1.0
        bar = ("━" * round(share * _BAR_COLUMNS)).ljust(_BAR_COLUMNS, "─")
        rate = f" {info.rate:.1f}/s" if info.rate else ""
        eta = f" {dt.timedelta(seconds=round(info.eta_s))}" if info.eta_s else ""
        failed = f" {info.failed} failed" if info.failed else ""
        draw(f"trials {bar} {info.current}/{info.total}{rate}{eta}{failed}")

    def erase(self) -> None:
        draw("")


def width() -> int:
    """Columns to fill: the terminal's, or 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns if is_terminal(sys.stdout) else 80


def colours(stream: TextIO | None = None) -> bool:
    """Whether a stream (stdout by default) is coloured: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return is_terminal(stream or sys.stdout) and not os.environ.get("NO_COLOR")
