"""An event loop whose clock is turned, not waited for: timers fire at once, in order, and no test sleeps."""

import asyncio
import selectors
from concurrent.futures import ThreadPoolExecutor, wait


class VirtualClock:
    """The time of a loop, in seconds."""

    def __init__(self):
        self.now = 0.0


class _TurningSelector(selectors.DefaultSelector):
    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def select(self, timeout=None):
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self._clock.now += timeout
        return ready


class _Threads(ThreadPoolExecutor):
    """What runs on a thread takes no time: the loop stands still until it is done."""

    def submit(self, *args, **options):
        future = super().submit(*args, **options)
        wait([future])
        return future


def run(main, clock=None):
    """Run the coroutine `main` on a loop whose clock is `clock`."""
    clock = clock or VirtualClock()

    def make_loop():
        loop = asyncio.SelectorEventLoop(_TurningSelector(clock))
        loop.time = lambda: clock.now
        loop.set_default_executor(_Threads())
        return loop

    loop = make_loop()
    try:  # not asyncio.Runner, which waits for the threads by the clock of the loop
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
