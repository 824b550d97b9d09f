"""Compare run directories and judge the result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import yaml

from insideLLMs.compare import CompareOptions, Comparison, RunView, Verdict, compare, judge
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.types import GateSpec
from insideLLMs.store.directory import CONFIG, RECORDS, read_lines, read_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A comparison, the policy it was judged by, and the gate's verdict."""

    comparison: Comparison
    policy: GateSpec
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOverrides:
    """What the command line says of the gate; None leaves the experiment's own word."""

    fail_on: str | None = None
    tolerance: int | None = None
    probes: Mapping[str, GateSpec] = field(default_factory=dict)

    def apply(self, spec: GateSpec) -> GateSpec:
        """Return `spec` with what was said here."""
        changes = {name: getattr(self, name) for name in ("fail_on", "tolerance") if getattr(self, name) is not None}
        return msgspec.convert({**msgspec.to_builtins(spec), **changes}, GateSpec)


def open_run(path: Path) -> RunView:
    """Read a sealed run directory as one side of a comparison. Raises RunDirectoryError if it is not one."""
    manifest = read_manifest(path)
    if not (path / RECORDS).is_file():
        raise RunDirectoryError(f"{path / RECORDS} is missing", fix=f"see what is wrong: insidellms verify {path}")

    def records() -> Iterator[bytes]:
        return read_lines(path / RECORDS)

    return RunView(
        run_id=manifest.run_id,
        label=path.name or str(path.resolve().name),
        models=tuple(model.id for model in manifest.models),
        datasets={probe.id: probe.datasets for probe in manifest.probes},
        records=records,
    )


def gate_of(path: Path) -> GateSpec:
    """Return the gate's policy that the run's own experiment states."""
    try:
        resolved = yaml.load((path / CONFIG).read_bytes(), Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError) as error:
        raise RunDirectoryError(
            f"{path / CONFIG} cannot be read: {error}", fix=f"see what is wrong: insidellms verify {path}"
        ) from error
    return msgspec.convert((resolved or {}).get("gate") or {}, GateSpec)


def compare_runs(
    baseline: Path, candidate: Path, *, options: CompareOptions | None = None, gate: GateOverrides | None = None
) -> Judged:
    """Compare two run directories under the candidate's policy, as overridden by `gate`.

    Raises RunDirectoryError or CompareError.
    """
    comparison = compare(open_run(baseline), open_run(candidate), options)
    spec = (gate or GateOverrides()).apply(gate_of(candidate))
    return Judged(comparison=comparison, policy=spec, verdict=judge(comparison, spec))
