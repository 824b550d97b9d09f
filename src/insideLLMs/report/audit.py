"""An audit for the terminal and for Markdown: what would go unnoticed, at what share the gate fails, what to add."""

import json
from collections.abc import Iterable, Iterator, Sequence

from insideLLMs.compare.auditing.ablation import AblationReport, SentenceFinding
from insideLLMs.compare.auditing.audit import AuditReport, DamageFinding, ProbeAudit
from insideLLMs.compare.auditing.catch_rates import SHARES
from insideLLMs.report import wording
from insideLLMs.report.ci.pull_request import escape, fence
from insideLLMs.report.drawing import StyledText, comment, draw
from insideLLMs.report.safe_text import printable
from insideLLMs.report.terminal import render_tables
from insideLLMs.scoring.damages import DAMAGES

_SHOWN_EXAMPLES = 3
_SHOWN_PROBES = 3
_SHOWN_LETTERS = 70
_COLUMNS = ("damage", "noticed", *(f"{share:.0%}" for share in SHARES), "")


def render_audit(report: AuditReport, *, width: int = 80, color: bool = False) -> str:
    """Show a table for each probe, below it what goes unnoticed and what would close the hole."""
    tables = [(_title(report, probe), _COLUMNS, _rows(probe)) for probe in report.probes if probe.findings]
    fixes = [line for title, lines in _fixes(report) for line in _fitted(title, lines, width)]
    return "\n".join(
        (
            render_tables(tables, headline(report), width=width, color=color),
            "",
            *fixes,
            render_tables((), _notes(report), width=width, color=color),
        )
    )


def _fitted(title: str, lines: Iterable[str], width: int) -> Iterator[str]:
    """Wrap the title and comments; what is to be added stays as it is, so that it can be copied."""
    yield from draw([StyledText(printable(title))], width=width).split("\n")
    for line in map(printable, lines):
        yield from comment(line[2:], width=width, indent="  ") if line.startswith("# ") else (f"  {line}",)
    yield ""


def audit_markdown(report: AuditReport) -> str:
    """Write the same in Markdown."""
    lines = [*(f"**{escape(line, 500)}**" for line in headline(report)), ""]
    for probe in report.probes:
        if probe.findings:
            rows = (_COLUMNS, ("---",) * len(_COLUMNS), *_rows(probe))
            lines += [f"### {escape(_title(report, probe), 120)}", "", *(_line(row) for row in rows), ""]
    for title, own in _fixes(report):
        lines += [f"- {escape(title, 300)}", "", fence("\n".join(own), language="yaml"), ""]
    return "\n".join([*lines, *(f"- {escape(note, 500)}" for note in _notes(report)), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escape(cell, 80) for cell in cells)} |"


def headline(report: AuditReport) -> Iterator[str]:
    """Say in a sentence each what the suite would not notice, and what it would."""
    missed: dict[tuple[str, ...], list[str]] = {}
    for name, damage in DAMAGES.items():
        probes = tuple(_name(probe) for probe, found in report.findings("missed") if found.damage == name)
        if probes:
            missed.setdefault(probes, []).append(damage.plural)
    where = f"in {report.share:.0%} of the examples"
    for probes, plurals in missed.items():
        yield f"Your gate would miss {_listed(plurals)} {where}: {_listed(_first(probes))}."
    if not missed and any(report.findings("caught")):
        yield f"Your gate would catch each of these damages {where}."
    for probe in report.probes:
        if probe.not_audited:
            yield f"Not audited: {_name(probe)}: {probe.not_audited}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _first(names: Sequence[str]) -> Sequence[str]:
    rest = len(names) - _SHOWN_PROBES
    return names if rest <= 1 else (*names[:_SHOWN_PROBES], f"{rest:,} more")


def _name(probe: ProbeAudit) -> str:
    return f"{probe.probe} · {probe.subject}"


def _title(report: AuditReport, probe: ProbeAudit) -> str:
    examples = wording.many(probe.answered, "example")
    return f"{_name(probe)}: {examples} x {wording.many(report.repeats, 'repeat')}, gate {probe.policy}"


def _rows(probe: ProbeAudit) -> Iterator[tuple[str, ...]]:
    for found in probe.findings:
        if found.state == "does not apply":
            continue
        rates = {rate.share: rate.caught for rate in found.rates}
        cells = (f"{rates[share]:.0%}" if share in rates else "–" for share in SHARES)
        yield found.damage, _noticed(found), *cells, found.state


def _noticed(found: DamageFinding) -> str:
    told = wording.rate(found.noticed, found.applies - found.failing)
    return f"{told} +{found.elsewhere:,} elsewhere" if found.elsewhere else told


def _fixes(report: AuditReport) -> Iterator[tuple[str, list[str]]]:
    """Yield for each damage that goes unnoticed somewhere: where and why; below all of them, what to add."""
    for probe in report.probes:
        for hole in dict.fromkeys(found.hole for found in probe.findings if found.hole):
            plurals = [DAMAGES[found.damage].plural for found in probe.findings if found.hole == hole]
            yield f"{_name(probe)}: {hole} ({', '.join(plurals)})", []
        for found in probe.findings:
            told = _needed(report, found) if found.state == "missed" else ""
            if found.unnoticed and not found.hole:
                plural, scored = DAMAGES[found.damage].plural, wording.many(found.applies - found.failing, "example")
                title = f"{_name(probe)} does not notice {plural} in {found.missed:,} of {scored}{told}:"
                yield title, list(_seen(found))
            elif told:
                yield f"{_name(probe)} notices {DAMAGES[found.damage].plural}{told}", []
    added = list(_added(report))
    if added:
        yield "To notice them, add:", added


def _needed(report: AuditReport, found: DamageFinding) -> str:
    if found.needed is None or found.needed <= found.applies:
        return ""
    return (
        f"; to catch them in {report.share:.0%} of the examples 4 times out of 5, the gate needs about "
        f"{found.needed:,} examples like these (it has {found.applies:,})"
    )


def _seen(found: DamageFinding) -> Iterator[str]:
    for example in found.unnoticed[:_SHOWN_EXAMPLES]:
        yield f"# {example.example_id} passes as {_short(example.after)}" + (
            f" ({_short(example.why)})" if example.why else ""
        )
        if not any(not each.examples or example.example_id in each.examples for each in found.suggestions):
            yield "# no phrase tells it from the stored answer: a person or a judge has to check it"
    rest = found.missed - _SHOWN_EXAMPLES
    if rest > 0:
        yield f"# and {wording.many(rest, 'more example')}"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return json.dumps(
        plain if len(plain) <= _SHOWN_LETTERS else f"{plain[: _SHOWN_LETTERS - 3]}...", ensure_ascii=False
    )


def _added(report: AuditReport) -> Iterator[str]:
    """Write the checks as YAML: a probe for all examples, or the field of an example."""
    of_examples: dict[str, list[str]] = {}
    of_all: dict[str, str] = {}
    needs_probe = False
    for _, found in report.findings("caught", "missed", "cannot tell"):
        for suggestion in found.suggestions:
            checks = list(map(_flow, suggestion.checks))
            if not suggestion.examples:
                of_all[found.damage] = ", ".join(checks)
            needs_probe = needs_probe or suggestion.needs_probe
            for name in suggestion.examples:
                of_examples.setdefault(name, []).extend(checks)
    for name, checks in of_examples.items():
        yield f"checks: [{', '.join(dict.fromkeys(checks))}]  # in example {name}"
    for damage, told in of_all.items():
        yield f"- {{type: checks, id: not-{damage}, args: {{checks: [{told}]}}}}  # under `probes`"
    if of_examples and needs_probe:
        yield "- {type: checks}  # under `probes`, if it is not there"
    if needs_probe and len({probe.probe for probe in report.probes}) == 1:
        yield "# where the experiment says `probe: X`, write `probes:` and under it `- X` and these"


def _flow(check: dict[str, object]) -> str:
    return "{" + ", ".join(f"{key}: {_value(key, value)}" for key, value in check.items()) + "}"


def _value(key: str, value: object) -> str:
    return str(value) if key == "type" else json.dumps(value, ensure_ascii=False)


def _notes(report: AuditReport) -> Iterator[str]:
    yield (
        f"{wording.many(report.damaged, 'damaged answer')} scored again with {report.calls:,} calls; columns: how "
        "often the gate fails where so many of the examples have the damage"
    )
    for probe in report.probes:
        if probe.answered < probe.examples and not probe.not_audited:
            examples = wording.many(probe.examples, "example")
            yield f"{_name(probe)}: without an answer are {probe.examples - probe.answered:,} of {examples}"
        yield from _left_out(probe)
    yield from report.notes


def _left_out(probe: ProbeAudit) -> Iterator[str]:
    for state, told in (("harmless", "come to the same for the probe, so they are not counted"),
                        ("failing", "failed before, so nothing can be noticed of them")):  # fmt: skip
        counts = [(found.damage, getattr(found, state)) for found in probe.findings if getattr(found, state)]
        if counts:
            names = ", ".join(f"{count:,} {damage}" for damage, count in counts)
            yield f"{_name(probe)}: {names} {told}"
    idle = [found.damage for found in probe.findings if found.state == "does not apply"]
    if idle:
        yield f"{_name(probe)}: nothing to damage there: {', '.join(idle)}"


def render_ablation(report: AblationReport, *, width: int = 80, color: bool = False) -> str:
    """Show what leaving out each sentence came to."""
    rows = [(each.where, each.sentence, _came_to(each, is_dry=report.is_dry)) for each in report.sentences]
    tables = [("Without one sentence of the prompt", ("where", "sentence", "checks"), rows)]
    return render_tables(tables, _ablation_notes(report), width=width, color=color)


def ablation_markdown(report: AblationReport) -> str:
    """Write the same in Markdown."""
    rows = [(each.where, each.sentence, _came_to(each, is_dry=report.is_dry)) for each in report.sentences]
    lines = [_line(row) for row in (("where", "sentence", "checks"), ("---",) * 3, *rows)]
    return "\n".join([*lines, "", *(f"- {escape(note, 500)}" for note in _ablation_notes(report)), ""])


def _came_to(each: SentenceFinding, *, is_dry: bool) -> str:
    if each.state == "kept":
        return "kept: it holds a variable"
    if is_dry:
        return "to be left out"
    fell = f": {', '.join(each.fell[:_SHOWN_EXAMPLES])}{', ...' if len(each.fell) > _SHOWN_EXAMPLES else ''}"
    return f"{each.state}{fell if each.fell else ''}"


def _ablation_notes(report: AblationReport) -> Iterator[str]:
    examples = wording.many(len(report.examples), "example")
    if report.is_dry:
        yield f"at most {report.planned:,} calls over {examples}; nothing was asked"
        return
    unseen = sum(1 for _ in report.in_state("not noticed"))
    yield (
        f"No check notices the loss of {wording.many(unseen, 'sentence')}: they have no sensor."
        if unseen
        else "Every sentence that could be judged has a check that notices its loss."
        if any(report.in_state("noticed"))
        else "Nothing can be told of any sentence."
    )
    yield from dict.fromkeys(f"cannot tell: {each.reason}" for each in report.in_state("cannot tell"))
    yield f"{report.calls:,} calls now, of at most {report.planned:,}, over {examples}"
