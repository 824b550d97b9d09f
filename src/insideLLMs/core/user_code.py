"""The one place where other people's code may raise anything: plug-ins, models, probes, callbacks.

Everything else in insideLLMs catches errors by name. KeyboardInterrupt and SystemExit always get through, and so
does the cancellation of our own task.
"""

import inspect
import sys
from collections.abc import Callable
from types import TracebackType

from insideLLMs.core.errors import InsideLLMsError


class UserCodeError(InsideLLMsError):
    """Code that is not ours raised; `cause` is what it raised, `type_name` its class."""

    def __init__(self, what: str, cause: BaseException) -> None:
        self.cause = cause
        self.type_name = type(cause).__name__
        super().__init__(f"{what} raised {self.type_name}: {str(cause) or _MEANINGS.get(self.type_name, '')}")


_MEANINGS = {"CancelledError": "a task that it awaited was cancelled"}


class calling_user_code:  # noqa: N801 - reads as a statement: `with calling_user_code("the scorer"):`
    """Turn what the block raises into a UserCodeError; errors that are ours pass as they are."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None or isinstance(error, InsideLLMsError | KeyboardInterrupt | SystemExit | GeneratorExit):
            return
        if not _cancels_our_task(error):
            raise UserCodeError(self._what, error) from error


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


def takes_keyword(function: Callable[..., object], name: str) -> bool:
    """Whether a function can be called with a keyword of this name; yes where that cannot be told."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return any(one.kind is one.VAR_KEYWORD or (one.name == name and one.kind in named) for one in parameters)
