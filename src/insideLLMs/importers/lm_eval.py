"""lm-eval's samples (`--log_samples`), one a line, with the results file beside them (lm-evaluation-harness 0.4)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.types import Example, JsonValue, Message, Response
from insideLLMs.datasets.examples import INPUT_KEYS
from insideLLMs.importers.fields import Fields, as_words, is_chat
from insideLLMs.importers.foreign import ALONE, ForeignScore, ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile

_SAMPLE = frozenset({"doc_id", "doc", "resps"})
_RESULTS = frozenset({"results", "configs", "versions"})
_STAMP = re.compile(r"_(\d{4}-\d{2}-\d{2}T[\d.:-]+)$")


@dataclass(frozen=True, slots=True)
class _Results:
    """What a results file says of a task; nothing where there is no file."""

    task: str
    model: str = ALONE
    higher_is_better: Mapping[str, JsonValue] = field(default_factory=dict)
    samples: int | None = None


class LmEvalLog:
    """lm-eval: samples_*.jsonl of --log_samples; its results_*.json is found beside it, or given too"""

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether it has documents with responses, or is a results file."""
        return log.keys >= _SAMPLE or (not log.is_lines and log.keys >= _RESULTS)

    @staticmethod
    def trials(log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield every document with every filter; nothing of a results file."""
        if not log.keys >= _SAMPLE:
            if not any(other.keys >= _SAMPLE for other in reading.logs):
                raise DatasetError(f"{log.name} has results but no samples", fix="import the samples_*.jsonl beside it")
            return
        results = _results(log, reading)
        documents = set()
        for line, row in log.rows():
            with log.reading(line):
                sample = Fields(row, reading.left_out, "sample")
                trial = _trial(line, sample, results)
            documents.add(trial.example.id)
            yield trial
        missing = results.samples is not None and results.samples != len(documents)
        reading.check_finished(log, f"it has {len(documents):,} of {results.samples:,} documents" if missing else None)


def _results(log: LogFile, reading: Reading) -> _Results:
    """Read what the results file says of the task that the samples are of."""
    stem = log.path.name.split(".jsonl")[0]
    alone = _STAMP.sub("", stem).removeprefix("samples_")
    beside = next((path for path in _beside(log.path) if path.is_file()), None)
    given = [other for other in reading.logs if not other.keys >= _SAMPLE]
    found = given or ([] if beside is None else [LogFile(beside, log.decoder)])
    for file in found:
        file.sweep()
        configs = file.section("configs")
        tasks = list(configs) if isinstance(configs, dict) else []
        named = [task for task in tasks if task == alone] or (tasks if len(tasks) == 1 else [])
        if named:
            return _of_task(file, named[0])
    reading.note(
        f"{log.name}: no results file was found for it, so the model has no name and scores have no known direction"
    )
    return _Results(alone)


def _beside(path: Path) -> Iterator[Path]:
    """Yield where the results of a samples file may be: named as lm-eval does, or by the same name."""
    stamp = _STAMP.search(path.name.split(".jsonl")[0])
    if stamp:
        yield path.with_name(f"results_{stamp[1]}.json")
    if "samples" in path.name:
        yield path.with_name(path.name.split(".jsonl")[0].replace("samples", "results") + ".json")


def _of_task(file: LogFile, task: str) -> _Results:
    def of_task(section: str) -> dict[str, JsonValue]:
        value = file.section(section)
        own = value.get(task) if isinstance(value, dict) else None
        return own if isinstance(own, dict) else {}

    samples = of_task("n-samples").get("effective")
    model = file.section("model_name") or file.section("model_source")
    return _Results(
        task=task,
        model=model if isinstance(model, str) and model else ALONE,
        higher_is_better=of_task("higher_is_better"),
        samples=samples if isinstance(samples, int) else None,
    )


def _trial(line: int, sample: Fields, results: _Results) -> ForeignTrial:
    document = sample.inner("doc")
    requests = _requests(sample.take("arguments"))
    filtered = sample.items("filtered_resps")
    answer, extra = _answer(filtered, requests)
    if any(isinstance(one, list) and len(one) > 1 for one in sample.items("resps")):
        sample.count_left("resps (answers beside the first)")
    sent = requests[0][0] if requests else ""
    turns = _turns(sent, sample)
    fields = document.rest()
    target = sample.take("target")
    example = Example(
        id=sample.name("doc_id") or "",
        input=_input(fields, turns[-1].text if turns else sent),
        expected=() if target is None else tuple(target) if isinstance(target, list) else (target,),
        fields=fields,
    )
    request = turns or (Message(role="user", content=sent),)
    trial = ForeignTrial(
        line=line,
        example=example,
        dataset=results.task,
        model=results.model,
        repeat=0,
        request=() if request == example.request().messages else request,
        response=Response(text=answer, kept=extra),
        scores=tuple(_scores(sample, results)),
    )
    sample.drop("doc_hash", "prompt_hash", "target_hash")
    sample.close()
    return trial


def _requests(arguments: JsonValue) -> list[list[str]]:
    """Return the arguments of each request as texts: (prompt, options), or (prompt, continuation)."""
    given = (
        list(arguments.values()) if isinstance(arguments, dict) else arguments if isinstance(arguments, list) else []
    )
    rows = [list(one.values()) if isinstance(one, dict) else one for one in given if isinstance(one, dict | list)]
    return [[as_words(_alone(cell)) for cell in row] for row in rows if row]


def _alone(value: JsonValue) -> JsonValue:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _turns(sent: str, sample: Fields) -> tuple[Message, ...]:
    try:
        turns = msgspec.json.decode(sent) if sent.startswith("[{") else None
    except (msgspec.DecodeError, RecursionError):
        turns = None
    return sample.read_chat(turns, "prompt") if is_chat(turns) else ()


def _input(fields: Mapping[str, JsonValue], prompt: str) -> str:
    """Return what the document asks: under a usual name, or its longest text that the prompt shows.

    Not the prompt itself: with other few-shot examples the document is still the same.
    """
    usual = next((fields[key] for key in INPUT_KEYS if isinstance(fields.get(key), str)), None)
    shown = [value for value in fields.values() if isinstance(value, str) and value.strip() and value in prompt]
    return str(usual) if usual is not None else max(shown, key=len, default=as_words(dict(fields)))


def _answer(filtered: list[JsonValue], requests: list[list[str]]) -> tuple[str, dict[str, JsonValue]]:
    """Return the answer: the text, or of choices weighed by their log likelihoods the likeliest."""
    if len(filtered) == 1 and isinstance(filtered[0], str):
        return filtered[0], {}
    pairs = [one for one in filtered if isinstance(one, list) and one and isinstance(one[0], int | float)]
    if not filtered or len(pairs) != len(filtered) or len(pairs) != len(requests):
        return as_words(_alone(filtered)), {}
    best = max(range(len(pairs)), key=lambda at: pairs[at][0])
    return requests[best][1].strip() if len(requests[best]) > 1 else "", {"log_likelihoods": [one[0] for one in pairs]}


def _scores(sample: Fields, results: _Results) -> Iterator[ForeignScore]:
    chosen = sample.text("filter") or "none"
    for metric in sample.items("metrics"):
        name = as_words(metric)
        value = sample.take(name)
        if isinstance(value, list | dict | str):
            sample.count_left(f"{name} (a part of a score of all documents)")
            continue
        higher = results.higher_is_better.get(name)
        number = Fields({name: float(value) if isinstance(value, bool) else value}, sample.left_out, "sample").number(
            name
        )
        yield ForeignScore(
            probe=name if chosen == "none" else f"{name},{chosen}",
            value=number,
            lower_is_better=None if not isinstance(higher, bool) else not higher,
        )
