"""How large is the page of a run, and how long does it take to make?

Records are made of real English sentences (the topics of Python's own manual), drawn by a fixed seed: about
300 characters of prompt and 700 of answer each. Raw text is what people wrote and models answered, without the
JSON around it. With --diff the page is that of a comparison, in which one answer in twenty is another one.
Run: python benchmarks/viewer_page.py [EXAMPLES] [--out page.html] [--diff]
"""

import argparse
import json
import random
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import BinaryIO

import msgspec

from insideLLMs.compare.comparing import compare
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.compare.one_run.summary import summarise
from insideLLMs.compare.sides import RunView
from insideLLMs.core import canonical
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Example, Failure, Record, Response, ResultStatus, Scores, Usage, expand
from insideLLMs.report.viewer.diff_page import write_diff_page
from insideLLMs.report.viewer.run_page import write_run_page

SENTENCES = re.findall(r"[A-Z][^.\n]*(?:\n[^.\n]+)*\.", "\n".join(topics.values()))


def prose(rng: random.Random, characters: int) -> str:
    """Return about so many characters of sentences."""
    parts: list[str] = []
    size = 0
    while size < characters:
        parts.append(re.sub(r"\s+", " ", rng.choice(SENTENCES)))
        size += len(parts[-1]) + 1
    return " ".join(parts)[:characters]


def make_record(rng: random.Random, number: int, examples: int) -> Record:
    """Return one record with about 1,000 characters of text; one in a hundred timed out."""
    example = Example(id=f"q{number:07}", input=prose(rng, 300), expected=(prose(rng, 24),))
    answered = rng.random() >= 0.01
    passed = rng.random() < 0.83
    why = "the answer names it" if passed else "the answer does not name it"
    usage = Usage(input_tokens=70, output_tokens=rng.randint(40, 180))
    return Record(
        probe=("logic", "summary", "tone")[number * 3 // examples],
        dataset="questions",
        example_id=example.id,
        model="small",
        repeat=0,
        key=canonical.identity("trial/1", number),
        example_digest=example.digest(),
        example=example,
        status=ResultStatus.SUCCESS if answered else ResultStatus.TIMEOUT,
        response=Response(text=prose(rng, 676), finish_reason="stop", usage=usage) if answered else None,
        scores=Scores.of(passed, explanation=why, similarity=round(rng.random(), 3)) if answered else None,
        failure=None if answered else Failure(stage="model", type="ModelTimeout", message="no answer within 60 s"),
    )


def make_lines(path: Path, examples: int) -> int:
    """Write the records; return the bytes of raw text in them."""
    rng = random.Random(7)
    raw = 0
    with path.open("wb") as file:
        for number in range(examples):
            record = make_record(rng, number, examples)
            answer = record.response.text if record.response else ""
            example = record.example
            raw += len(str(example.input).encode()) + len(str(example.expected[0]).encode()) + len(answer.encode())
            file.write(canonical.line(record) + b"\n")
    return raw


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines without their ends."""
    with path.open("rb") as file:
        for line in file:
            yield line.rstrip(b"\n")


def change_some(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines, every twentieth with another answer and its verdict turned."""
    for number, line in enumerate(lines):
        record = msgspec.json.decode(line, type=Record)
        if number % 20 or record.response is None or record.scores is None:
            yield line
            continue
        text = record.response.text[:300] + " On second thoughts, no." + record.response.text[320:]
        scores = Scores.of(not record.scores.passed, similarity=record.scores.values["similarity"])
        response = msgspec.structs.replace(record.response, text=text)
        yield canonical.line(msgspec.structs.replace(record, response=response, scores=scores))


def write_run(records: Path, out: BinaryIO) -> None:
    """Write the page of one run."""
    summary = expand(summarise(lines_of(records), run_id="ab" * 32))
    manifest = {"run_id": "ab" * 32, "name": "benchmark", "models": [{"id": "small"}], "datasets": [], "probes": []}
    write_run_page(out, manifest=manifest, summary=summary, records=lambda: lines_of(records))


def write_diff(records: Path, out: BinaryIO) -> None:
    """Write the page of a comparison; comparing is part of what is measured."""
    changed = records.with_suffix(".changed")
    datasets = dict.fromkeys(("logic", "summary", "tone"), ("questions",))
    before, after = (
        RunView(
            run_id=name,
            label=name,
            subjects=(Subject("small"),),
            datasets=datasets,
            records=lambda path=path: lines_of(path),
        )
        for name, path in (("main", records), ("branch", changed))
    )
    comparison = compare(before, after)
    verdict = decide(comparison, GateSpec(fail_on="regressions"), GateEvidence())
    write_diff_page(out, comparison=comparison, verdict=verdict, baseline=before, candidate=after)


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("examples", type=int, nargs="?", default=100_000)
    parser.add_argument("--out", type=Path, default=Path("build/viewer_page.html"))
    parser.add_argument("--diff", action="store_true")
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    records = given.out.with_suffix(".jsonl")
    raw = make_lines(records, given.examples)
    if given.diff:
        changed = records.with_suffix(".changed")
        changed.write_bytes(b"".join(line + b"\n" for line in change_some(lines_of(records))))
    before = time.process_time(), time.perf_counter()
    with given.out.open("wb") as out:
        (write_diff if given.diff else write_run)(records, out)
    seconds = time.perf_counter() - before[1]
    size = given.out.stat().st_size
    json.dump(
        {
            "examples": given.examples,
            "raw_text_mb": round(raw / 1e6, 1),
            "records_mb": round(records.stat().st_size / 1e6, 1),
            "page_mb": round(size / 1e6, 1),
            "page_to_raw_text": round(size / raw, 3),
            "page_to_records": round(size / records.stat().st_size, 3),
            "seconds": round(seconds, 1),
            "cpu_seconds": round(time.process_time() - before[0], 1),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        },
        sys.stdout,
        indent=1,
    )
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
