"""What an audit found: which damages of stored answers the checks notice, and at what share the gate fails."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from insideLLMs.compare.auditing.catch_rates import CatchRate
from insideLLMs.compare.one_run.verdict import State

AuditState = Literal["caught", "missed", "harmless", "cannot tell", "does not apply"]


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A check, as an experiment or an example writes it, that passes the stored answers and fails the damaged ones.

    `examples` are those that it is for; none where it is for all. `checks` is a list of one check. It `needs_probe`
    where the probe itself does not read the checks of an example.
    """

    checks: tuple[dict[str, object], ...]
    examples: tuple[str, ...] = ()
    needs_probe: bool = True


class UnnoticedExample(msgspec.Struct, frozen=True, kw_only=True):
    """An example whose damaged answer passes like the stored one; `why` is what its probe says of the damaged one."""

    dataset: str
    example_id: str
    subject: str
    before: str
    after: str
    why: str


class DamageFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one damage in the examples of one probe and subject.

    Of `applies` examples with a stored answer that the damage can change, `noticed` got worse scores, and `elsewhere`
    more only with another probe that scores the same answers. `harmless` ones come to the same for the probe and are
    not counted among `applies`; `failing` ones failed before the damage, so nothing can be noticed of them. `rates`
    are of the gate; none where it could not decide.
    `needed` is about how many examples the gate needs to catch the damage at `share`, None where more do not help.
    `hole` says what of the gate lets the damage pass, whatever is checked; there are no `suggestions` then.
    """

    damage: str
    applies: int
    noticed: int
    elsewhere: int
    failing: int
    harmless: int
    rates: tuple[CatchRate, ...] = ()
    unnoticed: tuple[UnnoticedExample, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    needed: int | None = None
    hole: str = ""
    state: AuditState

    @property
    def missed(self) -> int:
        """The examples in which nothing notices the damage although something could."""
        return self.applies - self.failing - self.noticed - self.elsewhere


class ProbeAudit(msgspec.Struct, frozen=True, kw_only=True):
    """One probe over one subject: of its `examples`, so many have an answer that can be damaged.

    `not_audited` says why there are no findings.
    """

    probe: str
    subject: str
    examples: int
    answered: int
    policy: str = ""
    findings: tuple[DamageFinding, ...] = ()
    not_audited: str = ""


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `audit --json` prints. `gate` is how the gate decides on the run as it is, held against itself.

    A damage is caught if the gate fails with a chance of at least `power` where `share` of the examples have it.
    `damaged` answers were scored again, with `calls` calls.
    """

    run_id: str
    label: str
    policy: str
    gate: State
    gate_reasons: tuple[str, ...]
    share: float
    power: float
    repeats: int
    probes: tuple[ProbeAudit, ...]
    notes: tuple[str, ...] = ()
    damaged: int = 0
    calls: int = 0
    schema_version: Literal["insidellms/audit/1"] = "insidellms/audit/1"

    def findings(self, *states: AuditState) -> Iterator[tuple[ProbeAudit, DamageFinding]]:
        """Yield the findings in one of `states`, with their probes."""
        for probe in self.probes:
            yield from ((probe, found) for found in probe.findings if found.state in states)

    @property
    def is_whole(self) -> bool:
        """Whether every probe was audited, and the gate could decide on each damage that applies."""
        told = any(self.findings("caught", "missed"))
        return told and not any(probe.not_audited for probe in self.probes) and not any(self.findings("cannot tell"))
