"""An event loop whose clock is turned, not waited for: timers fire at once, in order, and no test sleeps."""

import asyncio
import selectors
from concurrent.futures import ThreadPoolExecutor, wait


class VirtualClock:
    """The time of a loop, in seconds: where nothing is left to do, it goes on to the next timer."""

    is_held = False

    def __init__(self):
        self.now = 0.0


class HeldClock(VirtualClock):
    """Stands still until a test turns it, from any thread: nothing that returns by itself can be too late."""

    is_held = True

    def turn(self, seconds):
        self.now += seconds
        self.loop.call_soon_threadsafe(lambda: None)  # wakes the loop


class _TurningSelector(selectors.DefaultSelector):
    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def select(self, timeout=None):
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self._clock.is_held:
            return super().select()
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

    clock.loop = loop = make_loop()
    try:  # not asyncio.Runner, which waits for the threads by the clock of the loop
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def by(clock):
    """Return what runs on a loop with this clock."""
    return lambda main: run(main, clock)
