"""How far a long command is: told by the code that does the work, shown by the display that was set, if any."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")
Display = Callable[[str, int, int], None]
"""Called with what is being done, how many items are done, and how many there are; 0 where that is not known."""
_TOLD_EVERY = 1024
_display: ContextVar[Display | None] = ContextVar("insidellms_display", default=None)


@contextlib.contextmanager
def displayed(display: Display) -> Iterator[None]:
    """Tell `display` of what is done in the block, also on threads that it starts by asyncio."""
    token = _display.set(display)
    try:
        yield
    finally:
        _display.reset(token)


def tell(what: str, done: int, total: int = 0) -> None:
    """Tell the display how far a step is whose items are not iterated over; it begins with nothing done."""
    display = _display.get()
    if display is not None:
        display(what, done, total)


def counted(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """Yield `items`, and tell the display how many were taken."""
    display = _display.get()
    return iter(items) if display is None else _shown(items, what, total, display)


def _shown(items: Iterable[Item], what: str, total: int, display: Display) -> Iterator[Item]:
    display(what, done := 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        if done % _TOLD_EVERY == 0:
            display(what, done, total)
    display(what, done, done)
