"""Workers of a run on the test's own event loop; each can be lost at any moment, as a process or a machine is."""

import asyncio
import contextlib
import itertools
import time

import msgspec

from insideLLMs.execute.budget import Budget
from insideLLMs.execute.progress import ProgressCounter
from insideLLMs.execute.remote.crews import Crew, WorkerLost
from insideLLMs.execute.remote.dispatcher import Dispatcher
from insideLLMs.execute.remote.worker import RemoteWorker, WorkerSetup
from insideLLMs.execute.work import EngineOptions


class FakeLink:
    """A worker that is lost at the message with the number `lost_at`, before or after the message has arrived."""

    def __init__(self, worker, place, *, lost_at=None, arrives=True):
        self.place = place
        self._worker = worker
        self._messages = itertools.count()
        self._lost_at = lost_at
        self._arrives = arrives
        self._is_lost = asyncio.Event()

    async def tell(self, order):
        await self._deliver(self._worker.tell(order))

    async def hear(self):
        return await self._deliver(self._worker.hear())

    async def _deliver(self, message):
        if next(self._messages) == self._lost_at:
            if self._arrives:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(message, 0.01)
            else:
                message.close()
            self._is_lost.set()
        if self._is_lost.is_set():
            message.close()
            raise WorkerLost(self.place)
        delivering = asyncio.ensure_future(message)
        lost = asyncio.ensure_future(self._is_lost.wait())
        try:
            await asyncio.wait([delivering, lost], return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                raise WorkerLost(self.place)
            return delivering.result()
        finally:
            delivering.cancel()
            lost.cancel()

    def dismiss(self):
        self._is_lost.set()
        self._worker._running.cancel()


class FakeCluster:
    """Hires workers that ask the models of `work`; `losses` has for each, in their order, what FakeLink is given."""

    def __init__(self, work, *, size=2, losses=(), shared=(), crews=None, prepare=None):
        self.work = work
        self.size = size
        self.hired = 0
        self._losses = list(losses)
        self._shared = frozenset(shared)
        self._crews = crews or [tuple(work.models)]
        self._prepare = prepare
        self._store = None

    @contextlib.asynccontextmanager
    async def open(self, store=None):
        self._store = store
        yield [
            Crew(models=models, size=self.size, hire=lambda models=models: self._hire(models)) for models in self._crews
        ]

    async def _hire(self, models):
        self.hired += 1
        worker = RemoteWorker(self._prepare or (lambda: self._setup(models)))
        loss = self._losses.pop(0) if self._losses else {}
        return FakeLink(worker, f"worker {self.hired}", **(loss or {}))

    def _setup(self, models):
        execution = msgspec.structs.replace(self.work.execution, max_tokens=None)
        work = msgspec.structs.replace(
            self.work, models={name: self.work.models[name] for name in models}, datasets={}, execution=execution
        )
        return WorkerSetup(
            work=work,
            options=EngineOptions(budget=Budget(execution, {}) if self.work.execution.max_tokens else None),
            shared=self._shared & work.asked.keys(),
            store=self._store,
            log_level=30,
            aclose=_nothing,
        )


async def _nothing():
    pass


def dispatch(cluster, sink, *, options=None, callback=None, run=asyncio.run):
    """Run the work of a cluster into `sink`."""
    progress = ProgressCounter(callback, total=cluster.work.plan.total, resumed=0, clock=time.monotonic)

    async def start():
        await Dispatcher(cluster.work, sink, progress, options or EngineOptions(), cluster.open).run()

    run(start())
