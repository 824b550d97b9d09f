"""`insidellms noise`: how much runs of an unchanged system differ."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.gate import today
from insideLLMs.cli.places import OUTPUT, RUN, TO_WRITE
from insideLLMs.core.errors import ExitCode
from insideLLMs.remote.url import RemoteUrl

if TYPE_CHECKING:
    from insideLLMs.compare.gate.evidence import NoiseFloor
    from insideLLMs.compare.statistics.noise import Disagreement


@click.command("noise")
@click.argument("runs", nargs=-1, type=RUN)
@click.option("--pool", type=TO_WRITE, help="Measure this pool's runs, and store noise.json in it.")
@click.option("--save", type=OUTPUT, help="Store the noise floor here, for `diff --noise`.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@console.common_options
def command(runs: tuple[Path, ...], *, pool: Path | RemoteUrl | None, save: Path | None, as_json: bool) -> int:
    """Measure the noise floor of RUNS, two or more runs of the same experiment (A/A).

    `diff --noise` uses the result: how small a change it can detect, and whether the runs are deterministic.
    """
    from insideLLMs.api.baselines import noise_of, open_pool, write_noise  # noqa: PLC0415 - slow
    from insideLLMs.core.types import expand  # noqa: PLC0415
    from insideLLMs.store.pool import NOISE  # noqa: PLC0415
    from insideLLMs.store.remote.pool import writing_pool  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    with nullcontext() if pool is None else writing_pool(pool) as folder:
        pooled = open_pool(folder, today=today()) if folder is not None else None
        left_out = pooled.left_out if pooled is not None else ()
        found = noise_of((*(pooled.runs if pooled is not None else ()), *map(SealedRun.open, runs)), left_out)
        for warning in left_out:
            console.warn(warning)
        for path in (save, folder / NOISE if folder is not None else None):
            if path is not None:
                write_noise(path, found)
    if as_json:
        console.out_json(expand(found))
        return ExitCode.OK
    console.out(f"{len(found.runs)} runs of an unchanged system; share of all pairs of trials that differ:")
    for level, share in found.levels.items():
        if share.n:
            console.out(f"  {level:<11} {_told(share)}")
    _say_more(found)
    return ExitCode.OK


def _told(share: "Disagreement") -> str:
    within = "" if share.within is None else f"; within a run {share.within:.2%}"
    alike = "" if share.correlation is None else f", repeats of a run correlate by {share.correlation:.2f}"
    return f"{share.across:.2%} across runs, {share.n:,} items{within}{alike}"


def _say_more(found: "NoiseFloor") -> None:
    verdicts = found.levels.get("verdict")
    if found.is_identical:
        console.out("The runs are byte-identical.")
    elif verdicts is not None and verdicts.n:
        fallen = verdicts.expected_regressions(1000)
        console.out(f"Of 1,000 trials about {fallen:.1f} go from pass to fail by noise alone.")
    if found.run_shift is not None and found.run_shift.is_seen:
        told = (
            f"Whole runs move together: their means vary {found.run_shift.ratio:.1f} times as much as chance explains."
        )
        console.out(f"{told} `diff` holds a candidate against that.")
    if any(share.has_pseudo_repeats for share in found.levels.values()):
        console.warn("repeats of one run never differ although runs do: a cache or a fixed seed; they add no evidence")
