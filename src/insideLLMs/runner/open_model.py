"""A model that is made once and asked again and again, outside of a run: one connection pool, one throttle."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from insideLLMs.api.preparation.members import Site, make_judges, make_model
from insideLLMs.api.preparation.prepare import prepare
from insideLLMs.api.preparation.prepared import Parts, Prepared
from insideLLMs.api.run import RunOptions, execute, make_budget
from insideLLMs.api.run_writer import MemorySink
from insideLLMs.core.errors import DatasetError, OptionError, ProbeExecutionError
from insideLLMs.core.experiment import DatasetSpec, ExecutionSpec, Experiment, ModelSpec, ProbeSpec
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.record_views import read_record
from insideLLMs.core.types import Example, JsonValue, Outcome, Record, Request, ResultStatus, Telemetry
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.adapt import as_async_model, close_model
from insideLLMs.execute.asked_models import make_asked_models, make_throttles
from insideLLMs.execute.budget import Budget
from insideLLMs.execute.throttle import Throttle
from insideLLMs.execute.trial import FatalError, ProbeCalls, score
from insideLLMs.execute.work import AnswerStore, EngineOptions
from insideLLMs.plan import Trial, record_of
from insideLLMs.probes.record import RecordProbe
from insideLLMs.runner.as_experiment import as_model, experiment_of
from insideLLMs.runner.prompts import NAME, Prompts, stored_input
from insideLLMs.runner.results import ProbeResult, result_of
from insideLLMs.runner.run_config import RunConfig

_PROBE = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """What is asked of a model: an example, as it stands or in a `template`, under a `system` prompt.

    `options` are sent with it, as the provider's API names them.
    """

    example: Example
    template: JsonValue = None
    system: str | None = None
    options: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def terms(self) -> tuple[object, ...]:
        """What questions must have in common to be asked together."""
        return self.template, self.system, dict(self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAnswer:
    """What a question came to at one repeat: its record, without scores, and what asking took."""

    record: Record
    telemetry: Telemetry

    def to(self, example: Example) -> "OpenAnswer":
        """Return it as the answer to another example that asks the same."""
        return replace(self, record=msgspec.structs.replace(self.record, example=example, example_id=example.id))


class OpenModel:
    """Asks one model, and lets probes score its answers. All calls come from one event loop.

    `model` is a ready-made one in place of what `spec` names. Raises InsideLLMsError for a model that cannot be made.
    """

    def __init__(self, spec: ModelSpec, *, folder: Path, execution: ExecutionSpec, model: Any = None) -> None:
        self.spec = spec
        self._folder = folder
        self._execution = execution
        self._model = make_model(spec, folder) if model is None else as_model(model)
        self._threads = AbandonableThreads()
        as_async_model(self._model, self._threads)  # raises for what is no model
        self._throttles: Mapping[str, Throttle] = {}
        self._budget: Budget | None = None

    @classmethod
    def of(cls, model: Any, *, folder: Path, execution: ExecutionSpec) -> "OpenModel":
        """Take a ready-made model: any that `run_probe` takes."""
        (spec,) = experiment_of(model, RecordProbe(), RunConfig()).models
        return cls(spec, folder=folder, execution=execution, model=model)

    def prepare(
        self,
        questions: Sequence[OpenQuestion],
        repeats: range,
        *,
        recorded: Mapping[str, Mapping[str, JsonValue]] | None,
        asks: bool,
    ) -> Prepared:
        """Make questions of one `terms` ready to be asked at some `repeats`. Blocks; see `api.prepare`."""
        first = questions[0]
        probe = _Ask(first.template, first.options)
        prepared = prepare(
            Experiment(
                name="questions",
                models=(msgspec.structs.replace(self.spec, system=first.system or self.spec.system),),
                probes=(ProbeSpec(type="record", id=_PROBE, datasets=(NAME,)),),
                datasets=(DatasetSpec(name=NAME, format="inline"),),
                repeats=repeats.stop,
                execution=self._execution,
            ),
            folder=self._folder,
            parts=Parts(
                models={self.spec.id: self._model},
                probes={_PROBE: probe},
                datasets={NAME: Prompts([one.example for one in questions], any_json=False)},
            ),
            recorded=recorded,
            asks=asks,
        )
        if not self._throttles:
            self._throttles = make_throttles(prepared.asked, self._execution)
            self._budget = make_budget(prepared)
        return msgspec.structs.replace(prepared, throttles=self._throttles)

    async def ask(self, prepared: Prepared, repeats: range, answers: AnswerStore | None) -> list[list[OpenAnswer]]:
        """Ask what was prepared, all at once; return a list a question, in their order, of an answer a repeat.

        Raises ModelError where every later call would fail, and BudgetSpentError.
        """
        spent = self._budget and self._budget.reached()
        if spent:
            raise spent
        sink = _SomeRepeats(repeats)
        try:
            await execute(prepared, sink, RunOptions(), EngineOptions(answers=answers, budget=self._budget))
        finally:
            prepared.threads.close()
        asked = [
            OpenAnswer(record=read_record(line, Record), telemetry=telemetry) for _, line, telemetry in sink.entries()
        ]
        found = {
            name: [one for one in asked if one.record.example_id == name]
            for name in {one.record.example_id for one in asked}
        }
        return [found[example.id] for _, example in prepared.datasets[NAME].examples()]

    async def judge(
        self, probe: object, asked: OpenAnswer, prepared: Prepared, answers: AnswerStore | None
    ) -> tuple[ProbeResult, Telemetry]:
        """Let a probe score an answer; its judges, if it has any, are asked now.

        Raises OptionError for what is no PromptProbe, DatasetError for an example that it cannot score, and
        ProbeExecutionError where it fails.
        """
        if not isinstance(probe, PromptProbe):
            raise OptionError(f"{probe!r} scores no answers", fix="give a check of insideLLMs.checks, or a PromptProbe")
        record = asked.record
        complaint = probe.check_example(record.example)
        if complaint is not None:
            raise DatasetError(f"{probe.name} cannot score example {record.example_id!r}: {complaint}")
        site = Site(folder=self._folder, threads=self._threads)
        judges, _ = await asyncio.to_thread(make_judges, {probe.name: probe}, site)
        work = msgspec.structs.replace(prepared, judges=judges, threads=self._threads, throttles={})
        calls = ProbeCalls(work=work, models=make_asked_models(work, EngineOptions(answers=answers)))
        trial = _trial_of(record, probe.name)
        answer = Outcome(status=ResultStatus.SUCCESS, request=record.request, response=record.response)
        try:
            scored = await score(probe, trial, answer, calls)
        except FatalError as fatal:
            raise fatal.error from None
        finally:
            for named in judges.values():
                await asyncio.gather(*(close_model(judge.model) for judge in named.values()))
        if scored.failure is not None:
            raise ProbeExecutionError(
                f"{probe.name} could not score the answer to {trial.example.id!r}: {scored.failure.message}",
                model=trial.model,
                probe=probe.name,
                example_id=trial.example.id,
                original_error=scored.error,
            ) from scored.error
        return result_of(record_of(trial, scored), asked.telemetry, stored_input(record.example)), scored.telemetry

    async def aclose(self) -> None:
        """Give back connections and memory."""
        await close_model(as_async_model(self._model, self._threads))
        self._threads.close()


class _Ask(RecordProbe):
    """Asks an example with options of its own."""

    def __init__(self, template: JsonValue, options: Mapping[str, JsonValue]) -> None:
        super().__init__(template=template)
        self._options = dict(options)

    def request(self, example: Example) -> Request:
        return msgspec.structs.replace(super().request(example), options=self._options)


class _SomeRepeats(MemorySink):
    """Wants the answers of some repeats only."""

    def __init__(self, wanted: range) -> None:
        super().__init__()
        self._wanted = wanted

    def is_done(self, index: int) -> bool:
        """Whether the Trial has a record, or needs none."""
        return index % self._wanted.stop not in self._wanted or super().is_done(index)


def _trial_of(record: Record, probe: str) -> Trial:
    return Trial(
        index=0,
        probe=probe,
        dataset=record.dataset,
        model=record.model,
        repeat=record.repeat,
        example=record.example,
        example_digest=record.example_digest,
        key=record.key,
    )
