"""A sealed run, and random changes of its files that are undone again."""

import contextlib
import json

from insideLLMs.api.run_writer import RunFacts, RunWriter
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.types import Telemetry
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.sealed_run import SealedRun
from support.stored_trials import RUN, header, record

FILES = (
    "records.jsonl", "leaves.jsonl", "telemetry.jsonl", "manifest.json", "summary.json", "config.resolved.yaml",
    "report.html", ".insidellms-run",
)  # fmt: skip
LINE_FILES = {"records.jsonl", "leaves.jsonl", "telemetry.jsonl"}


def sealed_run(path, trials):
    """Seal a run of so many trials, and return its folder."""
    experiment = Experiment(name="x", models=(), probes=(), datasets=())
    facts = RunFacts(run_id=RUN, trials=trials, experiment=experiment, models=(), probes=(), datasets=())
    with RunDirectory.open(path, header(trials)) as directory, RunWriter(facts, directory) as writer:
        for index in range(trials):
            directory.journal.append_record(index, record(index), Telemetry(attempts=1, latency_ms=index / 7))
        writer.seal()
    return path


def a_byte(data, random):
    at = random.randrange(len(data))
    other = random.choice([value for value in range(256) if value != data[at]])
    return data[:at] + bytes([other]) + data[at + 1 :], at


def a_byte_deleted(data, random):
    at = random.randrange(len(data))
    return data[:at] + data[at + 1 :], at


def a_byte_inserted(data, random):
    at = random.randrange(len(data) + 1)
    return data[:at] + bytes([random.randrange(256)]) + data[at:], at


def _lines(data):
    """Return the lines without their ends; a last one without an end counts."""
    return data.removesuffix(b"\n").split(b"\n")


def a_line_deleted(data, random):
    lines = _lines(data)
    at = random.randrange(len(lines))
    return b"".join(line + b"\n" for line in lines[:at] + lines[at + 1 :]), len(b"\n".join([*lines[:at], b""]))


def a_line_inserted(data, random):
    """Insert a copy of a line, or an empty line."""
    lines = _lines(data)
    at = random.randrange(len(lines) + 1)
    added = random.choice([b"", random.choice(lines)])
    changed = b"".join(line + b"\n" for line in [*lines[:at], added, *lines[at:]])
    return changed, None


def lines_swapped(data, random):
    lines = _lines(data)
    if len(lines) < 2:
        return data, None
    one, other = sorted(random.sample(range(len(lines)), 2))
    at = len(b"\n".join([*lines[:one], b""]))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(line + b"\n" for line in lines), at


def bytes_swapped(data, random):
    one, other = sorted(random.sample(range(len(data)), 2)) if len(data) > 1 else (0, 0)
    changed = bytearray(data)
    changed[one], changed[other] = changed[other], changed[one]
    return bytes(changed), one


CHANGES = {
    change.__name__.replace("_", " "): change
    for change in (
        a_byte, a_byte_deleted, a_byte_inserted, a_line_deleted, a_line_inserted, lines_swapped, bytes_swapped,
    )
}  # fmt: skip


def change_at_random(run, name, change, random):
    """Change a file of the run until the block ends, and return the words that name the place.

    None where the change drawn makes no difference, as the swap of equal bytes.
    """
    path = run / name
    data = path.read_bytes()
    changed, at = CHANGES[change](data, random)
    return None if changed == data else _changed(path, data, changed, _words(run, name, data, at))


@contextlib.contextmanager
def _changed(path, data, changed, words):
    path.write_bytes(changed)
    try:
        yield words
    finally:
        path.write_bytes(data)


def _words(run, name, data, at):
    """Return what tells the trial of the line that a change at this offset touched."""
    if name not in LINE_FILES or at is None or at >= len(data):
        return ()
    number = data.count(b"\n", 0, at)
    lines = list(SealedRun.open(run).lines())
    if number >= len(lines):
        return ()
    trial = json.loads(lines[number])
    return (repr(trial["example_id"]), repr(trial["probe"]), repr(trial["model"]), f"repeat {trial['repeat']}")
