"""Audit a run: damage its stored answers, score them again without a call, and put them to its gate."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from insideLLMs.api.auditing.answers import Item
from insideLLMs.api.auditing.opened import AuditOptions, Damaged, Group, OpenAudit, open_audit
from insideLLMs.api.auditing.suggestions import suggest
from insideLLMs.compare.auditing.audit import (
    AuditReport,
    AuditState,
    DamageFinding,
    ProbeAudit,
    Suggestion,
    UnnoticedExample,
)
from insideLLMs.compare.auditing.catch_rates import SHARES, CatchRates, examples_needed
from insideLLMs.compare.gate.decide import Verdict, rule_of
from insideLLMs.compare.gate.policies import NEVER, POLICIES
from insideLLMs.compare.statistics.evidence import POWER
from insideLLMs.core import canonical
from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import NothingToDoError, OptionError
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.steps import tell
from insideLLMs.core.types import Response, expand
from insideLLMs.report import wording
from insideLLMs.scoring.damages import DAMAGES, Damage
from insideLLMs.store.sealed_run import SealedRun

_SHOWN_CHARACTERS = 300
_UNDECIDABLE = {
    "confirmed": "which asks a model again",
    "churn": "which needs two runs of the baseline",
}
_INSTEAD = (
    "set `gate: {fail_on: regressions}` in the experiment, run it with `--since RUN --canary 0`, which asks nothing "
    "again, and audit the new run"
)


async def audit(run: SealedRun, options: AuditOptions) -> AuditReport:
    """Audit a sealed run. Raises NothingToDoError where nothing could be audited, InsideLLMsError otherwise."""
    damages = _chosen(options.damages, tuple(DAMAGES), "damage")
    _chosen(options.probes, tuple(probe.id for probe in run.manifest.probes), "probe")
    going = await open_audit(run, options)
    found: dict[Group, list[DamageFinding]] = {group: [] for group in going.audited}
    for name in damages:
        damaged = await going.damage(DAMAGES[name])
        for group, findings in found.items():  # on a thread: scorers may wait for a process
            findings.append(await asyncio.to_thread(_finding, going, DAMAGES[name], group, damaged))
    report = _report(going, found)
    if not any(report.findings("caught", "missed", "cannot tell", "harmless")):
        reasons = {f"{probe.probe}: {probe.not_audited}" for probe in report.probes if probe.not_audited}
        raise NothingToDoError(
            f"nothing of {run.path} could be audited: "
            + ("; ".join(sorted(reasons)) or "no damage applies to its answers"),
            fix="give a run with answers that its probes score without a judge",
        )
    return report


def _chosen(names: Sequence[str], known: Sequence[str], kind: str) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}? " if near else ""
            raise OptionError(f"there is no {kind} {name!r}", fix=f"{hint}known: {', '.join(known)}")
    return tuple(name for name in known if not names or name in names)


def _finding(going: OpenAudit, damage: Damage, group: Group, damaged: Damaged) -> DamageFinding:
    probe = group[0]
    items = [item for item in going.groups[group] if going.places(probe, item, damaged)[0]]
    fates = [going.fate(damage, probe, item, damaged) for item in items]
    missed = [item for item, fate in zip(items, fates, strict=True) if fate == "missed"]
    found = DamageFinding(
        damage=damage.name,
        applies=len(items) - fates.count("harmless"),
        noticed=fates.count("noticed"),
        elsewhere=fates.count("elsewhere"),
        failing=fates.count("failing"),
        harmless=fates.count("harmless"),
        unnoticed=tuple(_unnoticed(going, probe, item, damaged) for item in missed),
        suggestions=_suggested(going, damage, group, missed, damaged),
        state="does not apply",
    )
    if going.alone.verdict.state != "passed" or found.applies == found.failing:
        state: AuditState = "cannot tell" if found.applies else "harmless" if found.harmless else "does not apply"
        return msgspec.structs.replace(found, state=state)
    hit = [item for item, fate in zip(items, fates, strict=True) if fate != "harmless"]
    return _rated(going, probe, [_places(item, damaged) for item in hit], damaged, found)


def _places(item: Item, damaged: Damaged) -> list[int]:
    return [place for answer in item.answers for place in answer.places if place in damaged]


def _rated(
    going: OpenAudit, probe: str, places: Sequence[Sequence[int]], damaged: Damaged, found: DamageFinding
) -> DamageFinding:
    """Add at which shares of the examples the gate fails, and how many it would take where it does not."""

    def verdict(chosen: Sequence[int], number: int = 0) -> Verdict:
        return going.decide({place: damaged[place] for item in chosen for place in places[item]}, number).verdict

    def fails(chosen: Sequence[int], number: int) -> bool:
        what = (found.damage, number, tuple(sorted(place for item in chosen for place in places[item])))
        if what not in going.asked:
            asked[0] += 1
            tell(step, asked[0])
            going.asked[what] = verdict(chosen, number).state == "failed"
        return going.asked[what]

    share, step, asked = going.options.share, f"asking the gate: {found.damage}", [0]
    tell(step, 0)
    kinds = [going.kind(each, damaged) for each in places]
    seed = f"{going.run.manifest.run_id}|{found.damage}"
    rates = CatchRates(fails, None if going.redrawn else going.known).of(kinds, seed, tuple(sorted({*SHARES, share})))
    found = msgspec.structs.replace(found, rates=rates, state="caught")
    rate = next(rate for rate in rates if rate.share == share)
    if rate.caught >= POWER:
        return found
    hole = _hole(going, probe, rate.examples, of=len(places))
    if hole:
        return msgspec.structs.replace(found, hole=hole, suggestions=(), state="missed")
    noticed = (found.noticed + found.elsewhere) / found.applies
    rule = rule_of(verdict(range(len(places))), probe) if noticed else None
    return msgspec.structs.replace(found, needed=examples_needed(rule, share * noticed, probe), state="missed")


def _hole(going: OpenAudit, probe: str, size: int, *, of: int) -> str:
    """Say what of the gate lets a damage of `size` examples pass although every one is noticed; "" if nothing does."""
    spec, policy = going.alone.policy.of_probe(probe), POLICIES[going.policy_of(probe)]
    if going.alone.policy.is_absolute:
        return ""
    if policy is NEVER:
        return "the gate's policy is never: no damage can fail it"
    counted = size * (going.run.manifest.repeats if policy.compares_texts else 1)
    if not policy.is_statistical and counted <= spec.tolerance:
        return f"tolerance {spec.tolerance:,} lets {size:,} of {wording.many(of, 'damaged example')} pass"
    if policy.is_statistical and size < spec.min_effect * of:
        return f"min_effect {spec.min_effect:g} lets a drop of {size / of:.0%} pass"
    return ""


def _unnoticed(going: OpenAudit, probe: str, item: Item, damaged: Damaged) -> UnnoticedExample:
    place = going.places(probe, item, damaged)[0][0]
    before, after = going.records[place], damaged[place].record
    return UnnoticedExample(
        dataset=item.dataset,
        example_id=item.example_id,
        subject=item.subject.label,
        before=_told(before.response),
        after=_told(after.response),
        why=after.scores.explanation[:_SHOWN_CHARACTERS] if after.scores is not None else "",
    )


def _told(response: Response | None) -> str:
    if response is None:
        return ""
    said = response.text
    if response.value is not None or response.calls:
        rest = canonical.line([response.value, *map(expand, response.calls)])
        said = f"{said} {rest.decode()}".strip()
    return said if len(said) <= _SHOWN_CHARACTERS else f"{said[: _SHOWN_CHARACTERS - 3]}..."


def _suggested(
    going: OpenAudit, damage: Damage, group: Group, missed: Sequence[Item], damaged: Damaged
) -> tuple[Suggestion, ...]:
    """Suggest checks; one for all examples has to hold of every answer that passes, of whatever probe."""
    places = [going.places(group[0], item, damaged)[0][0] for item in missed]
    pairs = [(going.records[place], damaged[place].record) for place in places]
    passing = [one for one in going.records if one.scores is not None and one.scores.passed is not False]
    return suggest(damage.name, pairs, passing) if pairs else ()


def _report(going: OpenAudit, found: Mapping[Group, Sequence[DamageFinding]]) -> AuditReport:
    run, verdict = going.run, going.alone.verdict
    return AuditReport(
        run_id=run.manifest.run_id,
        label=run.label,
        policy=verdict.resolved,
        gate=verdict.state,
        gate_reasons=_undecidable(going) or verdict.reasons,
        share=going.options.share,
        power=POWER,
        repeats=run.manifest.repeats,
        probes=tuple(_audits(going, found)),
        notes=tuple(_notes(going)),
        damaged=going.damaged,
    )


def _audits(going: OpenAudit, found: Mapping[Group, Sequence[DamageFinding]]) -> Iterator[ProbeAudit]:
    wanted = going.options.probes
    examples: dict[Group, set[tuple[str, str]]] = {}
    for record in going.records:
        if not wanted or record.probe in wanted:
            examples.setdefault((record.probe, record.subject), set()).add((record.dataset, record.example_id))
    for (probe, subject), names in sorted(examples.items(), key=lambda entry: (entry[0][0], entry[0][1].order)):
        answered = len(going.groups.get((probe, subject), ()))
        yield ProbeAudit(
            probe=probe,
            subject=subject.label,
            examples=len(names),
            answered=answered,
            policy=going.policy_of(probe),
            findings=tuple(found.get((probe, subject), ())),
            not_audited=going.scorers.left_out.get(probe, "") or ("" if answered else "it has no answers"),
        )


def _undecidable(going: OpenAudit) -> tuple[str, ...]:
    """Say which policies of the gate an audit cannot decide."""
    policies = {going.policy_of(probe.id) for probe in going.run.manifest.probes}
    told = [(name, why) for name, why in _UNDECIDABLE.items() if name in policies]
    return tuple(f"an audit cannot decide the policy {name}, {why}; {_INSTEAD}" for name, why in told)


def _notes(going: OpenAudit) -> Iterator[str]:
    verdict = going.alone.verdict
    if going.run.experiment.gate == GateSpec():
        yield "the experiment sets no gate; this is how the default one decides"
    undecidable = _undecidable(going)
    if undecidable:
        yield from undecidable
    elif verdict.state != "passed":
        yield (
            "the gate does not pass this run even when it is held against itself, so what it would catch cannot be "
            f"told: {verdict.reasons[0]}"
        )
    elif going.run.manifest.repeats == 1:
        yield "one repeat: these are the rates of a model that answers all other examples as before"
    elif going.redrawn:
        yield "repeats vary, so the other answers are drawn too, as another run of the same model would give them"
