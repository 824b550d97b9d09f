"""Collecting everything that is wrong with an experiment file, each finding with its place in it."""

from collections.abc import Collection
from dataclasses import replace

import msgspec

from insideLLMs.core.arguments import nearest
from insideLLMs.core.documents import Document, FieldPath, dotted
from insideLLMs.core.errors import ConfigError, Problem


class Findings(msgspec.Struct):
    """The problems found so far. `overridden` are paths that the file did not give: they have no line."""

    document: Document
    file: str | None = None
    overridden: Collection[FieldPath] = ()
    problems: list[Problem] = msgspec.field(default_factory=list)

    def add(self, path: FieldPath, message: str, hint: str | None = None) -> None:
        """Note that what stands at `path` is wrong."""
        place = self.place(path)
        self.problems.append(
            Problem(
                message,
                field=dotted(path),
                file=None if self._is_overridden(path) else self.file,
                line=place[0] if place else None,
                column=place[1] if place else None,
                hint=hint,
            )
        )

    def adopt(self, problems: Collection[Problem]) -> None:
        """Take over what reading the text found."""
        self.problems.extend(replace(problem, file=self.file) for problem in problems)

    def place(self, path: FieldPath) -> tuple[int, int] | None:
        """Return line and column of `path`, or None if the file does not say it."""
        if not self.document.places or self._is_overridden(path):
            return None
        return self.document.place(path)

    def _is_overridden(self, path: FieldPath) -> bool:
        return any(path[: len(given)] == given for given in self.overridden)

    def raise_any(self) -> None:
        """Raise ConfigError with all problems in the order of the file, if there are any."""
        if self.problems:
            unique = dict.fromkeys(self.problems)
            raise ConfigError(sorted(unique, key=lambda problem: (problem.line or 0, problem.column or 0)))


def suggestion(word: str, known: Collection[str]) -> str:
    """Hint at the nearest known word, or at all of them."""
    near = nearest(word, list(known))
    return f"did you mean {near!r}?" if near else f"known: {', '.join(known)}" if known else "none are known"
