"""Experiment -> Trials: which there are, in which order, under which identity. Pure.

Trials are numbered in the order of `records.jsonl` (probe, dataset, example id, model, repeat), so that a
Trial's number says where its Record goes, and resuming needs a few bytes a Trial rather than the Trial.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.describe import describe as describe  # noqa: PLC0414 - identities are part of planning
from insideLLMs.core.errors import ConfigError, NothingToDoError, Problem
from insideLLMs.core.types import Example, Experiment, JsonValue, Outcome, Record, Request

FORMAT_VERSION = 2
"""Raised whenever the meaning of a canonical file changes; part of every run id."""

MOST_TRIALS = 100_000_000
"""Of one run: the places of so many in the journal take 1.6 GB of memory."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset as it enters the plan: the digest of its bytes, how many examples it selects, and by which rule."""

    sha256: str
    count: int
    rule: Mapping[str, JsonValue]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """All Trials of one probe over one dataset; `offset` is the number of the first."""

    probe: str
    dataset: str
    offset: int
    count: int


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One model x probe x example x repeat."""

    index: int
    probe: str
    dataset: str
    model: str
    repeat: int
    example: Example
    example_digest: str
    key: str

    @property
    def name(self) -> str:
        """What a message calls it."""
        return f"example {self.example.id!r}, model {self.model!r}, probe {self.probe!r}"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a Run consists of. `models` are sorted ids; `digests` identify each model (``model:ID``) and probe.

    Runs of one `answers_id` differ in nothing but their probes: answers of one can be scored by another.
    """

    run_id: str
    answers_id: str
    groups: tuple[Group, ...]
    models: tuple[str, ...]
    repeats: int
    total: int
    digests: Mapping[str, str]

    def index_of(self, group: Group, rank: int, model: str, repeat: int) -> int:
        """Number the Trial of the example that is `rank`-th by id in its dataset."""
        return group.offset + (rank * len(self.models) + self.models.index(model)) * self.repeats + repeat

    def group_at(self, index: int) -> Group:
        """Return the group that the Trial with this number belongs to."""
        return self.groups[bisect_right(self.groups, index, key=lambda group: group.offset) - 1]

    def model_at(self, index: int) -> str:
        """Return the model of the Trial with this number."""
        return self.models[(index - self.group_at(index).offset) // self.repeats % len(self.models)]

    def trial(self, group: Group, index: int, example: Example, digest: str) -> Trial:
        """Make Trial `index`; its key covers the contents of model, probe and example (`digest`), not their names."""
        model = self.model_at(index)
        repeat = (index - group.offset) % self.repeats
        return Trial(
            index=index,
            probe=group.probe,
            dataset=group.dataset,
            model=model,
            repeat=repeat,
            example=example,
            example_digest=digest,
            key=trial_key(self.digests[f"model:{model}"], self.digests[f"probe:{group.probe}"], digest, repeat),
        )


def trial_key(model_digest: str, probe_digest: str, example_digest: str, repeat: int) -> str:
    """Identify a Trial by content: SHA-256 over the RFC 8785 form of the three digests and the repeat."""
    text = (
        f'insidellms/trial/1\n{{"example":"{example_digest}","model":"{model_digest}",'
        f'"probe":"{probe_digest}","repeat":{repeat}}}'
    )
    return hashlib.sha256(text.encode()).hexdigest()


def make_plan(
    experiment: Experiment,
    *,
    selections: Mapping[str, Selection],
    model_identities: Mapping[str, Mapping[str, JsonValue]],
    probe_identities: Mapping[str, Mapping[str, JsonValue]],
) -> Plan:
    """Number the Trials and name the run. Raises NothingToDoError if there are none, ConfigError if too many.

    The identities are what the models and probes say defines them; secrets, paths, concurrency and the like
    never enter.
    """
    digests = _digests(experiment, model_identities, probe_identities)
    models = tuple(sorted(model.id for model in experiment.models))
    groups: list[Group] = []
    offset = 0
    pairs = sorted((probe.id, name) for probe in experiment.probes for name in probe.datasets)
    for probe_id, dataset in pairs:
        count = selections[dataset].count
        if count == 0:
            raise NothingToDoError(
                f"dataset {dataset!r} selects no examples", fix="check max_examples and the dataset's file"
            )
        groups.append(Group(probe=probe_id, dataset=dataset, offset=offset, count=count))
        offset += count * len(models) * experiment.repeats
    if offset > MOST_TRIALS:
        raise ConfigError(
            [Problem(f"the run would have {offset:,} trials; at most {MOST_TRIALS:,} fit in one", field="repeats")],
            fix="lower repeats or max_examples, or split the experiment",
        )
    if not groups or offset == 0:
        raise NothingToDoError("the experiment has no trials", fix="give it a model, a probe and a dataset")
    return Plan(
        run_id=_run_id(experiment, digests, pairs, selections),
        answers_id=_run_id(
            experiment,
            {name: digest for name, digest in digests.items() if name.startswith("model:")},
            pairs,
            selections,
        ),
        groups=tuple(groups),
        models=models,
        repeats=experiment.repeats,
        total=offset,
        digests=digests,
    )


def model_digest(identity: Mapping[str, JsonValue], system: str | None) -> str:
    """Identify a model by what it says defines it, and its system prompt."""
    return canonical.identity("model/1", {"identity": identity, "system": system})


def judge_id(probe: str, name: str) -> str:
    """Name a model that a probe asks to score, among the models of a run."""
    return f"{probe}/{name}"


def _digests(
    experiment: Experiment,
    model_identities: Mapping[str, Mapping[str, JsonValue]],
    probe_identities: Mapping[str, Mapping[str, JsonValue]],
) -> dict[str, str]:
    digests = {
        f"model:{model.id}": model_digest(model_identities[model.id], model.system) for model in experiment.models
    }
    for probe in experiment.probes:
        digests[f"probe:{probe.id}"] = canonical.identity("probe/1", probe_identities[probe.id])
    return digests


def _run_id(
    experiment: Experiment,
    digests: Mapping[str, str],
    pairs: Sequence[tuple[str, str]],
    selections: Mapping[str, Selection],
) -> str:
    return canonical.identity(
        "run/1",
        {
            "format_version": FORMAT_VERSION,
            "members": dict(digests),
            "datasets": {
                name: {"sha256": selection.sha256, "rule": dict(selection.rule)}
                for name, selection in selections.items()
            },
            "groups": [list(pair) for pair in pairs],
            "repeats": experiment.repeats,
        },
    )


def record_of(trial: Trial, outcome: Outcome) -> Record:
    """Turn an Outcome into its canonical form: without telemetry, and without a request that only repeats the input."""
    default: Request = trial.example.request()
    return Record(
        probe=trial.probe,
        dataset=trial.dataset,
        example_id=trial.example.id,
        model=trial.model,
        repeat=trial.repeat,
        key=trial.key,
        example_digest=trial.example_digest,
        example=trial.example,
        status=outcome.status,
        request=None if outcome.request == default else outcome.request,
        response=outcome.response,
        scores=outcome.scores,
        failure=outcome.failure,
    )
