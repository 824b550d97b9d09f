"""The manifest: what a run directory holds, and the digests that prove it."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from insideLLMs.core.part import Part
from insideLLMs.core.subject import Subject, cross, in_order
from insideLLMs.core.types import JsonValue, Message
from insideLLMs.plan import Selection, judge_id


class FileDigest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The SHA-256 and size of a file's bytes as stored."""

    sha256: str
    size_bytes: int


Bound = float | Literal["-inf", "inf"]
"""One end of a score's range; JSON has no number for one that is open."""


class MemberSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model or probe of the run: its id, its type, what it says defines it, and the digest of that.

    `system` is a model's system prompt, `datasets` what a probe ran over, `score_ranges` what it declares of each of
    its scores.
    """

    id: str
    type: str
    identity: dict[str, JsonValue]
    digest: str
    system: str | None = None
    datasets: tuple[str, ...] = ()
    score_ranges: dict[str, tuple[Bound, Bound]] = {}

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return `score_ranges` as numbers, infinite where a range is open."""
        return {name: (float(first), float(second)) for name, (first, second) in self.score_ranges.items()}


class PromptFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A prompt of the run: its id, what it sends before fields are filled in, and the digest of that."""

    id: str
    digest: str
    messages: tuple[Message, ...] = ()
    system: str | None = None

    @property
    def texts(self) -> dict[str, str]:
        """What it sends, by what it is: one `template`, or a chat's messages with their roles."""
        if len(self.messages) == 1 and self.messages[0].role == "user":
            return {"template": self.messages[0].text}
        return {f"messages[{at}].{turn.role}": turn.text for at, turn in enumerate(self.messages)}


def stored_ranges(ranges: Mapping[str, tuple[float, float]]) -> dict[str, tuple[Bound, Bound]]:
    """Return declared score ranges as the manifest holds them. Raises ValueError or TypeError for what is no pair."""
    return {name: (_bound(first), _bound(second)) for name, (first, second) in ranges.items()}


def _bound(value: float) -> Bound:
    number = float(value)
    if math.isnan(number):
        raise ValueError("a bound is not a number")
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return number


def all_identities(models: Iterable[MemberSpec], probes: Iterable[MemberSpec]) -> dict[str, Mapping[str, JsonValue]]:
    """Return the identities of models by id, and of those that probes ask by their names among the run's models."""
    found: dict[str, Mapping[str, JsonValue]] = {model.id: model.identity for model in models}
    for probe in probes:
        for key in ("judges", "models"):
            asked = probe.identity.get(key)
            found.update({judge_id(probe.id, name): one for name, one in (asked or {}).items()})
    return found


class DatasetFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset of the run: `total` examples were read, `skipped` lines left out, `selected` examples run.

    `images_sha256` covers the image files that its examples name, `part_sha256` the ids of a part that was selected.
    """

    name: str
    sha256: str
    total: int
    selected: int
    skipped: int = 0
    images_sha256: str | msgspec.UnsetType = msgspec.UNSET
    part_sha256: str | msgspec.UnsetType = msgspec.UNSET

    def selection(self, max_examples: int | None) -> Selection:
        """Return how the dataset enters a plan."""
        rule: dict[str, JsonValue] = {}
        if max_examples is not None and self.selected < self.total - self.skipped:
            rule["max_examples"] = max_examples
        if self.images_sha256 is not msgspec.UNSET:
            rule["images"] = self.images_sha256
        if self.part_sha256 is not msgspec.UNSET:
            rule["part"] = self.part_sha256
        return Selection(sha256=self.sha256, count=self.selected, rule=rule)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`manifest.json`. No host, no clock, no path: the same run gives the same bytes everywhere.

    `statuses` counts the records by status; `files` has the canonical files other than this one. A run of a `part`
    of its experiment says so.
    """

    run_id: str
    name: str
    library: dict[str, str]
    models: tuple[MemberSpec, ...]
    probes: tuple[MemberSpec, ...]
    datasets: tuple[DatasetFacts, ...]
    repeats: int
    max_examples: int | None
    trials: int
    statuses: dict[str, int]
    records_root: str
    files: dict[str, FileDigest]
    format: Literal["insidellms/manifest/1"] = "insidellms/manifest/1"
    notes: dict[str, JsonValue] = {}
    prompts: tuple[PromptFacts, ...] = ()
    part: Part | msgspec.UnsetType = msgspec.UNSET

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """What was under test, in the order of the records."""
        return in_order(cross((model.id for model in self.models), (prompt.id for prompt in self.prompts)))
