"""Why Trials of a run failed, in a few lines: the kinds of failures, each with a count, a place and what to do."""

from collections import Counter
from collections.abc import Iterable

from insideLLMs.core.record_views import FailedRecord
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Failure
from insideLLMs.report.safe_text import printable
from insideLLMs.report.wording import many

MOST_KINDS = 5


def render_failures(records: Iterable[FailedRecord]) -> str:
    """Write the most frequent kinds of failures; empty where nothing failed."""
    counts: Counter[Failure] = Counter()
    first: dict[Failure, FailedRecord] = {}
    for record in records:
        if record.failure is not None and record.failure.stage != "plan":
            counts[record.failure] += 1
            first.setdefault(record.failure, record)
    if not counts:
        return ""
    lines = [f"{many(counts.total(), 'trial')} failed:"]
    for failure, count in counts.most_common(MOST_KINDS):
        lines += _lines(failure, count, first[failure])
    if len(counts) > MOST_KINDS:
        lines.append(f"  and {many(len(counts) - MOST_KINDS, 'other kind')}: see records.jsonl")
    return "\n".join(lines)


def _lines(failure: Failure, count: int, record: FailedRecord) -> Iterable[str]:
    subject = Subject(record.model, record.prompt)
    where = f"first: example {record.example_id}, model {subject.label}, probe {record.probe}"
    yield printable(f"  {count:,} x {failure.type}: {failure.message} ({where})")
    if failure.fix:
        yield printable(f"      fix: {failure.fix}")
