"""Which answers are draws of their own: of a run since another, a reused answer is the draw of the run that asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from insideLLMs.compare.align import Aligned
from insideLLMs.compare.sides import RunView
from insideLLMs.core.record_views import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Tells which Trials of a comparison count in its statistics.

    `baseline` is the root of the newest baseline run's records, `others` have those of all other runs. `rescored` are
    the probes that are set up differently on the two sides: a reused answer that they score is evidence of that. Where
    two subjects of one run are compared, every answer counts: each is a draw of its subject.
    """

    every: bool = False
    baseline: str = ""
    others: frozenset[str] = frozenset()
    rescored: frozenset[str] = frozenset()

    @classmethod
    def of(cls, baselines: Sequence[RunView], candidates: Sequence[RunView]) -> "Draws":
        """Return those of a comparison; of each side the last run is aligned, and the others stand beside it."""
        before, after = baselines[-1], candidates[-1]
        if before.root == after.root and before.subjects != after.subjects:
            return ALL_DRAWS
        roots = {run.root for run in (*baselines[:-1], *candidates)} - {"", before.root}
        return cls(
            baseline=before.root, others=frozenset(roots), rescored=_unlike(before.probe_digests, after.probe_digests)
        )

    def counts_before(self, facts: Facts) -> bool:
        """Whether a Trial of the newest baseline run counts: not where another run of the comparison has its answer."""
        return self.every or facts.since is None or facts.since.run not in self.others

    def counts_after(self, pair: Aligned) -> bool:
        """Whether the candidate's Trial counts.

        A reused answer counts where it is the baseline's too and its scores are what changed: by another set-up of the
        probe, or by themselves. One that was asked again because the baseline failed was chosen by its outcome.
        """
        before, after = pair.baseline, pair.candidate
        if after is None or after.since is None or after.since.answer == "canary" or self.every:
            return True
        if after.since.answer == "retried":
            return before is None or before.answered
        if before is None or after.subject != before.subject or after.since.run != self._asked_by(before):
            return False
        return after.probe in self.rescored or before.scores != after.scores

    def _asked_by(self, facts: Facts) -> str:
        return (facts.since.run if facts.since else None) or self.baseline


ALL_DRAWS = Draws(every=True)
"""Of runs of which nothing else is known."""


def counts_beside(facts: Facts) -> bool:
    """Whether a Trial counts that is of a run beside the newest of its side: another may have the answer it reuses."""
    return facts.since is None or facts.since.answer != "reused"


def _unlike(before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[str]:
    return frozenset(probe for probe in before.keys() & after.keys() if before[probe] != after[probe])
