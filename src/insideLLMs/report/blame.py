"""Who did it, in words: for the terminal, for a pull request, for a page and as JSON."""

from collections.abc import Iterator, Sequence
from textwrap import fill

from insideLLMs.compare.blame.report import BlamedCause, BlamePlan, BlameReport, Share
from insideLLMs.compare.statistics.evidence import tell_p
from insideLLMs.core import canonical
from insideLLMs.report.ci.pull_request import escape
from insideLLMs.report.safe_text import printable
from insideLLMs.report.wording import many

_TITLES = {
    "found": "who did it",
    "provider": "the provider did it",
    "not_reproduced": "it cannot be reproduced",
    "undecided": "not decided",
    "nothing_fell": "nothing fell",
}
_TOLD_FACTORS = 40
_TOLD_NAMES = 6


def blame_document(report: BlameReport) -> bytes:
    """Write the report as JSON: UTF-8, sorted keys, indented."""
    return canonical.pretty(report)


def blame_lines(report: BlameReport) -> tuple[str, ...]:
    """Say who did it and who did not, a sentence a line. Not escaped."""
    return tuple(_lines(report))


def _lines(report: BlameReport) -> Iterator[str]:
    if report.unanswered:
        yield (
            f"{many(report.unanswered, 'example')} with an answer in {report.baseline} got none in {report.candidate}: "
            "what fell may be among them, so run that again"
        )
    if not report.fallen:
        also = "no other example fell" if report.unanswered else "no example fell"
        yield f"{also} from {report.baseline} to {report.candidate}, so there is nobody to blame"
        return
    yield from (_cause(report, cause) for cause in report.causes)
    if report.state == "not_reproduced":
        yield (
            f"asked again, {_of(report.again)} fell with all changes and {_of(report.before)} with none: "
            "nothing shows that it was more than noise"
        )
    yield from _provider(report)
    yield from _innocent(report)
    yield from _open(report)


def _unasked(differences: Sequence[str]) -> Iterator[str]:
    yield from (f"not in the experiments, so only today's can be asked: {told}" for told in differences)


def _cause(report: BlameReport, cause: BlamedCause) -> str:
    names = _names(report, cause.factors)
    p = "" if cause.p is None else f" ({tell_p(cause.p)})"
    fell = f"{_of(cause.fell)} fell, without {cause.without.fell} of {cause.without.asked:,}"
    if len(cause.factors) == 1:
        return f"{names} did it{p}: with it alone {fell}"
    has_parts = any(set(other.factors) < set(cause.factors) for other in report.causes)
    which = "on other examples " if has_parts else ""
    return f"{which}{names} did it together{p}: with all of them {fell}; fewer do not suffice"


def _names(report: BlameReport, numbers: Sequence[int]) -> str:
    return " and ".join(report.factors[number].factor.name for number in numbers)


def _provider(report: BlameReport) -> Iterator[str]:
    p = "" if report.provider_p is None else f" ({tell_p(report.provider_p)})"
    again = f"of the baseline asked again {_of(report.before)} fell"
    if report.provider == "did it":
        yield f"the provider did it{p}, or what else is not in the experiments; {again}"
    elif report.provider == "no sign":
        yield f"there is no sign that the provider changed{p}; {again}"
    elif report.provider == "did not":
        yield f"the provider did not{p}; {again}"
    elif report.before.asked:
        yield f"whether the provider did it is not decided{p}; {again}"
    yield from _unasked(report.unasked)


def _innocent(report: BlameReport) -> Iterator[str]:
    innocent = [verdict.factor.name for verdict in report.factors if verdict.guilt == "did not"]
    if innocent:
        listed = ", ".join(innocent[:_TOLD_NAMES]) + (", ..." if len(innocent) > _TOLD_NAMES else "")
        rest = f"; with all of them and no cause {_of(report.rest)} fell" if report.rest.asked else ""
        changes = many(len(innocent), "change")
        others = f"the other {changes.removeprefix('1 ')}" if report.causes else changes
        yield f"{others} did not: {listed}{rest}"


def _open(report: BlameReport) -> Iterator[str]:
    undecided = [verdict.factor.name for verdict in report.factors if verdict.guilt == "not decided"]
    if report.state == "found" and undecided:
        yield f"of {', '.join(undecided[:_TOLD_NAMES])} it is not decided"
    if report.state == "undecided" or report.budget_ended:
        why = (
            f"the budget of {many(report.max_calls, 'call')} ended"
            if report.budget_ended
            else "the answers vary too much"
        )
        is_open = report.state == "undecided" and report.open_factors
        between = f": between {_names(report, report.open_factors)} it is not decided" if is_open else ""
        fix = "; go on with a larger --max-calls, nothing is asked twice" if report.budget_ended else ""
        yield f"{why}{between}{fix}"
    if report.unexplained and report.state != "not_reproduced":
        yield f"{many(report.unexplained, 'fallen example')} fell again for no cause that could be proved"
    yield from report.remarks


def _of(share: Share) -> str:
    return f"{share.fell} of {many(share.asked, 'answer')}"


def _basis(report: BlameReport) -> str:
    looked = f"{report.looked_at} of {many(report.fallen, 'fallen example')} looked at"
    earlier = ""
    if report.earlier_calls:
        earlier = f", {report.earlier_calls:,} of them by an earlier start (to ask afresh, give another folder: --to)"
    error = (
        "answers are exact, so each question was asked once"
        if report.exact
        else f"the chance of blaming an innocent change is {report.alpha:g} at most, over all looks"
    )
    return f"{looked}, {many(report.calls, 'call')}{earlier}; {error}"


def render_blame(report: BlameReport, *, width: int = 80) -> str:
    """Draw the report for a terminal of so many columns."""
    return "\n".join(_wrapped(printable(line), width) for line in _text(report))


def _wrapped(line: str, width: int) -> str:
    """Break a long line, the rest below where its text begins."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _text(report: BlameReport) -> Iterator[str]:
    yield f"{report.baseline} -> {report.candidate}: {_TITLES[report.state]}"
    yield from (f"  {line}" for line in blame_lines(report))
    if report.factors:
        yield ""
        yield from _rows([(one.factor.name, one.guilt, one.factor.change) for one in report.factors])
    yield ""
    yield _basis(report)
    if report.rounds is not None:
        yield f"every answer is in {report.rounds}"


def _rows(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Yield a line for each difference, and what changed below it."""
    width = max((len(name) for name, _, _ in rows[:_TOLD_FACTORS]), default=0)
    for name, guilt, change in rows[:_TOLD_FACTORS]:
        yield f"  {name:<{width}}  {guilt}".rstrip()
        yield f"      {change}"
    if len(rows) > _TOLD_FACTORS:
        yield f"  and {len(rows) - _TOLD_FACTORS} more"


def render_plan(plan: BlamePlan, *, width: int = 80) -> str:
    """Draw what a blame would look at."""
    return "\n".join(_wrapped(printable(line), width) for line in _plan(plan))


def _plan(plan: BlamePlan) -> Iterator[str]:
    yield f"{plan.baseline} -> {plan.candidate}: {many(plan.fallen, 'example')} fell"
    yield f"{many(len(plan.factors) + 1, 'suspect')}:"
    yield from _rows([(factor.name, "", factor.change) for factor in plan.factors])
    yield "  the provider"
    yield from _unasked(plan.unasked)
    how = "each question once: the models answer exactly" if plan.exact else "questions several times: answers vary"
    yield f"{many(plan.looked_at, 'fallen example')} would be asked again, {how}"
    yield f"at most {many(plan.max_calls, 'call')} (--max-calls), those of judges and of each turn included"


def blame_markdown(report: BlameReport) -> str:
    """Write the report for a pull request; nothing in it is live."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: BlameReport) -> Iterator[str]:
    yield f"### insideLLMs: {_TITLES[report.state]}"
    yield ""
    yield from (f"- {escape(line, 800)}" for line in blame_lines(report))
    yield ""
    if report.factors:
        yield "| change | what | did it? |"
        yield "| --- | --- | --- |"
        for verdict in report.factors[:_TOLD_FACTORS]:
            cells = (escape(verdict.factor.name, 120), escape(verdict.factor.change, 300), verdict.guilt)
            yield f"| {' | '.join(cells)} |"
        yield ""
    yield escape(_basis(report), 500)
