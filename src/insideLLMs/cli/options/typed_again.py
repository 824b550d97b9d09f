"""The options of the command that runs, as they are typed again to go on with it."""

from collections.abc import Iterator, Mapping

import click
from click.core import ParameterSource

from insideLLMs.core.shell_words import as_typed

Changed = Mapping[str, str | None]
"""Options by how they are typed: the value of each, "" for one without, None for one to leave out."""


def typed_again(changed: Changed) -> Iterator[str]:
    """Yield the options that were typed, as for a shell; behind them those of `changed`, as they stand there."""
    ctx = click.get_current_context()
    for param in ctx.command.params:
        is_typed = param.name in ctx.params and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
        stays = isinstance(param, click.Option) and (param.multiple or changed.keys().isdisjoint(param.opts))
        if is_typed and stays:
            value = ctx.params[param.name]
            for one in value if isinstance(value, tuple) else (value,):
                yield _word(param.opts[0], "" if value is True else str(one))
    yield from (_word(option, value) for option, value in changed.items() if value is not None)


def _word(option: str, value: str) -> str:
    return f"{option} {as_typed(value)}" if value else option
