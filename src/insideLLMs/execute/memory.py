"""A sink without a disk, for runs whose results are only wanted as Python values."""

from collections.abc import Iterator

from insideLLMs.core.types import Request, Response, Telemetry


class MemorySink:
    """Keeps every record's line and telemetry by Trial number."""

    durable = False

    def __init__(self) -> None:
        self._finished: dict[int, tuple[bytes, Telemetry]] = {}

    def is_done(self, index: int) -> bool:
        """Whether the Trial has a record."""
        return index in self._finished

    def pending_answer(self, index: int) -> None:  # noqa: ARG002 - the sink's contract
        """Nothing outlives the process here."""
        return

    def append_answer(self, index: int, request: Request, response: Response, telemetry: Telemetry) -> None:
        """Keep nothing: the record follows."""

    def append_record(self, index: int, record: bytes, telemetry: Telemetry) -> None:
        """Keep a finished Trial."""
        self._finished[index] = (record, telemetry)

    def flush(self) -> None:
        """There is nothing to write."""

    def sync(self) -> None:
        """There is nothing to keep."""

    def entries(self) -> Iterator[tuple[int, bytes, Telemetry]]:
        """Yield number, record line and telemetry in the order of the numbers."""
        for index in sorted(self._finished):
            yield index, *self._finished[index]
