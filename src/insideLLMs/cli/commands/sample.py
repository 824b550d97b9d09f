"""`insidellms sample`: a day of traffic becomes a set of examples to review."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.options.redact import personal_data_options
from insideLLMs.cli.places import FILE, OUTPUT
from insideLLMs.core.errors import ExitCode, InsideLLMsError
from insideLLMs.core.shell_words import as_typed
from insideLLMs.report.safe_text import printable

if TYPE_CHECKING:
    from insideLLMs.api.traffic.coverage import Gap
    from insideLLMs.api.traffic.sampling import Sampled

_STRATA = ("route", "model", "error", "template", "length", "language", "feedback", "tools", "day", "hour")


@click.command("sample")
@click.argument("traces", metavar="TRACES...", nargs=-1, required=True, type=FILE)
@click.option("--output", "-o", required=True, type=OUTPUT, help="The file of examples to write, e.g. examples.jsonl.")
@click.option("--examples", type=int, default=200, show_default=True, help="How many different examples to draw.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed draws other requests.")
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(_STRATA),
    help="Group requests by this; draw from each group in proportion. Repeatable.  [default: route, model, error]",
)
@click.option(
    "--at-least", type=int, default=0, metavar="N", help="Draw at least N from each group; weights correct this."
)
@click.option(
    "--failed", type=float, metavar="SHARE", help="Make failed requests this share of the sample; weights correct this."
)
@click.option("--each-call", is_flag=True, help="Draw from all calls of models, not from requests.")
@click.option("--unfinished", is_flag=True, help="Leave out damaged lines.")
@click.option("--overwrite", is_flag=True, help="Replace the file and all reviews in it.")
@click.option(
    "--review", "then_review", is_flag=True, help="Review the examples in the browser, as `insidellms view FILE` does."
)
@personal_data_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(
    traces: tuple[Path, ...],
    *,
    output: Path,
    overwrite: bool,
    then_review: bool,
    as_json: bool,
    by: tuple[str, ...],
    **drawing: Any,  # click passes them by name, each as its declaration types it
) -> int:
    """Draw examples from TRACES (files or folders), and show how much traffic they cover.

    The same files and seed draw the same requests. Questions that differ only in case, spaces, punctuation and long
    numbers become one example, as do nearly equal ones. Each example has a weight: how many requests it represents.
    The application's answer is stored under `traffic`, never as the expected answer. Every example is pending review.
    Personal data is replaced.
    """
    from insideLLMs.api.traffic.sampling import SampleOptions, draw_sample  # noqa: PLC0415 - slow
    from insideLLMs.api.traffic.strata import USUAL  # noqa: PLC0415

    if then_review and as_json:
        raise click.UsageError("--review is for a person and --json for a script; use one of them.")
    if output.exists() and not overwrite:
        raise InsideLLMsError(
            f"{output} exists, perhaps with reviews", fix="choose another --output, or add --overwrite"
        )
    options = SampleOptions(by=by or USUAL, **drawing)
    sampled = draw_sample(traces, output, options, tell=console.note)
    for note in sampled.notes:
        console.note(note)
    if as_json:
        console.out_json({"output": str(output), **msgspec.to_builtins(sampled)})
    else:
        _show(sampled, output)
    return _review(output) if then_review else ExitCode.OK


def _review(examples: Path) -> int:
    """Serve the page on which a person reviews the file, until interrupted."""
    from insideLLMs.cli.commands.view import command as view  # noqa: PLC0415 - only here

    code: int = click.get_current_context().invoke(view, folder=examples, open_page=True)
    return code


def _show(sampled: "Sampled", output: Path) -> None:
    covers = sampled.coverage
    low, high = covers.interval
    drawn = "" if low == high else f" (95% interval {low:.1%} to {high:.1%}, judged on {covers.judged:,} requests)"
    console.out(f"{sampled.examples:,} examples of {sampled.requests:,} requests written to {output}")
    console.out(f"covers {covers.similar:.1%} of the traffic by a similar question{drawn}: {covers.method}")
    console.out(
        f"{covers.same:.1%} of the traffic asks an example's question, apart from case, punctuation and long numbers"
    )
    if sampled.strata_drawn < sampled.strata:
        console.out(
            f"{sampled.strata - sampled.strata_drawn:,} of {sampled.strata:,} strata have no example: --at-least 1"
        )
    for gap in covers.gaps:
        console.out(printable(f"not covered: {gap.share:.1%} {_named(gap)}"))
    console.out(f"next: insidellms view {as_typed(output)}")


def _named(gap: "Gap") -> str:
    shared = ", ".join(f"{name} {value}" for name, value in gap.stratum.items())
    return f"{shared}; such as {gap.questions[0]!r}" if gap.questions else shared
