"""Trials by number, as a run directory stores them."""

from insideLLMs.core import canonical
from insideLLMs.core.types import Example, Record, Response, ResultStatus
from insideLLMs.store.journal_line import JournalHeader

RUN = "a" * 64


def header(trials=3):
    return JournalHeader(run_id=RUN, trials=trials)


def unscored(index, status=ResultStatus.SUCCESS, text="yes", usage=None):
    """Return an answer that nothing has scored."""
    name = f"{index:03}"
    return Record(
        probe="p",
        dataset="d",
        example_id=name,
        model="m",
        repeat=0,
        key=f"{index:064x}",
        example_digest="0" * 64,
        example=Example(id=name, input="?"),
        status=status,
        response=Response(text=text, usage=usage),
    )


def record(index, status=ResultStatus.SUCCESS, text="yes"):
    """Return a finished trial as its canonical line."""
    return canonical.line(unscored(index, status, text))
