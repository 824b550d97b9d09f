"""A part of an experiment: what was selected of it, and how much was left out."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from insideLLMs.core.shard import Shard
from insideLLMs.core.shell_words import as_typed


class PartOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user wants of an experiment: an example must fit one of each kind that is given.

    `only` are patterns of example ids, `tags` are tags of examples; `probes`, `models` and `prompts` are ids or
    patterns of ids. `failed_in` is a run, of which the examples are taken that did not pass. Of all that, a `shard`
    takes its share.
    """

    only: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    failed_in: Path | None = None
    shard: Shard | None = None

    def words(self) -> Iterator[str]:
        """Yield the options as they are typed."""
        kinds = (("only", self.only), ("tag", self.tags), ("probe", self.probes), ("model", self.models))
        for name, values in (*kinds, ("prompt", self.prompts)):
            for value in values:
                yield f"--{name} {as_typed(value)}"
        if self.failed_in is not None:
            yield f"--failed-in {as_typed(self.failed_in)}"
        if self.shard is not None:
            yield f"--shard {self.shard}"


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a run is of, where that is not the whole experiment: `trials` of its `of_trials`.

    The other fields are those of PartOptions; `failed_in` is the id of the run, and `shard_of` that of the run that
    the merged shards are.
    """

    trials: int
    of_trials: int
    only: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    failed_in: str | None = None
    shard: Shard | None = None
    shard_of: str | None = None

    @property
    def name(self) -> str:
        """Which shard it is, if it is one."""
        return "" if self.shard is None else str(self.shard)

    def __str__(self) -> str:
        chosen = PartOptions(
            only=self.only, tags=self.tags, probes=self.probes, models=self.models, prompts=self.prompts,
            failed_in=None if self.failed_in is None else Path(self.failed_in[:12]), shard=self.shard,
        )  # fmt: skip
        return f"a part of the experiment: {self.trials:,} of {self.of_trials:,} trials ({' '.join(chosen.words())})"
