"""The scorers of a stored run, made again: only what scores without a call, and runs no code that nobody trusts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from insideLLMs.api.preparation.members import make_probe
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.experiment import ExecutionSpec, Spec
from insideLLMs.core.protocols import JudgedProbe, Probe
from insideLLMs.core.types import JsonValue, Record, Response
from insideLLMs.core.user_code import UserCodeError
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.trial import FatalError, ProbeCalls, score_stored
from insideLLMs.execute.work import Work
from insideLLMs.plan import Plan, Trial
from insideLLMs.plugins import probe_registry
from insideLLMs.store.sealed_run import SealedRun

_UNSANDBOXED = "allow_unsandboxed"
_TRUST = "name your experiment with --experiment, or add --trust-run if you trust the run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorers:
    """The probes of a run that can score its answers again; `left_out` says of each other one why it cannot."""

    probes: Mapping[str, Probe]
    left_out: Mapping[str, str]
    calls: ProbeCalls

    async def score(self, record: Record, response: Response) -> Record:
        """Return the record with another response, scored as the run would. Raises InsideLLMsError."""
        trial = Trial(
            index=0,
            probe=record.probe,
            dataset=record.dataset,
            model=record.model,
            prompt=record.prompt or None,
            repeat=record.repeat,
            example=record.example,
            example_digest=record.example_digest,
            key=record.key,
        )
        try:
            outcome = await score_stored(self.probes[record.probe], trial, response, self.calls)
        except FatalError as fatal:
            raise fatal.error from fatal
        return msgspec.structs.replace(
            record,
            status=outcome.status,
            response=outcome.response,
            scores=outcome.scores,
            failure=outcome.failure,
        )


def make_scorers(run: SealedRun, specs: tuple[Spec, ...], folder: Path, *, trusted: bool, timeout_s: float) -> Scorers:
    """Make the probes that can score without a call. Nothing of a user's code is loaded unless it is `trusted`."""
    probes: dict[str, Probe] = {}
    left_out: dict[str, str] = {}
    for spec in specs:
        reason = "" if trusted else _code_of(spec)
        if reason:
            left_out[spec.id] = f"it runs {reason}, which stored runs do not get to say; {_TRUST}"
            continue
        try:
            probe = make_probe(spec, folder)
        except (InsideLLMsError, UserCodeError) as error:
            left_out[spec.id] = f"it cannot be made: {error.message.rstrip('.')}"
            continue
        if isinstance(probe, JudgedProbe):
            left_out[spec.id] = "a judge scores it, which would have to be asked about every damaged answer"
        else:
            probes[spec.id] = probe
    work = Work(
        plan=_no_plan(run),
        models={},
        probes=probes,
        datasets={},
        execution=ExecutionSpec(timeout_s=timeout_s),
        threads=AbandonableThreads(),
    )
    return Scorers(probes=probes, left_out=left_out, calls=ProbeCalls(work=work, models={}))


def _no_plan(run: SealedRun) -> Plan:
    """Return a plan without Trials: nothing is asked."""
    manifest = run.manifest
    return Plan(
        run_id=manifest.run_id,
        answers_id="",
        groups=(),
        subjects=manifest.subjects,
        repeats=manifest.repeats,
        total=0,
        digests={},
        subject_digests=(),
    )


def _code_of(spec: Spec) -> str:
    """Name the code that a probe would load or run outside of the sandbox; "" where there is none."""
    if ":" in spec.type:
        return spec.type
    if not probe_registry.is_registered(spec.type):
        return ""  # it cannot be made, and says so
    for path in getattr(probe_registry.get_factory(spec.type), "references", ()):
        holder, _, key = path.rpartition("[].")
        rows = spec.args.get(holder) if holder else [spec.args]
        named = (
            [row[key] for row in rows if isinstance(row, Mapping) and row.get(key)] if isinstance(rows, list) else []
        )
        if named:
            return str(named[0])
    return "programs outside of the sandbox" if mentions(spec.args, _UNSANDBOXED) else ""


def mentions(value: JsonValue, key: str) -> bool:
    """Whether a JSON value has a key anywhere whose value counts as true."""
    if isinstance(value, Mapping):
        return bool(value.get(key)) or any(mentions(inner, key) for inner in value.values())
    return isinstance(value, list | tuple) and any(mentions(inner, key) for inner in value)


def leaves_sandbox(record: Record) -> bool:
    """Whether an example's own checks ask for programs to run outside of the sandbox."""
    return mentions(record.example.fields, _UNSANDBOXED)
