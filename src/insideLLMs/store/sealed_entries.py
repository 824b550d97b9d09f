"""What a sealed run has of each Trial, as its journal had it."""

from collections.abc import Iterator

import msgspec

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.record_views import RecordIdentity, read_record, trial_order
from insideLLMs.core.shell_words import as_typed
from insideLLMs.store.journal_line import Entry
from insideLLMs.store.sealed_run import RECORDS, SealedRun


def sealed_entries(run: SealedRun) -> Iterator[tuple[RecordIdentity, Entry]]:
    """Yield every record with its telemetry where the run has it; the order of both files is that of Trials.

    Raises RunDirectoryError.
    """
    telemetry = run.telemetry() if run.has_telemetry else iter(())
    facts, last, file = next(telemetry, None), None, str(run.path / RECORDS)
    for index, line in enumerate(run.lines()):
        identity = read_record(line, RecordIdentity, where=f"{file}, line {index + 1}")
        order = trial_order(identity)
        if last is not None and order <= last:
            raise RunDirectoryError(
                f"{run.path / RECORDS}, line {index + 1}: out of order or duplicated",
                fix=f"see what is wrong: insidellms verify {as_typed(run.path)}",
            )
        last = order
        while facts is not None and trial_order(facts) < order:
            facts = next(telemetry, None)
        stored = msgspec.json.encode(facts.facts) if facts and trial_order(facts) == order else b"{}"
        yield identity, Entry(index=index, record=line, telemetry=stored)
