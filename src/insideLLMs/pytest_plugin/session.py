"""One process's asking: its models, made once, on one event loop; the cassettes of its modules; what was asked."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from insideLLMs.api.answers import open_answers
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.run import RunOptions, arun
from insideLLMs.core.errors import CassetteMissError, InsideLLMsError, OptionError
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.prices import Price, cost_of, find_price
from insideLLMs.core.run_blocking import LoopThread
from insideLLMs.core.types import CallTelemetry, Example, JsonValue, Usage
from insideLLMs.execute.work import AnswerStore
from insideLLMs.pytest_plugin.answers import LlmAnswer, answered
from insideLLMs.pytest_plugin.cases import batch_of, question_of
from insideLLMs.pytest_plugin.cassettes import Cassette
from insideLLMs.pytest_plugin.marks import DatasetMark, LlmMark, dataset_mark, llm_mark
from insideLLMs.pytest_plugin.settings import Settings, parse_model
from insideLLMs.pytest_plugin.tally import CallTally
from insideLLMs.runner.load import LoadedRun, load_run
from insideLLMs.runner.open_model import OpenAnswer, OpenModel, OpenQuestion
from insideLLMs.runner.results import ProbeResult
from insideLLMs.store.held_folder import only_writer
from insideLLMs.store.manifest import all_identities
from insideLLMs.store.whole_file import whole_file

NO_MODEL = (
    'name one in pyproject.toml: [tool.insidellms.pytest] model = {type = "openai", args = {model_name = "..."}}; '
    "or give --llm-model FILE, or @pytest.mark.llm(model={...})"
)
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(slots=True, kw_only=True)
class AskingTest:
    """Where a test stands: its module's file, its model, its example, which repeat of it runs, and what it asked.

    `asked` counts the questions of the repeat, `answers` are those of all.
    """

    module: Path
    mark: LlmMark
    model: Any  # a mapping as in an experiment, or a ready-made model
    repeat: int = 0
    asked: int = 0
    runs: bool = False
    answers: list[LlmAnswer] = field(default_factory=list)
    case: OpenQuestion | None = None

    @property
    def repeats(self) -> range:
        """All repeats of the test."""
        return range(self.mark.repeats)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Door:
    """Questions made ready, the model to ask, and the cassette and store that answers come from."""

    model: OpenModel
    cassette: Cassette
    store: AnswerStore | None
    prepared: Prepared

    @property
    def price(self) -> Price | None:
        """What answers cost; None where that is not known."""
        name, prices = self.model.spec.id, self.prepared.execution.prices or {}
        return find_price(self.prepared.identities[name], prices.get(name))


def place_of(item: pytest.Item, settings: Settings) -> AskingTest:
    """Return where a test stands as it starts. Raises OptionError for marks that are wrong."""
    mark, dataset = llm_mark(item) or LlmMark(), dataset_mark(item)
    named = (None if dataset is None else dataset.model, mark.model, settings.model)
    return AskingTest(module=item.path, mark=mark, model=next((one for one in named if one is not None), None))


def _key(question: OpenQuestion) -> bytes:
    """Return what is equal for questions that send the same."""
    example = question.example
    is_filled = question.template is not None or question.system is not None
    return _encode((example.input, question.terms, (example.expected, example.fields) if is_filled else None))


def _serves_fixtures(item: pytest.Item, name: str) -> bool:
    """Whether a fixture of a test takes another one."""
    assert isinstance(item, pytest.Function)
    fixtures = item._fixtureinfo.name2fixturedefs  # pytest has no public way
    return any(name in one.argnames for several in fixtures.values() for one in several)


class LlmSession:
    """Asks for all tests of a process, on one event loop; `shared` is a folder that all processes of the run see."""

    def __init__(self, settings: Settings, shared: Path | None = None) -> None:
        self.settings = settings
        self.tally = CallTally(mode=settings.mode)
        self._shared = shared
        self._thread = LoopThread()
        self._stack = contextlib.ExitStack()
        self._models: dict[str, OpenModel] = {}
        self._given: list[object] = []
        self._doors: dict[tuple[Path, str], _Door] = {}
        self._known: dict[tuple[Path, str, bytes, int], OpenAnswer] = {}

    def ask_now(self, question: OpenQuestion, place: AskingTest) -> LlmAnswer:
        """Ask for a test that runs. Of a test that repeats, the first question is asked for all repeats at once."""
        if len(place.repeats) > 1 and not place.runs:
            raise OptionError(
                "a fixture calls llm(), so all repeats would get the same answer", fix="ask in the test itself"
            )
        is_first = place.repeat == 0 and not place.asked
        place.asked += 1
        ((one,),) = self.ask([question], place.repeats if is_first else None, place)
        return self.hand_out(one, place)

    def hand_out(self, asked: OpenAnswer, place: AskingTest) -> LlmAnswer:
        """Give a test an answer, which its report then shows. Raises ProbeExecutionError where there is none."""
        answer = LlmAnswer(answered(asked), partial(self.judge, place=place))
        place.answers.append(answer)
        return answer

    def ask(
        self, questions: Sequence[OpenQuestion], repeats: range | None, place: AskingTest
    ) -> list[list[OpenAnswer]]:
        """Ask questions of one `terms` together, at `repeats` or the test's own; return its own answers.

        What the module knows is not asked. Raises InsideLLMsError.
        """
        own = range(place.repeat, place.repeat + 1)
        wanted = repeats or own
        name = self._name_of(place.model)
        keys = [_key(one) for one in questions]
        lacking = [
            question
            for question, key in zip(questions, keys, strict=True)
            if any((place.module, name, key, repeat) not in self._known for repeat in wanted)
        ]
        if lacking:
            self._learn(lacking, wanted, place, name)
        return [
            [self._known[place.module, name, key, repeat].to(question.example) for repeat in own]
            for question, key in zip(questions, keys, strict=True)
        ]

    def ask_together(self, questions: Sequence[OpenQuestion], place: AskingTest) -> None:
        """Ask what several processes want at this time: the first of them asks, the others take over its answers."""
        name = self._name_of(place.model)
        if self._shared is None:
            self.ask(questions, place.repeats, place)
            return
        asked = [str(place.module), name, [(one.example, one.terms) for one in questions], len(place.repeats)]
        folder = self._shared / hashlib.sha256(_encode(asked)).hexdigest()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with only_writer(folder):
            found = folder / "answers.json"
            if found.exists():
                self._remember(
                    questions, msgspec.json.decode(found.read_bytes(), type=list[list[OpenAnswer]]), place, name
                )
                return
            self.ask(questions, place.repeats, place)
            learnt = [
                [self._known[place.module, name, _key(one), repeat] for repeat in place.repeats] for one in questions
            ]
            with whole_file(found) as file:
                file.write(msgspec.json.encode(learnt))

    def judge(self, check: object, asked: OpenAnswer, place: AskingTest) -> ProbeResult:
        """Let a check score an answer. Raises InsideLLMsError."""
        opened = self._doors.get((place.module, self._name_of(place.model)))  # not where another process asked
        door = opened or self._door([OpenQuestion(example=asked.record.example)], range(1), place)
        result, telemetry = self._thread.run(door.model.judge(check, asked, door.prepared, door.store))
        for call in telemetry.judges:
            self._count(call, Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens), None)
        return result

    def cassette_of(self, module: Path) -> Cassette:
        """Return where the answers of a module come from."""
        settings = self.settings
        return Cassette(module=module, folder=settings.cassettes, root=settings.root, mode=settings.mode)

    @contextlib.contextmanager
    def _noting_misses(
        self, cassette: Cassette, missing: Callable[[], Sequence[str]], prepared: Prepared | None = None
    ) -> Iterator[None]:
        """Count what a cassette lacks, and say how to record it."""
        try:
            yield
        except CassetteMissError as error:
            names = missing()
            self.tally.missing.extend(f"{cassette.test_file}: {one}" for one in names)
            self.tally.modules.append(cassette.test_file)
            raise cassette.explained(error, names, prepared) from None

    def answer_case(self, item: pytest.Item, mark: DatasetMark, case: Example, place: AskingTest) -> LlmAnswer:
        """Return the answer to an example at the repeat of the test, once all that are selected have been asked.

        In a replay each test finds its own, so that an answer that is missing concerns its test alone.
        """
        place.case = question_of(mark, case)
        if len(place.repeats) > 1 and _serves_fixtures(item, "answer"):
            raise OptionError(
                "a fixture takes `answer`, so all repeats would get the same answer", fix="ask in the test itself"
            )
        if self.settings.mode != "replay" and not self._knows(place.case, place):
            self.ask_together(batch_of(item, mark), place)
        return self.answer_at(place)

    def _knows(self, question: OpenQuestion, place: AskingTest) -> bool:
        name, key = self._name_of(place.model), _key(question)
        return all((place.module, name, key, repeat) in self._known for repeat in place.repeats)

    def answer_at(self, place: AskingTest) -> LlmAnswer:
        """Return the answer to the test's example at its present repeat."""
        assert place.case is not None
        place.asked += 1
        ((one,),) = self.ask([place.case], None, place)
        return self.hand_out(one, place)

    def run(self, experiment: Experiment, *, folder: Path, run_dir: Path, module: Path) -> LoadedRun:
        """Run an experiment, its answers from the cassette of a module as the mode says. Raises InsideLLMsError."""
        cassette = self.cassette_of(module)
        with self._noting_misses(cassette, lambda: [f"the run of {experiment.name}"]):
            run = self._thread.run(
                arun(experiment, folder=folder, options=RunOptions(run_dir=run_dir, answers=cassette.options()))
            )
        found = load_run(run.path)
        given = experiment.execution.prices or {}
        identities = all_identities(found.manifest.models, found.manifest.probes)
        prices = {name: find_price(identity, given.get(name)) for name, identity in identities.items()}
        for line in found.telemetry():
            for name, call in ((line.model, line.facts), *((judge.model, judge) for judge in line.judges)):
                if not line.shared:
                    usage = Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens)
                    self._count(call, usage, prices.get(name))
        return found

    def close(self) -> None:
        """Finish the cassettes and give everything back; what cannot be written becomes a problem of the session."""
        try:
            self._stack.close()
        except InsideLLMsError as error:
            self.tally.problems.append(f"error: {error}")
        for model in self._models.values():
            self._thread.run(model.aclose())
        self._thread.close()

    def _learn(self, questions: Sequence[OpenQuestion], repeats: range, place: AskingTest, name: str) -> None:
        door = self._door(questions, repeats, place)
        with self._noting_misses(door.cassette, lambda: door.cassette.missing(door.prepared, repeats), door.prepared):
            found = self._thread.run(door.model.ask(door.prepared, repeats, door.store))
        price = door.price
        for one in (one for each in found for one in each):
            response = one.record.response
            self.tally.failed += response is None
            self._count(one.telemetry, (response and response.usage) or Usage(), price)
        self._remember(questions, found, place, name)

    def _remember(
        self, questions: Sequence[OpenQuestion], found: Sequence[Sequence[OpenAnswer]], place: AskingTest, name: str
    ) -> None:
        for question, answers in zip(questions, found, strict=True):
            key = _key(question)
            for one in answers:
                self._known[place.module, name, key, one.record.repeat] = one

    def _count(self, call: CallTelemetry, usage: Usage, price: Price | None) -> None:
        if call.cached:
            self.tally.replayed += 1
            return
        self.tally.asked += 1
        self.tally.retries += max(0, call.attempts - 1)
        self.tally.input_tokens += usage.input_tokens or 0
        self.tally.output_tokens += usage.output_tokens or 0
        cost = cost_of(call.cost_usd, usage, price)
        self.tally.cost_usd += cost or 0.0
        self.tally.unpriced += cost is None

    def _door(self, questions: Sequence[OpenQuestion], repeats: range, place: AskingTest) -> _Door:
        """Make questions ready, and the store that answers to them come from."""
        name = self._name_of(place.model)
        model, cassette = self._model(place.model, name), self.cassette_of(place.module)
        with self._noting_misses(cassette, lambda: [repr(one.example.text) for one in questions]):
            recorded = cassette.recorded()
        prepared = model.prepare(questions, repeats, recorded=recorded, asks=cassette.mode in {"record", "live"})
        key = place.module, name
        store = (
            self._doors[key].store
            if key in self._doors
            else self._stack.enter_context(open_answers(cassette.options(), prepared))
        )
        self._doors[key] = _Door(model=model, cassette=cassette, store=store, prepared=prepared)
        return self._doors[key]

    def _name_of(self, given: object) -> str:
        """Tell models apart: mappings by what they say, ready-made ones by themselves."""
        if given is None:
            raise OptionError("the test asks a model, but none is named", fix=NO_MODEL)
        return _encode(given).decode() if isinstance(given, str | Mapping) else f"object {id(given)}"

    def _model(self, given: JsonValue, name: str) -> OpenModel:
        if name not in self._models:
            settings = self.settings
            if isinstance(given, str | Mapping):
                spec, execution = parse_model(given, settings)
                self._models[name] = OpenModel(spec, folder=settings.root, execution=execution)
            else:
                _, execution = parse_model("dummy", settings)
                self._models[name] = OpenModel.of(given, folder=settings.root, execution=execution)
                self._given.append(given)  # so that no other object gets its id
        return self._models[name]
