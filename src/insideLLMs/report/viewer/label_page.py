"""The pages on which people label a run's answers: what to label, and the answers one by one."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, urlencode

from insideLLMs.compare.agreed_labels import AgreedLabel
from insideLLMs.compare.run_labels import LabelsReport
from insideLLMs.report.labels import dispute, disputed_name, label_counts, people_lines, verdict_lines
from insideLLMs.report.viewer.page import escape, served_page, table
from insideLLMs.store.labels import MOST_DRAWN

LABEL_PROGRAM = "label.js"
_DRAWN = {
    "random": "any answers: only these measure a judge and correct rates",
    "failed": "answers that did not pass",
    "disagree": "answers on which several judges, or the two orders of a pair, disagree",
    "disputed": "answers on which people differ, to decide",
}
_SHOWN = {"expected": "the expected answer", "model": "the model's name", "verdict": "the probe's verdict"}


def label_path(run: str) -> str:
    """Return where a run is labelled."""
    return f"/runs/{quote(run, safe='')}/label"


def start_page(run: str, person: str, found: LabelsReport, agreed: Mapping[str, AgreedLabel]) -> bytes:
    """Return the page that asks what to label, and shows what people said so far."""
    body = [*_form(run, person), *_so_far(run, found, agreed), '<p><a href="/">All runs</a></p>']
    return served_page(title=f"Label answers of {run}", body=body, program=LABEL_PROGRAM, data={"kind": "start"})


def _form(run: str, person: str) -> Iterator[str]:
    yield f'<form class="sample" action="{label_path(run)}" method="get">'
    yield f"<p>You label as <strong>{escape(person)}</strong>; <code>--as NAME</code> changes that.</p>"
    yield "<fieldset><legend>Which answers</legend>"
    for name, told in _DRAWN.items():
        checked = " checked" if name == "random" else ""
        yield f'<label><input type="radio" name="drawn" value="{name}"{checked}> <b>{name}</b> {told}</label>'
    yield "</fieldset><fieldset><legend>How many</legend><label>answers "
    yield f'<input type="number" name="count" value="50" min="1" max="{MOST_DRAWN}" required></label>'
    yield '<label>order <input name="seed" value="1" size="6" maxlength="100"> '
    yield '<span class="said">the same number gives everybody the same answers in the same order</span></label>'
    yield "</fieldset><fieldset><legend>Show beside question and answer</legend>"
    for name, told in _SHOWN.items():
        yield f'<label><input type="checkbox" name="show" value="{name}"> {told}</label>'
    yield '</fieldset><p><button type="submit">Start</button></p></form>'


def _so_far(run: str, found: LabelsReport, agreed: Mapping[str, AgreedLabel]) -> Iterator[str]:
    if not agreed and not found.stale and not found.elsewhere:
        yield '<p class="nothing">Nobody has labelled an answer of this run yet.</p>'
        return
    yield "<section><h2>What people said</h2>"
    yield from _listed("Labels", label_counts(found))
    yield from _listed("Agreement between people", people_lines(found.people))
    yield from _listed("Agreement of probes with people", verdict_lines(found))
    yield "</section>"
    if found.people.disputed:
        query = urlencode({"drawn": "disputed", "count": min(MOST_DRAWN, len(found.people.disputed))})
        yield "<section><h2>Disputed</h2>"
        yield f'<p><a href="{label_path(run)}?{escape(query)}">Decide them one by one</a></p><div class="wide">'
        rows = ((disputed_name(agreed[answer]), dispute(agreed[answer])) for answer in found.people.disputed)
        yield from table("Answers on which people differ", ("answer", "said"), rows)
        yield "</div></section>"


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    shown = [f"<li>{escape(line.strip())}</li>" for line in lines]
    if shown:
        yield f"<h3>{title}</h3><ul>{''.join(shown)}</ul>"


def answers_page(
    run: str,
    *,
    person: str,
    token: str,
    drawn: str,
    shown: Iterable[str],
    rubrics: Mapping[str, str],
    answers: Iterable[Mapping[str, object]],
) -> bytes:
    """Return the page that shows one answer after another; `token` lets its program store labels.

    `rubrics` say what probes ask of an answer, by id.
    """
    data = {
        "kind": "answers",
        "words": {"pass": "Pass", "fail": "Fail"},
        "save": f"/runs/{quote(run, safe='')}/labels",
        "back": label_path(run),
        "person": person,
        "token": token,
        "drawn": drawn,
        "rubrics": rubrics,
        "shown": sorted(shown),
        "answers": [*answers],
    }
    return _program_page(f"Label answers of {run}", data)


def review_page(file: str, *, token: str, answers: Iterable[Mapping[str, object]]) -> bytes:
    """Return the page on which examples of a file are accepted or rejected, one after another."""
    data = {
        "kind": "review",
        "words": {"pass": "Accept", "fail": "Reject"},
        "save": "/review",
        "back": "/",
        "person": "",
        "token": token,
        "drawn": "failed",
        "shown": [],
        "rubrics": {},
        "answers": [*answers],
    }
    return _program_page(f"Review examples of {file}", data)


def _program_page(title: str, data: Mapping[str, object]) -> bytes:
    body = ["<noscript><p>Labelling needs scripts, which are off.</p></noscript>"]
    return served_page(title=title, body=body, program=LABEL_PROGRAM, data=data)
