"""Ask again without one sentence of the prompt at a time, and let the gate decide whether anything got worse."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from insideLLMs.api.compare import ComparisonSetup, GateOverrides, compare_runs
from insideLLMs.api.counted_calls import CountedCalls
from insideLLMs.api.fresh_answers import Asker, Place, Round, Say, examples_of
from insideLLMs.api.trusted_runs import TrustedExperiment
from insideLLMs.compare.auditing.ablation import AblationReport, SentenceFinding, SentenceState
from insideLLMs.core.errors import NothingToDoError, OptionError
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.types import Example
from insideLLMs.report.wording import many
from insideLLMs.scoring.constraints.wording import sentences
from insideLLMs.store.sealed_run import SealedRun

_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_LABEL_LETTERS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationOptions:
    """How many calls may be made at most, where the rounds are kept, and whether to say only what would be asked."""

    max_calls: int
    into: Path
    is_dry: bool = False


@dataclass(frozen=True, slots=True)
class _Text:
    """A text of the experiment's prompts, and how the experiment reads with another one in its place."""

    where: str
    text: str
    put: Callable[[Experiment, str], Experiment]

    def sentences(self) -> list[str]:
        """Return its sentences; each line of a list is one."""
        return list(dict.fromkeys(one for line in self.text.splitlines() for one in sentences(line)))

    def without(self, experiment: Experiment, sentence: str) -> Experiment:
        """Return the experiment without a sentence, and without the empty line that it leaves."""
        left = self.text.replace(sentence, "", 1)
        lines = zip(left.splitlines(), self.text.splitlines(), strict=False)
        return self.put(experiment, "\n".join(line.rstrip() for line, old in lines if line.strip() or not old.strip()))


def ablate(trusted: TrustedExperiment, options: AblationOptions, say: Say) -> AblationReport:
    """Ask the chosen examples with the whole prompt, and without each of its sentences. Raises InsideLLMsError."""
    run, experiment = trusted.run, trusted.experiment
    cuts = [(text, sentence) for text in _texts(experiment) for sentence in text.sentences()]
    asked = [(text, sentence) for text, sentence in cuts if not _TEMPLATE.search(sentence)]
    if not asked:
        raise NothingToDoError(
            f"the prompts of {run.path} have no sentence that could be left out",
            fix="give the experiment's model or prompt a `system` text, or a template with sentences",
        )
    examples, each = _chosen(run, experiment, len(asked) + 1, options.max_calls)
    names = tuple(sorted({place[2] for place in examples}))
    report = AblationReport(
        run_id=run.manifest.run_id,
        label=run.label,
        examples=names,
        planned=each * (len(asked) + 1),
        calls=0,
        sentences=tuple(SentenceFinding(where=text.where, sentence=one, state=_unasked(one)) for text, one in cuts),
        is_dry=options.is_dry,
    )
    if options.is_dry:
        return report
    return _Ablation(trusted, options, examples, say).run(report, cuts)


def _unasked(sentence: str) -> SentenceState:
    return "kept" if _TEMPLATE.search(sentence) else "cannot tell"


class _Ablation:
    def __init__(
        self, trusted: TrustedExperiment, options: AblationOptions, examples: dict[Place, Example], say: Say
    ) -> None:
        self._trusted = trusted
        self._options = options
        self._examples = examples
        self._say = say
        self._calls = 0

    def run(self, report: AblationReport, cuts: Sequence[tuple[_Text, str]]) -> AblationReport:
        """Ask the rounds, those that are there already aside."""
        self._say(f"the whole prompt: {many(len(report.examples), 'example')}")
        whole = self._ask("whole", self._trusted.experiment)
        found = []
        for number, ((text, sentence), planned) in enumerate(zip(cuts, report.sentences, strict=True), start=1):
            if planned.state == "kept":
                found.append(planned)
                continue
            self._say(f"without sentence {number} of {len(cuts)}: {sentence[:60]}")
            less = self._ask(f"without-{number}", text.without(self._trusted.experiment, sentence))
            found.append(self._finding(planned, whole, less))
        return msgspec.structs.replace(report, sentences=tuple(found), calls=self._calls)

    def _ask(self, label: str, experiment: Experiment) -> SealedRun:
        """Ask a round, whose folder is named by all that it asks, so that it can be gone on with."""
        content = msgspec.json.encode([experiment, sorted(self._examples)], order="sorted")
        label = f"{label}-{hashlib.sha256(content).hexdigest()[:_LABEL_LETTERS]}"
        asker = Asker(
            replace(self._trusted, experiment=experiment),
            into=self._options.into,
            examples=self._examples,
            resumes=True,
        )
        known = (self._options.into / label / "manifest.json").exists()
        repeats = self._trusted.experiment.repeats
        asker.ask(Round(label=label, subject=None, places=tuple(sorted(self._examples)), repeats=repeats))
        self._calls += 0 if known else asker.calls
        return SealedRun.open(asker.run_dirs[0])

    def _finding(self, planned: SentenceFinding, whole: SealedRun, less: SealedRun) -> SentenceFinding:
        gate = GateOverrides(policy=self._trusted.run.gate)
        decided = compare_runs([whole], [less], ComparisonSetup(gate=gate))
        fell = [change.trial.example_id for change in decided.comparison.changes.listed if change.kind == "regressed"]
        state: SentenceState = "noticed" if decided.verdict.state == "failed" else "not noticed"
        if decided.verdict.state == "inconclusive" or not _passes(whole):
            state = "cannot tell"
        return msgspec.structs.replace(
            planned,
            state=state,
            verdict=decided.verdict.state,
            reason=decided.verdict.reasons[0],
            fell=tuple(dict.fromkeys(fell)),
            run_dir=str(less.path),
        )


def _passes(run: SealedRun) -> bool:
    """Whether anything passes, and so could fall."""
    return any(result.passed or not result.scored for result in run.summary.results)


def _texts(experiment: Experiment) -> Iterator[_Text]:
    """Yield the texts that instruct the model: of models and prompts, not of examples."""
    for place, model in enumerate(experiment.models):
        if model.system:
            yield _Text(f"model {model.id}: system", model.system, _put("models", place, "system"))
    for place, prompt in enumerate(experiment.prompts):
        for field in ("system", "template"):
            text = getattr(prompt, field)
            if text:
                yield _Text(f"prompt {prompt.id}: {field}", text, _put("prompts", place, field))


def _put(kind: str, place: int, field: str) -> Callable[[Experiment, str], Experiment]:
    def put(experiment: Experiment, text: str) -> Experiment:
        members = list(getattr(experiment, kind))
        members[place] = msgspec.structs.replace(members[place], **{field: text or None})
        return msgspec.structs.replace(experiment, **{kind: tuple(members)})

    return put


def _chosen(run: SealedRun, experiment: Experiment, rounds: int, max_calls: int) -> tuple[dict[Place, Example], int]:
    """Choose as many examples as the calls allow, by the hash of their ids; return with them the calls of a round."""
    known = examples_of(run, None)
    counted = CountedCalls([run])
    by_example: dict[tuple[str, str], list[Place]] = {}
    for place in known:
        by_example.setdefault((place[1], place[2]), []).append(place)
    subjects = len(experiment.models) * max(1, len(experiment.prompts))
    order = sorted(by_example, key=lambda name: hashlib.sha256("|".join(name).encode("utf-8", "replace")).digest())
    chosen: dict[Place, Example] = {}
    each = 0
    for name in order:
        calls = sum(counted.most(place[0]) for place in by_example[name]) * subjects * experiment.repeats
        if (each + calls) * rounds > max_calls:
            break
        each += calls
        chosen.update({place: known[place] for place in by_example[name]})
    if not chosen:
        fewest = min((sum(counted.most(place[0]) for place in places) for places in by_example.values()), default=1)
        least = fewest * subjects * experiment.repeats * rounds
        raise OptionError(
            f"--max-calls {max_calls} is not enough for one example: {many(rounds, 'round')} take {least:,} calls",
            fix=f"--max-calls {least} or more; --dry-run shows what would be asked",
        )
    return chosen, each
