"""A comparison as one page: the verdict with its evidence, and every Trial of both runs side by side."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, BinaryIO

import msgspec

from insideLLMs.compare.align import Aligned, align
from insideLLMs.compare.answers.levels import Level
from insideLLMs.compare.answers.steps import align_steps, step_changes
from insideLLMs.compare.changes import note_of, subject_pair
from insideLLMs.compare.classify import ChangeClass, Finding
from insideLLMs.compare.comparing import CompareOptions
from insideLLMs.compare.comparison import Comparison, SubjectPair
from insideLLMs.compare.gate.decide import Verdict
from insideLLMs.compare.pairing import Pairing, pair_subjects
from insideLLMs.compare.sides import RunView
from insideLLMs.core.record_views import ViewedRecord, read_record
from insideLLMs.core.steps import counted
from insideLLMs.core.types import Response
from insideLLMs.report import wording
from insideLLMs.report.viewer import tables
from insideLLMs.report.viewer.page import page, table
from insideLLMs.report.viewer.sampling import PageSample, needs_sample
from insideLLMs.report.viewer.tables import PLAIN_LIMIT_BYTES, Chunks, Dictionary, ValueChunks

_INDEX = (
    "probe", "dataset", "id", "models", "repeat", "kind", "level", "note",
    "status_a", "status_b", "passed_a", "passed_b", "scores_a", "scores_b", "tokens_a", "tokens_b", "prompt", "a", "b",
)  # fmt: skip
_CALM = frozenset({ChangeClass.UNCHANGED, ChangeClass.EQUIVALENT})
_NULL = b"null"
_decode_response = msgspec.json.Decoder(Response | None).decode
_NO_ANSWER = (_NULL,) * len(tables.ANSWER)


class _DiffRows:
    """The table of a comparison, gathered Trial by Trial; `b` is null where it is as `a`."""

    def __init__(self, pairing: Pairing, plain_limit_bytes: int) -> None:
        columns = [*tables.BODY, "input_a", *(f"{name}_a" for name in tables.ANSWER), "same"]
        columns += [*(f"{name}_b" for name in tables.ANSWER), "steps"]
        self.index = ValueChunks("index", _INDEX, plain_limit_bytes=plain_limit_bytes)
        self.bodies = Chunks("body", columns, plain_limit_bytes=plain_limit_bytes)
        self._pairing = pairing
        self._score_names: set[str] = set()
        self._dictionaries = {name: Dictionary() for name in ("probe", "dataset", "models", "status")}
        for kind in ("kind", "level"):
            self._dictionaries[kind] = Dictionary()
        for change in ChangeClass:
            self._dictionaries["kind"][change.value]
        for level in Level:
            self._dictionaries["level"][level.value]

    def add(self, pair: Aligned, finding: Finding) -> None:
        before = read_record(pair.baseline_line, ViewedRecord) if pair.baseline_line else None
        after = read_record(pair.candidate_line, ViewedRecord) if pair.candidate_line else None
        same = pair.baseline_line == pair.candidate_line
        steps, changes = (_NULL, ()) if same or before is None or after is None else _steps(before, after)
        models = SubjectPair.of(*subject_pair(pair, self._pairing))
        self.index.add(self._row(before, after, finding, models, note_of(finding, changes)[:200]))
        self.bodies.add(_body(before, after, steps, same=same))

    def _row(
        self,
        before: ViewedRecord | None,
        after: ViewedRecord | None,
        finding: Finding,
        models: SubjectPair,
        note: str,
    ) -> tuple[Any, ...]:  # Any: JSON values
        """Return the values of `_INDEX`."""
        shown = _shown(before, after)
        number = self._dictionaries
        level, texts = finding.difference.level, _previews(before, after)
        scores = [None if record is None else tables.scores_of(record) for record in (before, after)]
        values_of = [None if side is None else side.values for side in scores]
        self._score_names.update(*(values for values in values_of if values))
        return (
            number["probe"][shown.probe],
            number["dataset"][shown.dataset],
            shown.example_id,
            number["models"][models.baseline, models.candidate],
            shown.repeat,
            number["kind"][finding.kind.value],
            None if level is None else number["level"][level.value],
            note,
            *(None if side is None else number["status"][side.status] for side in (before, after)),
            *(None if side is None or side.passed is None else int(side.passed) for side in scores),
            values_of[0],
            True if values_of[0] == values_of[1] else values_of[1],
            *(None if record is None else tables.output_tokens(record) for record in (before, after)),
            tables.prompt_preview(shown),
            texts[0],
            None if texts[0] == texts[1] else texts[1],
        )

    def head(self) -> dict[str, Any]:
        dictionaries = {name: list(dictionary) for name, dictionary in self._dictionaries.items()}
        return {"dictionaries": dictionaries, "score_names": sorted(self._score_names)}


def _shown(before: ViewedRecord | None, after: ViewedRecord | None) -> ViewedRecord:
    """Return the record that names the Trial: of two aligned sides, at least one is there."""
    shown = after or before
    assert shown is not None
    return shown


def _body(before: ViewedRecord | None, after: ViewedRecord | None, steps: bytes, *, same: bool) -> tuple[bytes, ...]:
    """Return the values of the columns of `bodies`, each as JSON."""
    shown = _shown(before, after)
    edited = before is not None and before.example.input != shown.example.input
    return (
        *tables.example_columns(shown),
        bytes(before.example.input) if before is not None and edited else _NULL,
        *(tables.answer_columns(before) if before is not None else _NO_ANSWER),
        b"true" if same else b"false",
        *(tables.answer_columns(after) if after is not None and not same else _NO_ANSWER),
        steps,
    )


def _steps(before: ViewedRecord, after: ViewedRecord) -> tuple[bytes, tuple[str, ...]]:
    """Return which steps of both sides are the same, as JSON, and what changed; nothing where no tool was called."""
    if not any(b'"tool_calls"' in bytes(side.response) for side in (before, after)):
        return _NULL, ()
    ours, theirs = (_decode_response(side.response) or Response() for side in (before, after))
    told = step_changes(ours, theirs)
    return msgspec.json.encode({"pairs": align_steps(ours.calls, theirs.calls), "told": told}), told


def _previews(before: ViewedRecord | None, after: ViewedRecord | None) -> tuple[str | None, str | None]:
    told = [
        None if record is None else tables.answer_text(record, tables.response_of(record)) for record in (before, after)
    ]
    if told[0] is None or told[1] is None:
        return tuple(None if text is None else tables.preview(text) for text in told)  # type: ignore[return-value] # two
    return tables.preview_difference(told[0], told[1])


def write_diff_page(
    out: BinaryIO,
    *,
    comparison: Comparison,
    verdict: Verdict,
    baseline: RunView,
    candidate: RunView,
    options: CompareOptions | None = None,
    plain_limit_bytes: int = PLAIN_LIMIT_BYTES,
) -> None:
    """Write the page of `comparison`, which was made of `baseline` and `candidate`.

    Their records are read once more, as a comparison keeps only its worst changes, and classed by the same
    `options`. Raises CompareError as comparing does.
    """
    pairs = {pair.baseline: pair.candidate for pair in comparison.models if pair.baseline and pair.candidate}
    pairing = pair_subjects(baseline, candidate, pairs)
    options = (options or CompareOptions()).for_runs((baseline, candidate))
    sample, trials = None, comparison.overall.trials
    if needs_sample(trials):
        aligned = counted(align(baseline, candidate, pairing), "drawing a sample", trials)
        sample = _sample_of(aligned, replace(options, meaning=None))
    gathered = _DiffRows(pairing, plain_limit_bytes)
    with closing(gathered.index), closing(gathered.bodies):
        aligned = counted(align(baseline, candidate, pairing), "writing the page", trials)
        for pair in aligned if sample is None else sample.pick(aligned):
            gathered.add(pair, options.classify(pair.baseline, pair.candidate))
        title = f"{comparison.baseline.label} → {comparison.candidate.label}"
        sampled = [] if sample is None else [sample.in_words()]
        plain_verdict: dict[str, Any] = msgspec.to_builtins(verdict)
        head = {
            "kind": "diff",
            "title": title,
            "comparison": _facts(comparison),
            "verdict": {**plain_verdict, "reasons": [*verdict.reasons, *sampled]},
            **gathered.head(),
        }
        plain = _plain(comparison, verdict, sampled)
        out.writelines(page(title=title, head=head, plain=plain, index=gathered.index, bodies=gathered.bodies))


def _sample_of(trials: Iterable[Aligned], options: CompareOptions) -> PageSample:
    """Draw from the Trials of a comparison; what a model would say of their meaning is not asked for that."""
    sample = PageSample("that changed", "squares and states are of the sample, all other figures of all trials")
    for pair in trials:
        facts = pair.candidate or pair.baseline
        assert facts is not None
        changed = (
            pair.baseline is not pair.candidate and options.classify(pair.baseline, pair.candidate).kind not in _CALM
        )
        sample.add(facts.example_digest, worth_a_look=changed)
    return sample


def _facts(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison without its lists: the rows hold every Trial, or a sample."""
    plain: dict[str, Any] = msgspec.to_builtins(comparison)
    for name in ("changes", "edited", "removed", "new"):
        plain[name] = {"total": plain[name]["total"]}
    plain["changed"] = wording.experiment(comparison)
    plain["warnings"] = [*wording.served_notes(comparison), *plain["warnings"]]
    return plain


def _plain(comparison: Comparison, verdict: Verdict, sampled: Iterable[str]) -> Iterator[str]:
    changed = ((line,) for line in wording.experiment(comparison))
    yield from table("Changed in the experiment", ("change",), changed)
    reasons = ((reason,) for reason in (*verdict.reasons, *sampled))
    yield from table(f"Verdict: {wording.MARKS[verdict.state]}", ("reason",), reasons)
    several = len(comparison.models) > 1
    results = (
        (
            wording.member(probe, several=several),
            wording.paired_rates(probe.tally),
            wording.points(probe.tally),
            wording.classes(probe.tally),
        )
        for probe in comparison.probes
    )
    yield from table("Probes", ("probe", "passed", "change", "trials"), results)
