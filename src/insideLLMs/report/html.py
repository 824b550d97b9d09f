"""One run as one page: `report.html`, self-contained, without script, safe to open whatever the model wrote.

Everything is escaped, and a Content-Security-Policy forbids all loading and all script; the one style is
admitted by its hash. The bytes follow from the inputs alone.
"""

import base64
import hashlib
import html
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any, BinaryIO

from insideLLMs.compare.comparison import Answer
from insideLLMs.compare.details import read_record, show_answer, show_prompt, show_value
from insideLLMs.core.types import Record
from insideLLMs.report import wording
from insideLLMs.report.safe_text import printable, shorten

EXAMPLE_LIMIT = 500
"""How many trials the page shows; the rest stay in records.jsonl."""
_TEXT_LIMIT = 4_000
_COLUMNS = ("example", "model", "repeat", "result", "prompt", "expected", "answer", "why")


def write_page(
    out: BinaryIO,
    *,
    manifest: Mapping[str, Any],
    summary: Mapping[str, Any],
    records: Iterable[bytes],
    limit: int = EXAMPLE_LIMIT,
) -> None:
    """Write the page of a run; `manifest` and `summary` are the parsed files, `records` the lines of the third.

    Only the first `limit` records are read.
    """
    out.writelines(piece.encode("utf-8") for piece in _page(manifest, summary, records, limit))


def _page(
    manifest: Mapping[str, Any], summary: Mapping[str, Any], records: Iterable[bytes], limit: int
) -> Iterator[str]:
    style = resources.files("insideLLMs.report").joinpath("page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"Run {manifest['name']}" if manifest.get("name") else "Run"
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n<h1>{_text(title)}</h1>\n"
    )
    yield from _facts(manifest, summary)
    yield from _results(summary)
    yield from _examples(records, total=int(summary["trials"]), limit=limit)
    yield "</main>\n</body>\n</html>\n"


def _facts(manifest: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterator[str]:
    statuses = summary["statuses"]
    answered = f"{statuses.get('success', 0):,} of {summary['trials']:,} answered"
    facts = {
        "run": manifest["run_id"],
        "models": ", ".join(model["id"] for model in manifest["models"]),
        "datasets": ", ".join(f"{dataset['name']} ({dataset['selected']:,})" for dataset in manifest["datasets"]),
        "repeats": str(manifest["repeats"]),
        "trials": f"{answered}; not answered: {wording.unanswered(statuses)}",
        "written by": ", ".join(f"{name} {version}" for name, version in sorted(manifest["library"].items())),
    }
    yield "<dl>\n"
    yield from (f"<dt>{name}</dt><dd>{_text(value)}</dd>\n" for name, value in facts.items())
    yield "</dl>\n"


def _results(summary: Mapping[str, Any]) -> Iterator[str]:
    level = f"{summary['confidence_level']:.0%} interval"
    yield (
        '<h2 id="results">Results</h2>\n<div class="scroll" tabindex="0" role="region" aria-labelledby="results">\n'
        f"<table>\n<thead><tr>{_headings('probe', 'model', 'passed', level, 'no answer', 'scores', 'tokens in/out')}"
        "</tr></thead>\n<tbody>\n"
    )
    for result in summary["results"]:
        scores = "; ".join(
            f"{name} {score['value']:.4g} [{wording.interval(score, percent=False)}] n={score['n']:,}"
            for name, score in result["scores"].items()
        )
        rate = wording.rate(result["passed"], result["scored"]) if result["scored"] else "no verdict"
        spread = wording.interval(result["pass_rate"], percent=True) if result["pass_rate"] else "–"
        usage = result["usage"]
        tokens = "/".join(
            "–" if usage.get(name) is None else f"{usage[name]:,}" for name in ("input_tokens", "output_tokens")
        )
        yield f'<tr><th scope="row">{_text(result["probe"])}</th><td>{_text(result["model"])}</td>'
        yield "".join(f'<td class="number">{_text(cell)}</td>' for cell in (rate, spread))
        yield f"<td>{_text(wording.unanswered(result['statuses']))}</td><td>{_text(scores)}</td>"
        yield f'<td class="number">{tokens}</td></tr>\n'
    yield "</tbody>\n</table>\n</div>\n"


def _examples(records: Iterable[bytes], *, total: int, limit: int) -> Iterator[str]:
    yield '<h2 id="examples">Examples</h2>\n'
    if total > limit:
        yield (
            f'<p class="quiet">The first {limit:,} of {total:,} trials, in the order of records.jsonl, '
            f"which holds the other {total - limit:,}.</p>\n"
        )
    yield (
        '<div class="scroll" tabindex="0" role="region" aria-labelledby="examples">\n<table class="examples">\n'
        f"<thead><tr>{_headings(*_COLUMNS)}</tr></thead>\n<tbody>\n"
    )
    for line, _ in zip(records, range(limit), strict=False):
        yield _row(read_record(line))
    yield "</tbody>\n</table>\n</div>\n"


def _row(record: Record) -> str:
    answer = show_answer(record, _TEXT_LIMIT)
    kind, result = _result(answer)
    texts = {
        "prompt": show_prompt(record.example),
        "expected": " | ".join(show_value(value) for value in record.example.expected),
        "answer": wording.told(answer),
        "why": answer.explanation,
    }
    cells = (
        f'<th scope="row">{_text(f"{record.probe} / {record.example_id}")}</th>',
        f'<td data-label="model">{_text(record.model)}</td>',
        f'<td data-label="repeat" class="number">{record.repeat}</td>',
        f'<td data-label="result" class="{kind}">{_text(result)}</td>',
        *(f'<td data-label="{name}" class="text">{_block(text)}</td>' for name, text in texts.items()),
    )
    return f"<tr>{''.join(cells)}</tr>\n"


def _result(answer: Answer) -> tuple[str, str]:
    """Return the style and the words of a Trial's result."""
    if answer.status != "success":
        return "failed", wording.words(answer.status)
    if answer.passed is None:
        return "", ", ".join(f"{name} {value:.4g}" for name, value in answer.scores.items())
    return ("passed", "pass") if answer.passed else ("failed", "fail")


def _headings(*names: str) -> str:
    return "".join(f'<th scope="col">{_text(name)}</th>' for name in names)


def _text(text: str) -> str:
    return html.escape(printable(text))


def _block(text: str) -> str:
    return html.escape(shorten(printable(text, keep_newlines=True), _TEXT_LIMIT))
