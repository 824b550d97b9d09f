"""Names of plug-ins, as a shell completes them."""

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def completing(*families: str) -> Complete:
    """Return what completes the name of a plug-in of these families; where none fits, the shell completes a path."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
        from insideLLMs import plugins  # noqa: PLC0415 - discovers installed packages

        registries = {
            "provider": plugins.model_registry,
            "probe": plugins.probe_registry,
            "dataset": plugins.dataset_registry,
        }
        names = sorted({name for family in families for name in registries[family].list()})
        fitting = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return fitting or [CompletionItem(incomplete, type="file")]

    return complete
