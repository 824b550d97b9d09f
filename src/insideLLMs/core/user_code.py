"""The one place where other people's code may raise anything: plug-ins, models, probes, callbacks.

Everything else in insideLLMs catches errors by name. What is meant for us gets through: Ctrl-C, the cancellation of
our own task, and the end of our own coroutine. SystemExit, and what only looks like one of these, is an error of the
call.
"""

import inspect
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from insideLLMs.core.errors import InsideLLMsError


class UserCodeError(InsideLLMsError):
    """Code that is not ours raised; `cause` is what it raised, `type_name` its class."""

    def __init__(self, what: str, cause: BaseException) -> None:
        self.cause = cause
        self.type_name = type(cause).__name__
        super().__init__(f"{what} raised {self.type_name}: {str(cause) or _MEANINGS.get(self.type_name, '')}")


_MEANINGS = {
    "CancelledError": "a task that it awaited was cancelled",
    "SystemExit": "it was to end the process",
    "KeyboardInterrupt": "nobody pressed Ctrl-C",
}


class calling_user_code:  # noqa: N801 - reads as a statement: `with calling_user_code("the scorer"):`
    """Turn what the block raises into a UserCodeError; errors that are ours pass as they are."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None or isinstance(error, InsideLLMsError) or is_meant_for_us(error):
            return
        raise UserCodeError(self._what, error) from error


def is_meant_for_us(error: BaseException) -> bool:
    """Whether an error that passes through the caller came from outside, and not from the code that it called."""
    if isinstance(error, KeyboardInterrupt):
        return _is_ctrl_c(error)
    if isinstance(error, GeneratorExit):
        return _raised_in(error) is None
    return _cancels_our_task(error)


def _is_ctrl_c(error: KeyboardInterrupt) -> bool:
    """Whether a signal may have raised it: on the main thread, by Python's handler or that of `asyncio.Runner`."""
    if threading.current_thread() is not threading.main_thread():
        return False
    by_python = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return by_python or _raised_in(error) == "_on_sigint"


def _raised_in(error: BaseException) -> str | None:
    """Return the function that raised it; None for the one that caught it."""
    innermost = error.__traceback__
    caught = innermost
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    return None if innermost is caught or innermost is None else innermost.tb_frame.f_code.co_name


def _cancels_our_task(error: BaseException) -> bool:
    """Whether `error` is the cancellation of the task that calls, and not one that other people's code raised."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs on this thread
        return False
    return task is not None and task.cancelling() > 0


def exit_by_others(error: SystemExit) -> InsideLLMsError:
    """Return the error for an exit out of a task that other people's code began, which is part of no call."""
    return InsideLLMsError(
        f"code that is not ours called sys.exit({'' if error.code is None else repr(error.code)}), which ended the run",
        fix="raise an error there instead; what was answered until then is kept",
    )


def takes_keyword(function: Callable[..., object], name: str) -> bool:
    """Whether a function can be called with a keyword of this name; yes where that cannot be told."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return any(one.kind is one.VAR_KEYWORD or (one.name == name and one.kind in named) for one in parameters)
