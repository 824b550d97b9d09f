"""What leaving out each sentence of a prompt came to: one that no check notices has no sensor."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from insideLLMs.compare.one_run.verdict import State

SentenceState = Literal["noticed", "not noticed", "cannot tell", "kept"]


class SentenceFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence of a prompt, and how the gate decided between the whole prompt and the one without it.

    `where` names the text that it stands in. `fell` are the examples that passed with it and fail without it. One that
    holds a variable is `kept`. `verdict`, its first `reason` and `run_dir` are there once it was asked.
    """

    where: str
    sentence: str
    state: SentenceState
    verdict: State | None = None
    reason: str = ""
    fell: tuple[str, ...] = ()
    run_dir: str | None = None


class AblationReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `audit --prompt-ablation --json` prints: `examples` were asked with the whole prompt and without each part.

    `planned` is how many calls that takes at most, of which `calls` were made now; none in a dry run.
    """

    run_id: str
    label: str
    examples: tuple[str, ...]
    planned: int
    calls: int
    sentences: tuple[SentenceFinding, ...]
    is_dry: bool = False
    schema_version: Literal["insidellms/ablation/1"] = "insidellms/ablation/1"

    def in_state(self, *states: SentenceState) -> Iterator[SentenceFinding]:
        """Yield the sentences in one of `states`."""
        return (each for each in self.sentences if each.state in states)
