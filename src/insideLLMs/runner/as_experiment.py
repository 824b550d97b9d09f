"""A ready-made model and probe, and prompts, as an Experiment of one model, one probe and one dataset."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from insideLLMs.api.preparation.prepared import Parts
from insideLLMs.core.describe import describe, describe_settings
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.experiment import DatasetSpec, ExecutionSpec, Experiment, ModelSpec, ProbeSpec
from insideLLMs.core.protocols import ModelInfo, Probe, ProbeScore, PromptProbe
from insideLLMs.core.types import Example, JsonValue
from insideLLMs.core.user_code import calling_user_code
from insideLLMs.execute.adapt import model_name
from insideLLMs.plan import Trial
from insideLLMs.runner.prompts import NAME, Prompts
from insideLLMs.runner.results import ExperimentResult, ProbeResult
from insideLLMs.runner.run_config import RunConfig
from insideLLMs.runner.run_to_results import Done

logger = logging.getLogger(__name__)


class PromptFunction:
    """A function of the prompt, sync or async, as a model; a probe finds its `generate`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = name_of(function)
        self.generate = function

    def identity(self) -> dict[str, JsonValue]:
        """Return what tells the function from others."""
        return describe(self.generate)


def as_model(model: Any) -> Any:
    """Return `model` as the engine takes it."""
    has_methods = any(callable(getattr(model, name, None)) for name in ("respond", "generate", "agenerate"))
    return model if has_methods or not callable(model) else PromptFunction(model)


class SimpleProbe:
    """A probe of the simple contract that is no Probe, takes options, or has only `run_batch`."""

    def __init__(self, probe: Any, options: Mapping[str, object]) -> None:
        self.name = name_of(probe)
        self.version = str(getattr(probe, "version", "1"))
        self.score_ranges = getattr(probe, "score_ranges", {})
        self.scores_in_place = bool(getattr(probe, "scores_in_place", False))
        self.score_output = getattr(probe, "score_output", None)
        self.validate_input = getattr(probe, "validate_input", None)
        self.run = probe.run if _runs(probe) else functools.partial(_run_as_batch, probe)
        self._probe = probe
        self._options = options

    def identity(self) -> dict[str, JsonValue]:
        """Return what the probe says of itself, and the options of its `run`."""
        return {**describe(self._probe), "options": describe_settings(self._options)}


def as_probe(probe: Any, options: Mapping[str, object]) -> Any:
    """Return `probe` as the engine takes it. Raises InsideLLMsError if it is none."""
    if not _runs(probe) and not callable(getattr(probe, "run_batch", None)):
        raise InsideLLMsError(
            f"{type(probe).__name__} is not a probe: it has no run(model, data)",
            fix="give it `def run(self, model, data, **kwargs)`, or derive it from PromptProbe",
        )
    if not isinstance(probe, Probe) or options or not _runs(probe):
        return SimpleProbe(probe, options)
    if not hasattr(probe, "name"):  # its class never called super().__init__()
        probe.name = type(probe).__name__
    return probe


def name_of(thing: Any) -> str:
    """Return what a model or probe calls itself, or the name of its class."""
    return model_name(thing)


def experiment_of(model: Any, probe: Any, config: RunConfig) -> Experiment:
    """Write the Experiment of these two objects over the dataset `prompts`."""
    name = f"{name_of(probe)}-{name_of(model)}"
    return Experiment(
        name=name,
        models=(ModelSpec(type=_class_path(model), id=name_of(model)),),
        probes=(ProbeSpec(type=_class_path(probe), id=name_of(probe), datasets=(NAME,)),),
        datasets=(DatasetSpec(name=NAME, format="inline"),),
        repeats=config.repeats or 1,
        execution=config.execution(ExecutionSpec()),
    )


def parts_of(model: Any, probe: Any, prompts: Prompts) -> Parts:
    """Put the objects in the place of what the Experiment names; `probe` as `as_probe` returned it.

    A prompt that is given twice is asked twice.
    """
    return Parts(
        models={name_of(model): as_model(model)},
        probes={name_of(probe): probe},
        datasets={NAME: prompts},
        sharing="each",
    )


def data_for(prompts: Prompts, usual: Callable[[Trial], object]) -> Callable[[Trial], object]:
    """Give a simple-contract probe what the caller gave; of an Example, what `usual` makes of it."""

    def data_of(trial: Trial) -> object:
        item = prompts.item(trial.example.id)
        return usual(trial) if isinstance(item, Example) else item

    return data_of


def info_of_model(model: Any) -> ModelInfo:
    """Return what the model says of itself, or what can be seen of it."""
    info = getattr(model, "info", None)
    if callable(info):
        with calling_user_code(f"{name_of(model)}.info()"):
            said = info()
        if isinstance(said, ModelInfo):
            return said
    name = name_of(model)
    return ModelInfo(name=name, provider=type(model).__name__, model_id=str(getattr(model, "model_id", None) or name))


def info_of_probe(probe: Any) -> Mapping[str, JsonValue]:
    """Return what the probe says of itself, or its name and class."""
    info = getattr(probe, "info", None)
    if callable(info):
        with calling_user_code(f"{name_of(probe)}.info()"):
            said = info()
        if isinstance(said, Mapping):
            return said
    return {"name": name_of(probe), "type": type(probe).__name__}


def score_of(probe: Any, results: Sequence[ProbeResult]) -> ProbeScore | None:
    """Let the probe sum up its results; None where it cannot. A PromptProbe's own `score` is for single answers."""
    score: ProbeScore | None = None
    if isinstance(probe, PromptProbe):
        score = Probe.score(probe, results)
    elif callable(getattr(probe, "score", None)):
        try:
            with calling_user_code(f"{name_of(probe)}.score()"):
                score = probe.score(list(results))
        except InsideLLMsError:
            logger.warning("the probe could not sum up its results; they are kept without a score", exc_info=True)
    return score


def experiment_result(
    model: Any, probe: Any, results: tuple[ProbeResult, ...], done: Done, config: RunConfig, name: str
) -> ExperimentResult:
    """Put everything about one model on one probe into one value."""
    return ExperimentResult(
        name=name,
        run_id=done.run_id,
        run_dir=done.run_dir,
        model=info_of_model(model),
        probe=info_of_probe(probe),
        results=results,
        score=score_of(probe, results),
        summary=done.summary,
        verdict=done.verdict,
        config=config,
        started_at=done.started_at,
        ended_at=done.ended_at,
    )


def _runs(probe: Any) -> bool:
    """Whether it has a `run` of its own: the base class's only says that there is none."""
    run = getattr(probe, "run", None)
    return callable(run) and not (
        isinstance(probe, Probe) and type(probe).run is Probe.run and "run" not in vars(probe)
    )


def _run_as_batch(probe: Any, model: Any, data: Any, **options: Any) -> Any:
    """Run a probe that only knows batches on a batch of one."""
    results = list(probe.run_batch(model, [data], **options))
    if len(results) != 1:
        raise InsideLLMsError(f"{name_of(probe)}.run_batch() returned {len(results)} results for one input")
    only = results[0]
    return only["output"] if isinstance(only, Mapping) and "output" in only else getattr(only, "output", only)


def _class_path(thing: Any) -> str:
    kind = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{kind.__module__}.{kind.__qualname__}"
