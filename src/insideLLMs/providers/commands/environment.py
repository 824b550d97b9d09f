"""The environment of a command: a few variables that programs need, and those that the user names."""

import os
import re
from collections.abc import Mapping, Sequence

from insideLLMs.core.arguments import refuse
from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import ArgumentError, AuthError
from insideLLMs.providers.http_model import is_secret, shown_settings

ALWAYS = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "USER")
"""What every command gets of this process's environment: where programs and files are, and the language."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class CommandEnv:
    """The variables that a user names: in a list those that are passed on, in a mapping those that are set.

    Values of this process's environment are read at the first call, and kept nowhere else. Raises ArgumentError.
    """

    def __init__(self, env: Sequence[str] | Mapping[str, str] | None) -> None:
        given = _as_mapping(env)
        self._passed = tuple(name for name, value in given.items() if value is None)
        self.written = {name: value for name, value in given.items() if value is not None}

    def identity(self) -> dict[str, str]:
        """Return the variables as they are written; what is passed on is named by its reference."""
        passed = {name: f"${{{name}}}" for name in self._passed}
        return dict(sorted({**passed, **dict(shown_settings(self.written.items()))}.items()))

    def check(self) -> None:
        """Raise AuthError for a variable that is to be passed on and has no value."""
        for name in self._passed:
            if not os.environ.get(name, "").strip():
                raise AuthError(
                    f"the command needs the environment variable {name}, which is not set",
                    fix=f"export {name}=..., or take it out of env",
                )

    def values(self, filled: Mapping[str, str]) -> dict[str, str]:
        """Return all variables; `filled` are those that are written, with their templates filled."""
        usual = {name: os.environ[name] for name in (*ALWAYS, *self._passed) if name in os.environ}
        return {**usual, **self.written, **filled}

    def secrets(self) -> list[str]:
        """Return what may be written nowhere: what comes from this environment, and what is secret by its name."""
        passed = [os.environ.get(name, "") for name in self._passed]
        return [*passed, *(value for _, value in self._private())]

    def private_settings(self) -> tuple[str, ...]:
        """Return what tells this environment from others and may not be written."""
        passed = [(name, os.environ.get(name, "")) for name in self._passed]
        return tuple(f"{name}={value}" for name, value in (*passed, *self._private()))

    def _private(self) -> list[tuple[str, str]]:
        return [
            (name, value)
            for name, value in self.written.items()
            if isinstance(value, FromEnvironment) or is_secret(name)
        ]


def _as_mapping(env: object) -> dict[str, str | None]:
    """Return the variables with what is written for them; None where they are only named."""
    given: dict[str, str | None]
    if isinstance(env, Mapping):
        given = dict(env)
    elif isinstance(env, Sequence) and not isinstance(env, str):
        given = dict.fromkeys(env)
    elif env is None:
        given = {}
    else:
        raise refuse("", "env", env, "a list of names, [OPENAI_API_KEY], or a mapping, {MODE: fast}")
    for at, (name, value) in enumerate(given.items()):
        if not isinstance(name, str) or not _NAME.fullmatch(name):  # not shown: it may be a key
            raise _of_env(f"item {at + 1} of env is no name of a variable", "write [NAME], or {NAME: value}")
        if isinstance(env, Mapping) and not isinstance(value, str):
            raise _of_env(f"env.{name} is of type {type(value).__name__}; it must be text", "quote it")
    return given


def _of_env(message: str, fix: str) -> ArgumentError:
    error = ArgumentError(message, fix=fix)
    error.argument = "env"
    return error
