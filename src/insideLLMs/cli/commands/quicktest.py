"""`insidellms quicktest`: does this model answer at all?"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.settings import parse_settings
from insideLLMs.cli.plugin_names import completing
from insideLLMs.core.errors import ExitCode

if TYPE_CHECKING:
    from insideLLMs.core.experiment import ModelSpec
    from insideLLMs.core.types import Response


@click.command("quicktest")
@click.argument("prompt", default="Say hello in one short sentence.")
@click.option(
    "--provider",
    default="dummy",
    show_default=True,
    shell_complete=completing("provider"),
    help="Which provider to ask.",
)
@click.option(
    "--arg",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="An argument of the provider, e.g. model_name=gpt-4o-mini.",
)
@click.option("--system", help="A system prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole response as JSON.")
@console.common_options
def command(prompt: str, *, provider: str, pairs: tuple[str, ...], system: str | None, as_json: bool) -> int:
    """Ask a model PROMPT once and print its answer; nothing is stored."""
    from insideLLMs.core.experiment import ModelSpec  # noqa: PLC0415 - slow
    from insideLLMs.core.types import expand  # noqa: PLC0415 - slow

    spec = ModelSpec(
        type=provider,
        id=provider,
        args=parse_settings(pairs, option="--arg", example="model_name=gpt-4o-mini"),
        system=system,
    )
    response = asyncio.run(_ask(spec, prompt))
    if as_json:
        console.out_json(expand(response))
    else:
        from insideLLMs.report.safe_text import printable  # noqa: PLC0415

        console.out(printable(response.text, keep_newlines=True))
    return ExitCode.OK


async def _ask(spec: "ModelSpec", prompt: str) -> "Response":
    from insideLLMs.api.preparation.members import make_model  # noqa: PLC0415 - slow
    from insideLLMs.core.template import Template  # noqa: PLC0415
    from insideLLMs.core.types import Example, Request  # noqa: PLC0415
    from insideLLMs.execute.abandonable import AbandonableThreads  # noqa: PLC0415
    from insideLLMs.execute.adapt import as_async_model  # noqa: PLC0415
    from insideLLMs.execute.work import ReadyModel  # noqa: PLC0415

    model = as_async_model(make_model(spec, Path()), AbandonableThreads())
    check = getattr(model, "check", None)
    if callable(check):
        check()
    try:
        system = None if spec.system is None else Template(spec.system)
        ready = ReadyModel(model=model, system=system)
        return await model.respond(ready.sent(Request.of(prompt), Example(id="1", input=prompt)))
    finally:
        await model.aclose()
