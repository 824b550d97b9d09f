"""`insidellms audit`: what would the gate have missed?"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.report_files import write_files
from insideLLMs.cli.places import LOCAL, OUTPUT, RUN
from insideLLMs.core.errors import ExitCode, OptionError

if TYPE_CHECKING:
    from insideLLMs.api.trusted_runs import TrustedExperiment
    from insideLLMs.store.sealed_run import SealedRun

Report = TypeVar("Report")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """What the command line says."""

    probes: tuple[str, ...]
    damages: tuple[str, ...]
    share: float
    fail_on_missed: bool
    experiment: Path | None
    trust_run: bool
    max_calls: int
    dry_run: bool
    as_json: bool
    markdown: Path | None

    def exit_code(self, found: ExitCode) -> ExitCode:
        """Return the exit code of what was found, where it is asked for."""
        return found if self.fail_on_missed else ExitCode.OK


@click.command("audit")
@click.argument("run", type=RUN)
@click.option(
    "--probe", "probes", multiple=True, metavar="ID", help="Audit only this probe. May be given several times."
)
@click.option("--damage", "damages", multiple=True, metavar="NAME", help="Do only this damage, e.g. number or refused.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.25,
    show_default=True,
    help="The share of examples to damage; the gate must catch that 4 times out of 5.",
)
@click.option(
    "--fail-on-missed", is_flag=True, help="Exit with 3 if a damage is missed, with 4 if that cannot be decided."
)
@click.option("--experiment", type=LOCAL, help="Your experiment file: code that its probes name may run.")
@click.option("--trust-run", is_flag=True, help="Run the code that the run itself names.")
@click.option("--prompt-ablation", is_flag=True, help="Ask again, each time without one sentence of the prompt.")
@click.option(
    "--max-calls",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="With --prompt-ablation: the most calls.",
)
@click.option("--dry-run", is_flag=True, help="With --prompt-ablation: show what would be asked.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--markdown", type=OUTPUT, help="Also write it as Markdown.")
@console.common_options
def command(run: Path, *, prompt_ablation: bool, **options: Any) -> int:  # click passes them by name
    """Damage the stored answers of RUN, score them again, and show what its gate would miss.

    Each damage (negated, another number, truncated, refused, ...) is done to a share of the examples, and the run's own
    gate compares the run with the result. No model is asked. If nothing notices a damage, that is a hole in the suite,
    and the checks that close it are shown. With --prompt-ablation the model is asked again, each time without one
    sentence of the prompt: it shows the sentences that no check protects. These answers are stored beside RUN and not
    asked twice.
    """
    words = _Words(**options)
    if prompt_ablation:
        return _ablate(run, words)
    if words.dry_run:
        raise click.UsageError("--dry-run belongs to --prompt-ablation: an audit without it asks nothing")
    return _audit(run, words)


def _audit(run: Path, words: _Words) -> int:
    from insideLLMs.api.auditing.audit import audit  # noqa: PLC0415 - slow
    from insideLLMs.api.auditing.opened import AuditOptions  # noqa: PLC0415
    from insideLLMs.report.audit import audit_markdown, render_audit  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    opened = SealedRun.open(run)
    trusted = _named(opened, words)
    options = AuditOptions(
        specs=opened.experiment.probes if trusted is None else trusted.experiment.probes,
        folder=Path.cwd() if trusted is None else trusted.folder,
        trusted=trusted is not None,
        probes=words.probes,
        damages=words.damages,
        share=words.share,
    )
    report = asyncio.run(audit(opened, options))
    _show(report, words, render_audit, audit_markdown)
    if any(report.findings("missed")):
        return words.exit_code(ExitCode.GATE_FAILED)
    return ExitCode.OK if report.is_whole else words.exit_code(ExitCode.INCONCLUSIVE)


def _ablate(run: Path, words: _Words) -> int:
    from insideLLMs.api.auditing.prompt_ablation import AblationOptions, ablate  # noqa: PLC0415 - slow
    from insideLLMs.report.audit import ablation_markdown, render_ablation  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    opened = SealedRun.open(run)
    trusted = _named(opened, words)
    if trusted is None:
        raise OptionError(
            "--prompt-ablation asks models, and a stored run may be somebody else's",
            fix="name your experiment: --experiment FILE; or add --trust-run if you trust the run",
        )
    into = run.with_name(f"{run.resolve().name}.ablation")
    options = AblationOptions(max_calls=words.max_calls, into=into, is_dry=words.dry_run)
    report = ablate(trusted, options, console.note)
    _show(report, words, render_ablation, ablation_markdown)
    if report.is_dry:
        return ExitCode.OK
    if any(report.in_state("not noticed")):
        return words.exit_code(ExitCode.GATE_FAILED)
    return words.exit_code(ExitCode.INCONCLUSIVE) if any(report.in_state("cannot tell")) else ExitCode.OK


def _show(report: Report, words: _Words, render: Callable[..., str], markdown: Callable[[Report], str]) -> None:
    from insideLLMs.core import canonical  # noqa: PLC0415 - slow

    write_files([(words.markdown, lambda out: out.write(markdown(report).encode()))])
    if words.as_json:
        console.out_document(canonical.pretty(report).decode().rstrip())
    else:
        console.out(render(report, width=console.width(), color=console.colours()))


def _named(run: "SealedRun", words: _Words) -> "TrustedExperiment | None":
    """Return what the user lets this command call and run; None where nothing was said. Raises OptionError."""
    from insideLLMs.api.trusted_runs import as_stored, named_by_user  # noqa: PLC0415 - slow

    if words.experiment is not None:
        return named_by_user(run, [words.experiment])
    return as_stored(run, None, console.note) if words.trust_run else None
