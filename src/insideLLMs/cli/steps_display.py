"""What a command is at, once it takes long: a bar on a terminal, else a plain line every few seconds; on stderr."""

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator

from insideLLMs.core.steps import displayed

QUIET_S = 1.5
"""A step that takes less is not worth a word."""
_BAR_EVERY_S, _LINE_EVERY_S = 0.1, 5.0
_BAR_COLUMNS = 30


class StepsDisplay:
    """Says how far a step is and how long it will take; `bar` draws over the last line, `say` writes a new one."""

    def __init__(
        self, *, bar: Callable[[str], None] | None, say: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._bar = bar
        self._say = say
        self._clock = clock
        self._step = ""
        self._began_s = self._next_s = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take in how far a step is: one begins with nothing done, and ends with as many items as there are."""
        now = self._clock()
        if not done:
            self._step, self._began_s, self._next_s = what, now, now + QUIET_S
        elif done == total:
            self.erase()
        elif now >= self._next_s:
            self._next_s = now + (_LINE_EVERY_S if self._bar is None else _BAR_EVERY_S)
            self._show(done, total, now - self._began_s)

    def _show(self, done: int, total: int, elapsed_s: float) -> None:
        left_s = elapsed_s * (total - done) / done if total else None
        if self._bar is None:
            left = "" if left_s is None else f", {left_s:.0f} s to go"
            self._say(f"{self._step}: {done:,}{f' of {total:,}' if total else ''} trials{left}")
            return
        drawn = "━" * round(done / total * _BAR_COLUMNS) if total else ""
        left = "" if left_s is None else f" {dt.timedelta(seconds=round(left_s))}"
        self._bar(f"{self._step} {drawn.ljust(_BAR_COLUMNS, '─')} {done:,}{f'/{total:,}' if total else ''}{left}")

    def erase(self) -> None:
        """Take the bar away, if there is one."""
        if self._bar is not None and self._next_s > self._began_s + QUIET_S:
            self._bar("")
            self._next_s = self._began_s


@contextlib.contextmanager
def showing_steps(*, bar: Callable[[str], None] | None, say: Callable[[str], None]) -> Iterator[None]:
    """Show the steps of what is done in the block; no bar is left of one that was broken off."""
    display = StepsDisplay(bar=bar, say=say, clock=time.monotonic)
    try:
        with displayed(display):
            yield
    finally:
        display.erase()
