"""A run to a URL: what is answered is uploaded while models think, and the run is published once it is sealed."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from insideLLMs.core.errors import RemoteError
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.journal import Journal
from insideLLMs.store.working_run import WorkingRun, working_run

if TYPE_CHECKING:
    from insideLLMs.store.remote.upload import RunUpload

logger = logging.getLogger(__name__)
_SOONEST_S, _LATEST_S = 1.0, 10.0
_SHARE = 1 / 30
"""Of a run's time until now: so long is waited between uploads, and so much of it is lost with the machine at most."""


@asynccontextmanager
async def working(place: Path | RemoteUrl) -> AsyncIterator[WorkingRun]:
    """Do as `working_run`, on other threads than the loop's."""
    if isinstance(place, Path):
        yield WorkingRun(path=place)
        return
    opened = working_run(place)

    async def close(
        kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await asyncio.to_thread(opened.__exit__, kind, error, trace)

    async with AsyncExitStack() as stack:
        work = await asyncio.to_thread(opened.__enter__)
        stack.push_async_exit(close)
        yield work


@asynccontextmanager
async def uploading(upload: "RunUpload | None", journal: Journal, *, processes: int = 1) -> AsyncIterator[None]:
    """Upload what is answered while the block runs; the journal's `keep_up` does so at once.

    It is noted there in how many `processes` the run is made.
    Ends the block with LockedError once another process writes the run.
    """
    if upload is None:
        yield
        return
    await asyncio.to_thread(upload.split, processes)
    journal.keep_up = upload.keep_up
    body = asyncio.current_task()
    assert body is not None
    going = asyncio.create_task(_keep_up(upload))
    going.add_done_callback(lambda task: None if task.cancelled() else body.cancel())
    try:
        yield
    except asyncio.CancelledError:
        if not going.done():
            raise
        body.uncancel()
    finally:
        going.cancel()
        await asyncio.wait([going])
    if not going.cancelled():
        going.result()


async def _keep_up(upload: "RunUpload") -> None:
    now = asyncio.get_running_loop().time
    started, is_told = now(), False
    while True:
        await asyncio.sleep(min(_LATEST_S, max(_SOONEST_S, (now() - started) * _SHARE)))
        try:
            await asyncio.to_thread(upload.keep_up)
        except RemoteError as error:
            if not is_told:
                logger.warning("answers stay on this machine until the store answers again: %s", error.message)
            is_told = True
