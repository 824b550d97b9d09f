"""What a run since another notes of itself in its manifest, under `since`."""

from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.types import JsonValue, Sha256

NOTE = "since"
ALWAYS_ASKED = "of conversations or agents (always asked)"


Day = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What decides which answers are asked again: the baseline's `run` (the root of its records), share and seed."""

    run: Sha256
    canary: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
    seed: str


class ReusedFrom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many Trials have answers that a run asked for, and on which days (ISO 8601) it asked.

    `run` is the root of its records, which two runs of one experiment do not share as they do their `run_id`.
    """

    run: Sha256
    run_id: Sha256
    trials: int
    oldest: Day | None = None
    newest: Day | None = None

    @property
    def words(self) -> str:
        """The run, and when it asked."""
        if self.oldest is None or self.newest is None:
            return f"run {self.run_id[:12]}, asked on a day that it does not say"
        until = "" if self.newest == self.oldest else f" to {self.newest}"
        return f"run {self.run_id[:12]}, asked on {self.oldest}{until}"


class SinceFacts(Begun, frozen=True, kw_only=True):
    """What became of the Trials: `changed` were asked as their requests are new, `canaries` although nothing changed.

    `retried` had no answer in the baseline, `reused` took theirs from `sources`. `asked_again` is the share of what is
    unchanged that canaries came to. Of all canaries since every answer was last asked for, `worse` fell and `better`
    rose. `surprise` says why more were asked again than `canary`. `due` are the roots
    of the runs whose answers were not asked again yet: canaries of the next run are drawn among those. `led` of the
    changed are of probes that lead the talk themselves, and are always asked.
    """

    run_id: str
    changed: int
    canaries: int
    retried: int
    reused: int
    asked_again: float
    worse: int
    better: int
    surprise: str = ""
    due: tuple[str, ...] = ()
    sources: tuple[ReusedFrom, ...] = ()
    led: int | msgspec.UnsetType = msgspec.UNSET

    @property
    def trials(self) -> int:
        """All Trials of the run."""
        return self.changed + self.canaries + self.retried + self.reused

    @property
    def words(self) -> str:
        """What a report says of it: how many answers are reused, of which runs and how old, and what was asked."""
        led = self.led or 0
        asked = [
            (self.changed - led, "new"),
            (led, ALWAYS_ASKED),
            (self.canaries, "asked again though unchanged"),
            (self.retried, "retried"),
        ]
        told = ", ".join(f"{count:,} {what}" for count, what in asked if count) or "no answer was asked for"
        surprise = f"; {self.surprise}" if self.surprise else ""
        if not self.reused:
            return f"no answer of run {self.run_id[:12]} is reused: {told}{surprise}"
        sources = "; ".join(source.words for source in self.sources)
        return f"{self.reused:,} of {self.trials:,} trials reuse answers of {sources}; {told}{surprise}"


_Noted = TypeVar("_Noted", bound=Begun)


def since_facts(notes: Mapping[str, JsonValue]) -> SinceFacts | None:
    """Return what the notes of a sealed run say; None where it is since no other. Raises RunDirectoryError."""
    return read_note(notes, SinceFacts)


def read_note(notes: Mapping[str, JsonValue], kind: type[_Noted]) -> _Noted | None:
    """Return the note as Begun, which an unfinished run has, too, or as SinceFacts. Raises RunDirectoryError."""
    if NOTE not in notes:
        return None
    try:
        return msgspec.convert(notes[NOTE], kind)
    except msgspec.ValidationError as error:
        raise RunDirectoryError(
            f"the manifest's note {NOTE!r} cannot be read: {error}", fix="was it edited, or written by a newer version?"
        ) from error


class _Named(Begun, frozen=True, kw_only=True):
    sources: tuple[ReusedFrom, ...] = ()


def runs_named(notes: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return the roots of the runs that a run is since, or has answers of. Raises RunDirectoryError."""
    named = read_note(notes, _Named)
    return () if named is None else (named.run, *(source.run for source in named.sources))
