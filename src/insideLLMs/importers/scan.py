"""Foreign trials -> Records, in two streaming passes.

The first pass checks every trial, finds the order that records are stored in, and of each probe whether its scores are
verdicts (every one is 0 or 1, true or false, pass or fail) or numbers; the second makes the Records. A trial has one
record for each of its scores; the answer is counted with the first.
"""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, DatasetError
from insideLLMs.core.steps import counted
from insideLLMs.core.thoughts import separate
from insideLLMs.core.types import AskedBy, Failure, Record, Request, Response, ResultStatus, Scores, Telemetry
from insideLLMs.importers.blanking import Blanking
from insideLLMs.importers.foreign import ALONE, ForeignScore, ForeignTrial, Place, TrialSource
from insideLLMs.plan import trial_key

_MOST_PROBLEMS = 20
_NO_ANSWER = "the log has no answer"
_NOT_SCORED = ForeignScore(probe="")
_CHANGED = "the log changed while it was read"


@dataclass(slots=True)
class ProbeFinding:
    """What the first pass found of a probe's scores; `datasets` are those that it ran over.

    `lower_is_better` is None where the log does not tell.
    """

    datasets: set[str] = field(default_factory=set)
    are_verdicts: bool = True
    is_share: bool = True
    lower_is_better: bool | None = None

    def add(self, dataset: str, score: ForeignScore) -> None:
        """Take a score into account."""
        self.datasets.add(dataset)
        self.lower_is_better = score.lower_is_better if self.lower_is_better is None else self.lower_is_better
        if score.value is not None:
            self.are_verdicts = self.are_verdicts and (score.passed is not None or score.value in {0.0, 1.0})
            self.is_share = self.is_share and 0.0 <= score.value <= 1.0

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return the (worst, best) of its scores: open where nothing tells their ends."""
        verdict = {"correct": (0.0, 1.0)} if self.are_verdicts else {}
        if self.are_verdicts and not self.lower_is_better:
            return verdict
        if self.is_share and self.lower_is_better is not None:
            return {**verdict, "score": (1.0, 0.0) if self.lower_is_better else (0.0, 1.0)}
        return {**verdict, "score": (math.inf, -math.inf) if self.lower_is_better else (-math.inf, math.inf)}

    def scores(self, given: ForeignScore) -> Scores | None:
        """Return a score as it is stored; None where the scorer gave none."""
        if given.value is None and given.passed is None and not given.named and given.label is None:
            return None
        value, passed = given.value, given.passed
        if passed is None and self.are_verdicts and value is not None:
            passed = value == (0.0 if self.lower_is_better else 1.0)
        values = dict(given.named)
        if passed is not None:
            values["correct"] = float(passed)
        if value is not None and (passed is None or value != float(passed)):
            values["score"] = value
        return Scores(
            values=values,
            passed=passed,
            label=given.label,
            explanation=given.explanation,
            details=given.details,
        )


@dataclass(slots=True, kw_only=True)
class LogFindings:
    """What the first pass found.

    `ranks` maps the records, in the order in which they are made, to their places among the records; `repeats` are
    theirs. Models and probes are sorted, `examples` counts those of each dataset.
    """

    ranks: "array[int]" = field(default_factory=lambda: array("q"))
    repeats: "array[int]" = field(default_factory=lambda: array("q"))
    models: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    probes: dict[str, ProbeFinding] = field(default_factory=dict)
    examples: dict[str, int] = field(default_factory=dict)
    blanking: Blanking = field(default_factory=lambda: Blanking(()))
    left_out: dict[str, int] = field(default_factory=dict)
    has_times: bool = False

    @property
    def records(self) -> int:
        """How many records there will be."""
        return len(self.ranks)

    @property
    def most_repeats(self) -> int:
        """How often the example that was asked most was asked."""
        return max(self.repeats, default=0) + 1


class _Rows:
    """Records to be, one per place: what their order follows from, and where their trials stand.

    Columns, because a log may have millions: `repeats` is -1 where the log numbers none.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.repeats = array("q")
        self.places = array("q"), array("q")

    def add(self, key: str, repeat: int, place: Place) -> None:
        """Add one."""
        self.keys.append(key)
        self.repeats.append(repeat)
        for column, value in zip(self.places, place, strict=True):
            column.append(value)

    def place(self, at: int) -> Place:
        """Return where the trial of a record stands: the number of the file, and the line."""
        return self.places[0][at], self.places[1][at]

    def expand(self, probes: Mapping[int, list[str]]) -> "_Rows":
        """Return the rows with those in `probes` put under each probe that is named for them."""
        whole = _Rows()
        for at, key in enumerate(self.keys):
            for probe in probes.get(at, ("",)):
                whole.add(probe + key, self.repeats[at], self.place(at))
        return whole

    def in_order(self) -> list[int]:
        """Return the places of the rows in the order of records; equal ones keep that of the log."""
        order = sorted(range(len(self.keys)), key=self.repeats.__getitem__)
        order.sort(key=self.keys.__getitem__)
        return order


def scan(source: TrialSource) -> LogFindings:
    """Read the source once. Raises DatasetError with up to 20 problems, each with its place."""
    found = LogFindings()
    rows = _Rows()
    scoreless: dict[int, str] = {}
    models: set[str] = set()
    prompts: set[str] = set()
    for number, trial in counted(source.trials(), "reading", 0):
        try:
            _check(trial)
        except DatasetError as error:
            raise source.refusal([f"  {source.place((number, trial.line))}: {error.message}"]) from error
        found.has_times = found.has_times or trial.latency_ms is not None
        models.add(trial.model)
        prompts.update([trial.prompt] if trial.prompt is not None else [])
        if not trial.scores:
            scoreless[len(rows.keys)] = trial.dataset
        for score in trial.scores or (_NOT_SCORED,):
            if score is not _NOT_SCORED:
                found.probes.setdefault(score.probe, ProbeFinding()).add(trial.dataset, score)
            key = "\0".join((score.probe, trial.dataset, trial.example.id, trial.model, trial.prompt or ""))
            rows.add(key, -1 if trial.repeat is None else trial.repeat, (number, trial.line))
    problems = source.end()
    found.blanking = Blanking(source.secrets)
    blank = found.blanking.text
    found.probes = {blank(probe): finding for probe, finding in found.probes.items()}
    if scoreless:
        rows = rows.expand(_under_every_probe(scoreless, found))
    rows.keys = [blank(key) for key in rows.keys]
    found.left_out = {blank(name): count for name, count in source.left_out.items()}
    found.models, found.prompts = (tuple(sorted(set(map(blank, names)))) for names in (models, prompts))
    problems += _order(found, rows, source)
    if problems or not rows.keys:
        raise source.refusal(problems[:_MOST_PROBLEMS])
    return found


def _check(trial: ForeignTrial) -> None:
    try:
        canonical.check(msgspec.to_builtins(trial), at="trial")
    except CanonicalError as error:
        raise DatasetError(error.message) from error
    names = [trial.example.id, trial.dataset, trial.model, trial.prompt or "", *(one.probe for one in trial.scores)]
    if any("\0" in name for name in names):
        raise DatasetError("a name holds a NUL character")
    if not all((trial.example.id, trial.dataset, trial.model, *(one.probe for one in trial.scores))):
        raise DatasetError("a name is empty: a trial has an example, a dataset, a model, and scorers with names")


def _under_every_probe(scoreless: Mapping[int, str], found: LogFindings) -> dict[int, list[str]]:
    """Return the probes that each trial without scores stands under: it failed, so it failed under all."""
    probes = {dataset: _probes_of(found, dataset) for dataset in sorted(set(scoreless.values()))}
    for dataset, names in probes.items():
        for name in names:
            found.probes.setdefault(name, ProbeFinding()).datasets.add(dataset)
    return {at: probes[dataset] for at, dataset in scoreless.items()}


def _probes_of(found: LogFindings, dataset: str) -> list[str]:
    """Return the probes of a dataset; those of all where it has none, and one where no trial was scored."""
    own = sorted(probe for probe, finding in found.probes.items() if dataset in finding.datasets)
    return own or sorted(found.probes) or [ALONE]


def _order(found: LogFindings, rows: _Rows, source: TrialSource) -> list[str]:
    """Rank the rows in the order of records, and number repeats; tell of each trial that occurs twice."""
    size = 8 * len(rows.keys)
    found.ranks, found.repeats = array("q", bytes(size)), array("q", bytes(size))
    problems: list[str] = []
    counts: dict[tuple[str, str], int] = {}
    last, last_example, repeat = "", "", 0
    order = rows.in_order()
    for rank, at in enumerate(order):
        key, given = rows.keys[at], rows.repeats[at]
        repeat = repeat + 1 if rank and key == last else 0
        if repeat and given >= 0 and given == rows.repeats[order[rank - 1]]:
            problems.append(_double(key, given, sorted((rows.place(order[rank - 1]), rows.place(at))), source))
        found.ranks[at], found.repeats[at] = rank, repeat if given < 0 else given
        probe, dataset, name, *_ = key.split("\0")
        example = f"{probe}\0{dataset}\0{name}"
        if example != last_example:
            counts[dataset, probe] = counts.get((dataset, probe), 0) + 1
        last, last_example = key, example
    for (dataset, _), count in counts.items():
        found.examples[dataset] = max(count, found.examples.get(dataset, 0))
    return problems


def _double(key: str, repeat: int, places: Sequence[Place], source: TrialSource) -> str:
    probe, _, name, model, _ = key.split("\0")
    return (
        f"  {source.place(places[1])}: the trial of {source.place(places[0], short=True)} again (id {name!r}, "
        f"probe {probe!r}, model {model!r}, repeat {repeat}); {source.repeat_hint}"
    )


def records(
    source: TrialSource, found: LogFindings, digests: Mapping[str, str]
) -> Iterator[tuple[int, Record, Telemetry]]:
    """Read the source again and yield each Record with its place in the order of records.

    `digests` identify each model (``model:ID``) and probe (``probe:ID``). Raises DatasetError.
    """
    at = 0
    for _, given in source.trials():
        trial = found.blanking.of(given)
        example, digest = trial.example, trial.example.digest()
        response = None if trial.response is None else separate(trial.response)
        scores = trial.scores or [ForeignScore(probe=probe) for probe in _probes_of(found, trial.dataset)]
        for place, score in enumerate(scores):
            if at >= found.records:
                raise DatasetError(_CHANGED, fix="import it when its tool is done")
            asked = digests[f"model:{trial.model}"], digests[f"probe:{score.probe}"]
            record = Record(
                probe=score.probe,
                dataset=trial.dataset,
                example_id=example.id,
                model=trial.model,
                repeat=found.repeats[at],
                key=trial_key(*asked, digest, found.repeats[at]),
                example_digest=digest,
                example=example,
                status=trial.status,
                request=Request(messages=trial.request) if trial.request else None,
                response=response,
                scores=found.probes[score.probe].scores(score) if trial.status is ResultStatus.SUCCESS else None,
                failure=_failure(trial, found.blanking),
                prompt=msgspec.UNSET if trial.prompt is None else trial.prompt,
                shared_with=AskedBy(probe=scores[0].probe) if place else msgspec.UNSET,
            )
            yield found.ranks[at], record, _telemetry(trial, response, shared=place > 0)
            at += 1


def _failure(trial: ForeignTrial, blanking: Blanking) -> Failure | None:
    if trial.status in {ResultStatus.SUCCESS, ResultStatus.SKIPPED}:
        return None
    return Failure(stage="model", type="Imported", message=blanking.error(trial.failure) or _NO_ANSWER)


def _telemetry(trial: ForeignTrial, response: Response | None, *, shared: bool) -> Telemetry:
    if shared:
        return Telemetry(shared=True)
    used = response.usage if response is not None else None
    return Telemetry(
        started_at=trial.started_at,
        latency_ms=trial.latency_ms,
        attempts=1,
        input_tokens=used.input_tokens if used else None,
        output_tokens=used.output_tokens if used else None,
    )
