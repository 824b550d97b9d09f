"""Which spans of a trace stand inside which; the work grows with their number, however deep they are nested."""

from collections import Counter
from collections.abc import Iterable, Mapping

from insideLLMs.trajectories.span import Span


class Nesting:
    """The spans of a trace and the spans around them.

    Where spans name each other as parents, the one with the least id counts as the outermost.
    """

    def __init__(self, known: Mapping[str, Span]) -> None:
        self._around = {name: span.parent if span.parent in known else "" for name, span in known.items()}
        self._inside_out = self._sorted()

    def _sorted(self) -> list[str]:
        """Return the ids, each before that of the span around it; rings of parents are cut."""
        inner = Counter(self._around.values())
        found = [name for name in self._around if not inner[name]]
        self._go_on(found, 0, inner)
        for name in sorted(self._around.keys() - set(found)):
            if inner[name]:  # of a ring that is not cut yet
                start, last = len(found), self._around[name]
                self._around[name] = ""
                inner[last] -= 1
                found.append(last)
                self._go_on(found, start, inner)
        return found

    def _go_on(self, found: list[str], start: int, inner: Counter[str]) -> None:
        """Add every span, from `start` on, whose inner spans are all found."""
        while start < len(found):
            around = self._around[found[start]]
            inner[around] -= 1
            if around and not inner[around]:
                found.append(around)
            start += 1

    def outermost(self) -> dict[str, str]:
        """Return the id of the outermost span around each."""
        tops: dict[str, str] = {}
        for name in reversed(self._inside_out):
            tops[name] = tops.get(self._around[name], name)
        return tops

    def counted(self, names: Iterable[str]) -> Counter[str]:
        """Return how many of these spans stand inside each span, itself among them."""
        within = Counter(names)
        for name in self._inside_out:
            within[self._around[name]] += within[name]
        return within
