"""Experiment -> Trials: which there are, in which order, under which identity. Pure.

Trials are numbered in the order of `records.jsonl` (probe, dataset, example id, model, prompt, repeat), so that a
Trial's number says where its Record goes, and resuming needs a few bytes a Trial rather than the Trial.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.describe import describe as describe  # noqa: PLC0414 - identities are part of planning
from insideLLMs.core.errors import ConfigError, NothingToDoError, Problem
from insideLLMs.core.experiment import Experiment, PromptSpec
from insideLLMs.core.subject import Subject, in_order
from insideLLMs.core.types import Example, JsonValue, Outcome, Record, Request, expand

FORMAT_VERSION = 3
"""Raised whenever the meaning of a canonical file changes; part of every run id."""

MOST_TRIALS = 100_000_000
"""Of one run: the places of so many in the journal take 1.6 GB of memory."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset as it enters the plan: the digest of its bytes, how many examples it selects, and by which rule."""

    sha256: str
    count: int
    rule: Mapping[str, JsonValue]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """All Trials of one probe over one dataset; `offset` is the number of the first.

    `source` is the dataset that its examples are read from: the first by name of those that hold the same.
    """

    probe: str
    dataset: str
    source: str
    offset: int
    count: int


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One subject x probe x example x repeat."""

    index: int
    probe: str
    dataset: str
    model: str
    prompt: str | None = None
    repeat: int
    example: Example
    example_digest: str
    key: str

    @property
    def subject(self) -> Subject:
        """The model with its prompt."""
        return Subject(self.model, self.prompt)

    @property
    def name(self) -> str:
        """What a message calls it."""
        return f"example {self.example.id!r}, {self.subject.words}, probe {self.probe!r}"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a Run consists of. `subjects` are in the order of the records.

    `digests` identify each model (``model:ID``), prompt and probe; `subject_digests` follow the subjects.

    Runs of one `answers_id` differ in nothing but their probes: answers of one can be scored by another.
    """

    run_id: str
    answers_id: str
    groups: tuple[Group, ...]
    subjects: tuple[Subject, ...]
    repeats: int
    total: int
    digests: Mapping[str, str]
    subject_digests: tuple[str, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of the models, sorted."""
        return tuple(dict.fromkeys(subject.model for subject in self.subjects))

    @property
    def prompts(self) -> tuple[str, ...]:
        """The ids of the prompts, sorted; none where the run has no prompts."""
        return tuple(sorted({subject.prompt for subject in self.subjects if subject.prompt is not None}))

    def subjects_of(self, model: str) -> range:
        """Return the places of a model's subjects, which stand side by side."""
        places = [place for place, subject in enumerate(self.subjects) if subject.model == model]
        return range(places[0], places[-1] + 1)

    def indexes(self, group: Group, rank: int, subjects: range | None = None) -> range:
        """Number the Trials of the example that is `rank`-th by id in its dataset: of some subjects, or of all."""
        subjects = range(len(self.subjects)) if subjects is None else subjects
        first = group.offset + rank * len(self.subjects) * self.repeats
        return range(first + subjects.start * self.repeats, first + subjects.stop * self.repeats)

    def index_of(self, group: Group, rank: int, subject: Subject, repeat: int) -> int:
        """Number the Trial of the example that is `rank`-th by id in its dataset."""
        return self.indexes(group, rank)[self.subjects.index(subject) * self.repeats + repeat]

    def group_at(self, index: int) -> Group:
        """Return the group that the Trial with this number belongs to."""
        return self.groups[bisect_right(self.groups, index, key=lambda group: group.offset) - 1]

    def subject_at(self, index: int) -> Subject:
        """Return the subject of the Trial with this number."""
        return self.subjects[self._place(self.group_at(index), index)]

    def _place(self, group: Group, index: int) -> int:
        return (index - group.offset) // self.repeats % len(self.subjects)

    def trial(self, group: Group, index: int, example: Example, digest: str) -> Trial:
        """Make Trial `index`; its key covers the contents of subject, probe and example (`digest`), not their names."""
        place = self._place(group, index)
        subject = self.subjects[place]
        repeat = (index - group.offset) % self.repeats
        return Trial(
            index=index,
            probe=group.probe,
            dataset=group.dataset,
            model=subject.model,
            prompt=subject.prompt,
            repeat=repeat,
            example=example,
            example_digest=digest,
            key=trial_key(self.subject_digests[place], self.digests[f"probe:{group.probe}"], digest, repeat),
        )


def trial_key(subject_digest: str, probe_digest: str, example_digest: str, repeat: int) -> str:
    """Identify a Trial by content: SHA-256 over the RFC 8785 form of the three digests and the repeat.

    The subject stands under `model`: without a prompt it is the model.
    """
    text = (
        f'insidellms/trial/1\n{{"example":"{example_digest}","model":"{subject_digest}",'
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
    digests = member_digests(experiment, model_identities, probe_identities)
    subjects = in_order(experiment.subjects)
    sources = _sources(experiment, selections)
    groups: list[Group] = []
    offset = 0
    is_shard = experiment.part is not None and experiment.part.shard is not None
    pairs = sorted((probe.id, name) for probe in experiment.probes for name in probe.datasets)
    for probe_id, dataset in pairs:
        count = selections[dataset].count
        if count == 0 and not is_shard:
            raise NothingToDoError(
                f"dataset {dataset!r} selects no examples", fix="check max_examples and the dataset's file"
            )
        source = sources[dataset]
        groups.append(Group(probe=probe_id, dataset=dataset, source=source, offset=offset, count=count))
        offset += count * len(subjects) * experiment.repeats
    if offset > MOST_TRIALS:
        raise ConfigError(
            [Problem(f"the run would have {offset:,} trials; at most {MOST_TRIALS:,} fit in one", field="repeats")],
            fix="lower repeats or max_examples, or split the experiment",
        )
    if not groups or (offset == 0 and not is_shard):
        raise NothingToDoError("the experiment has no trials", fix="give it a model, a probe and a dataset")
    return Plan(
        run_id=_run_id(experiment, digests, pairs, selections),
        answers_id=_run_id(
            experiment,
            {name: digest for name, digest in digests.items() if not name.startswith("probe:")},
            pairs,
            selections,
        ),
        groups=tuple(groups),
        subjects=subjects,
        repeats=experiment.repeats,
        total=offset,
        digests=digests,
        subject_digests=tuple(_subject_digest(subject, digests) for subject in subjects),
    )


def _subject_digest(subject: Subject, digests: Mapping[str, str]) -> str:
    model = digests[f"model:{subject.model}"]
    if subject.prompt is None:
        return model
    return canonical.identity("subject/1", {"model": model, "prompt": digests[f"prompt:{subject.prompt}"]})


def prompt_digest(prompt: PromptSpec) -> str:
    """Identify a prompt by what it sends; a template is a lone user message."""
    return canonical.identity("prompt/1", {"messages": [expand(turn) for turn in prompt.chat], "system": prompt.system})


def _sources(experiment: Experiment, selections: Mapping[str, Selection]) -> dict[str, str]:
    """Return for each dataset the first by name that holds the same examples: the same bytes, read the same way."""
    first: dict[str, str] = {}
    sources: dict[str, str] = {}
    for spec in sorted(experiment.datasets, key=lambda spec: spec.name):
        selection = selections[spec.name]
        read = [selection.sha256, dict(selection.rule), spec.format, spec.field_names, spec.args, spec.on_error]
        sources[spec.name] = first.setdefault(canonical.identity("examples/1", read), spec.name)
    return sources


def model_digest(identity: Mapping[str, JsonValue], system: str | None) -> str:
    """Identify a model by what it says defines it, and its system prompt."""
    return canonical.identity("model/1", {"identity": identity, "system": system})


def judge_id(probe: str, name: str) -> str:
    """Name a model that a probe asks to score, among the models of a run."""
    return f"{probe}/{name}"


def member_digests(
    experiment: Experiment,
    model_identities: Mapping[str, Mapping[str, JsonValue]],
    probe_identities: Mapping[str, Mapping[str, JsonValue]],
) -> dict[str, str]:
    """Return the digests of a Plan: of each model, prompt and probe."""
    digests = {
        f"model:{model.id}": model_digest(model_identities[model.id], model.system) for model in experiment.models
    }
    digests |= {f"prompt:{prompt.id}": prompt_digest(prompt) for prompt in experiment.prompts}
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
            **({"independent_answers": True} if experiment.independent_answers else {}),
            **({} if experiment.part is None else {"part": experiment.part.name or True}),
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
        prompt=msgspec.UNSET if trial.prompt is None else trial.prompt,
        shared_with=outcome.shared_with or msgspec.UNSET,
    )
