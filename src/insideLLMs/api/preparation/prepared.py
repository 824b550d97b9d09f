"""What a run needs but a place to store it: objects, datasets, plan."""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from insideLLMs.api.run_writer import RunFacts
from insideLLMs.core import canonical
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.types import Example, JsonValue
from insideLLMs.execute.adapt import close_model
from insideLLMs.execute.work import Sharing, Work
from insideLLMs.store.manifest import DatasetFacts, MemberSpec, PromptFacts, all_identities


class Source(Protocol):
    """A dataset as the composition sees it: its examples, and the facts that the plan and manifest need."""

    def examples(self) -> Iterator[tuple[int, Example]]: ...
    @property
    def facts(self) -> DatasetFacts: ...


def facts_at_hand(name: str, examples: Iterable[Example]) -> DatasetFacts:
    """Return the facts of examples in memory: their number, and the digest of their lines in the order of ids."""
    lines = [canonical.line(example) for example in sorted(examples, key=lambda example: example.id)]
    digest = hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()
    return DatasetFacts(name=name, sha256=digest, total=len(lines), selected=len(lines))


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Ready-made objects, by id or name, that take the place of what the specs would make.

    `sharing` is that of a run whose experiment does not want independent answers.
    """

    models: Mapping[str, Any] = msgspec.field(default_factory=dict)
    probes: Mapping[str, Any] = msgspec.field(default_factory=dict)
    datasets: Mapping[str, Source] = msgspec.field(default_factory=dict)
    sharing: Sharing = "shared"


class Prepared(Work, frozen=True, kw_only=True):
    """Everything a run needs but a place to store it."""

    experiment: Experiment
    datasets: Mapping[str, Source]
    model_specs: tuple[MemberSpec, ...]
    prompt_facts: tuple[PromptFacts, ...] = ()
    probe_specs: tuple[MemberSpec, ...]

    @property
    def facts(self) -> RunFacts:
        """What the run's files say beside its records."""
        return RunFacts(
            run_id=self.plan.run_id,
            trials=self.plan.total,
            experiment=self.experiment,
            models=self.model_specs,
            prompts=self.prompt_facts,
            probes=self.probe_specs,
            datasets=tuple(self.datasets[name].facts for name in sorted(self.datasets)),
        )

    @property
    def identities(self) -> dict[str, Mapping[str, JsonValue]]:
        """What says of each model what it is, the judges among them."""
        return all_identities(self.model_specs, self.probe_specs)

    async def aclose(self) -> None:
        """Give back the models' connections and memory."""
        await asyncio.gather(*(close_model(ready.model) for ready in self.asked.values()))
        self.threads.close()
