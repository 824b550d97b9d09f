"""A worker as an actor of Ray: a process of its own, on whichever node has room for it."""

import asyncio
import logging
import os
import socket
from functools import partial

from insideLLMs.api.workers.kit import open_kit
from insideLLMs.execute.remote.messages import LogLine
from insideLLMs.execute.remote.worker import RemoteWorker, WorkerSetup

_OWN_FIELDS = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime"})
_PLAIN = (str, int, float, bool, type(None))


class RayWorker:
    """Hands messages on to a RemoteWorker."""

    def __init__(self, kit: bytes) -> None:
        self._kit = kit
        self._worker: RemoteWorker | None = None

    async def start(self) -> str:
        """Begin to make the models ready; return where this is, as errors and warnings name it."""
        self._worker = RemoteWorker(partial(self._prepare, asyncio.get_running_loop()))
        return f"{socket.gethostname()}, process {os.getpid()}"

    async def tell(self, order: bytes) -> None:
        """Take an order of the driver."""
        assert self._worker is not None
        await self._worker.tell(order)

    async def hear(self) -> bytes:
        """Return the next report to the driver."""
        assert self._worker is not None
        return await self._worker.hear()

    def _prepare(self, loop: asyncio.AbstractEventLoop) -> WorkerSetup:
        assert self._worker is not None
        setup = open_kit(self._kit)
        _log_to(self._worker, loop, setup.log_level)
        return setup


class _LogHandler(logging.Handler):
    """Passes the log on to the driver, from whatever thread it comes."""

    def __init__(self, worker: RemoteWorker, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._worker = worker
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        extra = {
            name: value for name, value in vars(record).items() if name not in _OWN_FIELDS and isinstance(value, _PLAIN)
        }
        text = self.format(record).encode("utf-8", "replace").decode()
        line = LogLine(name=record.name, level=record.levelno, message=text, extra=extra)
        self._loop.call_soon_threadsafe(self._worker.log, line)


def _log_to(worker: RemoteWorker, loop: asyncio.AbstractEventLoop, level: int) -> None:
    ours = logging.getLogger("insideLLMs")
    ours.handlers = [_LogHandler(worker, loop)]
    ours.setLevel(level)
    ours.propagate = False
