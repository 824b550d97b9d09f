"""A verdict as workflow commands of GitHub Actions, which show as annotations of the run."""

from collections.abc import Iterator

from insideLLMs.compare.comparison import Comparison
from insideLLMs.compare.gate import Verdict
from insideLLMs.report import wording
from insideLLMs.report.safe_text import printable, shorten

LIMIT = 10
"""GitHub shows ten annotations of a kind in a step."""
_TEXT_LIMIT = 600
_KINDS = {"passed": "notice", "failed": "error", "inconclusive": "warning"}


def annotations(comparison: Comparison, verdict: Verdict, *, limit: int = LIMIT) -> Iterator[str]:
    """Yield one command for the verdict, then one for each Trial to look at first, `limit` in all."""
    title = f"insideLLMs: {wording.MARKS[verdict.state].lower()}"
    yield _command(_KINDS[verdict.state], title, " ".join(f"{reason.rstrip('.')}." for reason in verdict.reasons))
    if verdict.state == "passed":
        return
    told = {change.trial: change for change in comparison.changes.listed}
    several = len(comparison.models) > 1
    for name in verdict.look_first[: max(0, limit - 1)]:
        change = told.get(name)
        kind, note = (wording.words(change.kind), change.note) if change else ("look at", "")
        yield _command("warning", f"{kind}: {wording.trial(name, several=several)}", note or kind)


def _command(kind: str, title: str, text: str) -> str:
    """Spell a command; a text can neither end it nor start another one."""
    safe_title = _escape(shorten(printable(title), 200)).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={safe_title}::{_escape(shorten(printable(text), _TEXT_LIMIT))}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
