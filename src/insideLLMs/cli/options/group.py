"""Options that belong together: a command gets what they say as one argument."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    NumberParam = click.ParamType[int]
else:
    NumberParam = click.ParamType  # which takes no parameter before click 8.4

Command = Callable[..., int]
Given = dict[str, object]
"""What a command's options hold, by the names of its parameters."""


def option_group(
    function: Command, name: str, options: Iterable[Callable[[Command], Command]], gather: Callable[[Given], object]
) -> Command:
    """Add `options`, in the order of the help; `gather` takes them out of what is given, and `name` gets the result."""

    def gathered(*args: object, **given: object) -> int:
        value = gather(given)
        return function(*args, **{name: value}, **given)

    gathered.__doc__ = function.__doc__
    command: Command = gathered
    command.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined] # click's own
    for option in reversed(tuple(options)):
        command = option(command)
    return command
