"""A watched series of runs as text, and as a page with its capital against the threshold."""

import math
from collections.abc import Iterator

from insideLLMs.compare.run_series import WatchedSeries
from insideLLMs.core.errors import ExitCode
from insideLLMs.report.safe_text import printable, shorten
from insideLLMs.report.viewer.page import escape, plain_page, table

_SHOWN = 20
_WIDTH, _HEIGHT, _EDGE = 720, 200, 56
_COLUMNS = ("run", "items", "change", "p", "capital")
_BARS = "▁▂▃▄▅▆▇█"


def series_text(found: WatchedSeries, *, width: int = 80) -> str:
    """Write the last 20 looks, the capital as bars on a logarithmic scale up to the threshold, and the verdict."""
    rows = list(_rows(found))[-_SHOWN:]
    columns = [max(len(row[place]) for row in (_COLUMNS, *rows)) for place in range(5)]
    columns[0] = max(4, min(columns[0], width - sum(columns[1:]) - 8))
    pool = shorten(printable(", ".join(found.pool)), max(20, width - 12))
    lines = [f"pool  {pool}", f"capital  {_bars(found)}  (alarm at {found.threshold:,.0f})", ""]
    for row in (_COLUMNS, *rows):
        cells = [cell.rjust(size) for cell, size in zip(row[1:], columns[1:], strict=True)]
        lines.append("  ".join([shorten(row[0], columns[0]).ljust(columns[0]), *cells]).rstrip())
    left = len(found.looks) - len(rows)
    return "\n".join(
        [*lines, *([f"… and {left:,} earlier runs; --json lists them"] if left else []), "", *_verdict(found)]
    )


def _rows(found: WatchedSeries) -> Iterator[tuple[str, str, str, str, str]]:
    for place, (run, look) in enumerate(zip(found.runs, found.looks, strict=True)):
        mark = " alarm" if place == found.alarm else ""
        by_run = " (by run)" if look.by_run else ""
        change = f"{look.change * 100:+.1f} pt".replace("-", "−")
        yield f"{printable(run)}{mark}", f"{look.items:,}", change, f"{look.p:.2g}{by_run}", f"{look.capital:.3g}"


def _verdict(found: WatchedSeries) -> Iterator[str]:
    code = found.exit_code
    chance = f"an unchanged system ever alarms with a chance of at most {found.alpha:.1%}"
    if code is ExitCode.GATE_FAILED:
        run = printable(found.runs[found.alarm or 0])
        yield f"ALARM  since the run {run} (exit code {int(code)})"
        yield f"  The runs got worse: the capital reached {found.threshold:,.0f}; {chance}."
        yield "  Find the cause, or accept the new behaviour: insidellms baseline accept RUN --pool POOL"
    elif code is ExitCode.INCONCLUSIVE:
        yield f"INCONCLUSIVE  (exit code {int(code)})"
        yield f"  {found.missing:,} of {found.trials:,} trials of the pool have no unedited answer in the newest run."
    else:
        yield f"NO ALARM  after {len(found.looks):,} runs (exit code {int(code)})"
        yield f"  The capital is {found.looks[-1].capital:.3g} of {found.threshold:,.0f}; {chance}."


def _height(found: WatchedSeries, capital: float) -> float:
    """Return where a capital lies between 1/threshold (0) and the threshold (1), on a logarithmic scale."""
    top = math.log(found.threshold)
    return min(1.0, max(0.0, (math.log(max(capital, 1e-300)) + top) / (2.0 * top)))


def _bars(found: WatchedSeries) -> str:
    return "".join(_BARS[min(7, int(_height(found, look.capital) * 8))] for look in found.looks[-40:])


def series_page(found: WatchedSeries) -> bytes:
    """Write a page: the verdict, a chart of the capital with its threshold, and all looks in a table."""
    return plain_page(title=f"Watch over {len(found.runs)} runs", body=_body(found))


def _body(found: WatchedSeries) -> Iterator[str]:
    yield "".join(f"<p>{escape(line.strip())}</p>" for line in _verdict(found))
    yield f"<p>{escape('Pool: ' + ', '.join(found.pool))}</p>"
    yield _chart(found)
    yield from table("Runs in order", _COLUMNS, _rows(found))


def _chart(found: WatchedSeries) -> str:
    def y(capital: float) -> float:
        return _HEIGHT - 16 - (_HEIGHT - 40) * _height(found, capital)

    step = (_WIDTH - 2 * _EDGE) / max(1, len(found.looks))
    points = [(_EDGE + step * (place + 0.5), y(look.capital)) for place, look in enumerate(found.looks)]
    path = " ".join(f"{x:.1f},{height:.1f}" for x, height in points)
    marks = [
        f'<line class="axis" x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>'
        f'<text class="note" x="{_EDGE - 6}" y="{y(level) + 4:.1f}" text-anchor="end">{level:,.3g}</text>'
        for level in (1.0, found.threshold)
    ]
    marks.append(f'<polyline class="path" points="{path}"/>')
    for (x, height), run, look in zip(points, found.runs, found.looks, strict=True):
        words = escape(f"{run}: capital {look.capital:.3g}")
        marks.append(f'<circle class="dot" cx="{x:.1f}" cy="{height:.1f}" r="4"><title>{words}</title></circle>')
    label = escape(f"Capital over {len(found.looks)} runs, alarm at {found.threshold:,.0f}")
    return f'<svg class="trend" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(marks)}</svg>'
