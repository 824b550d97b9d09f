"""Trials by number, as a run directory stores them."""

from insideLLMs.core import canonical
from insideLLMs.core.record_views import RecordIdentity
from insideLLMs.core.types import Example, Record, Response, ResultStatus, Telemetry
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.journal_line import JournalHeader
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.run_draft import RunDraft

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


def seal(directory):
    with directory.sealing():
        draft = RunDraft(directory, view=RecordIdentity, has_telemetry=True)
        try:
            return fill_and_publish(draft)
        except BaseException:
            draft.drop()
            raise


def fill_and_publish(draft):
    assert all(draft.take_rest())
    draft.write("summary.json", b"{}")
    draft.write("config.resolved.yaml", b"{}\n")
    manifest = Manifest(
        run_id=RUN,
        name="x",
        library={},
        models=(),
        probes=(),
        datasets=(),
        repeats=1,
        max_examples=None,
        trials=3,
        statuses=draft.statuses,
        records_root=draft.root(),
        files=draft.digests(),
    )
    draft.publish(manifest)
    return manifest


def write_run(path, *, order=(2, 0, 1), sealed=True, statuses=None, shards=None, **options):
    with RunDirectory.open(path, header(), **options) as directory:
        if shards:
            shards()
        for index in order:
            if not directory.journal.is_done(index):
                status = (statuses or {}).get(index, ResultStatus.SUCCESS)
                directory.journal.append_record(index, record(index, status), Telemetry(attempts=1))
        return seal(directory) if sealed else None
