"""The one place where other people's code may raise anything: plug-ins, models, probes, callbacks.

Everything else in insideLLMs catches errors by name. KeyboardInterrupt and SystemExit always get through.
"""

from types import TracebackType

from insideLLMs.core.errors import InsideLLMsError


class UserCodeError(InsideLLMsError):
    """Code that is not ours raised; `cause` is what it raised, `type_name` its class."""

    def __init__(self, what: str, cause: Exception) -> None:
        self.cause = cause
        self.type_name = type(cause).__name__
        super().__init__(f"{what} raised {self.type_name}: {cause}")


class calling_user_code:  # noqa: N801 - reads as a statement: `with calling_user_code("the scorer"):`
    """Turn any Exception of the block into a UserCodeError; errors that are ours pass as they are."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, InsideLLMsError):
            raise UserCodeError(self._what, error) from error
