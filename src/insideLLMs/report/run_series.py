"""Several runs in a row as text and as pages: a trend of each measure, and a watched series with its capital."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from insideLLMs.compare.run_series import Trend, TrendLine, WatchedSeries
from insideLLMs.compare.statistics.evidence import p_value
from insideLLMs.core.errors import ExitCode
from insideLLMs.core.run_summary import Interval
from insideLLMs.report.drawing import StyledText, draw
from insideLLMs.report.safe_text import printable, shorten
from insideLLMs.report.viewer.page import escape, plain_page, table

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT, _EDGE = 720, 200, 56
_SHOWN_RUNS = 40
_SHOWN_LOOKS = 20
_LABEL_WIDTH = 105
_COLUMNS = ("run", "items", "change", "p", "capital")


def _runs(count: int) -> str:
    return f"{count:,} run{'s'[: count != 1]}"


def trend_text(trend: Trend, *, width: int = 80) -> str:
    """Write a row for each measure: its name, one bar for each run (the last 40), the first and the last value."""
    rows = [_trend_cells(line) for line in trend.lines]
    head = ("measure", "runs", "first", "last", "change")
    columns = [max(len(row[place]) for row in (head, *rows)) for place in range(5)]
    columns[0] = max(8, min(columns[0], width - sum(columns[1:]) - 8))
    labels = f"{trend.runs[0].label} … {trend.runs[-1].label}" if len(trend.runs) > 1 else trend.runs[0].label
    lines = [f"{_runs(len(trend.runs))}: {shorten(printable(labels), max(20, width - 12))}", ""]
    for row in (head, *rows):
        name = shorten(row[0], columns[0]).ljust(columns[0])
        figures = "  ".join(cell.rjust(size) for cell, size in zip(row[2:], columns[2:], strict=True))
        lines.append(f"{name}  {row[1].ljust(columns[1])}  {figures}".rstrip())
    missing = [f"{run.label} {run.unanswered:,} of {run.trials:,}" for run in trend.runs if run.unanswered]
    if missing:
        lines += ["", shorten(printable(f"not answered: {'; '.join(missing)}"), 4 * width)]
    if trend.watched:
        lines += ["", series_text(trend.watched, width=width)]
    return "\n".join(lines)


def _trend_cells(line: TrendLine) -> tuple[str, str, str, str, str]:
    known = [point for point in line.points if point is not None]
    name = printable(f"{line.probe} · {line.model} · {line.measure}")
    return (name, _trend_bars(line), _value(line, known[0]), _value(line, known[-1]), _change(line))


def _scale(line: TrendLine) -> tuple[float, float]:
    """Return the range that is drawn: 0 to 1 where the values lie within it, else all of them."""
    ends = [
        end for point in line.points if point for end in (point.value, point.low, point.high) if end is not None
    ]  # fmt: skip
    return min(0.0, *ends), max(1.0, *ends)


def _trend_bars(line: TrendLine) -> str:
    low, high = _scale(line)
    return "".join(
        " " if point is None else _BARS[min(7, int((point.value - low) / (high - low) * 8))]
        for point in line.points[-_SHOWN_RUNS:]
    )


def _value(line: TrendLine, point: Interval) -> str:
    return f"{point.value:.1%}" if line.is_rate else f"{point.value:.3f}"


def _change(line: TrendLine) -> str:
    change = line.change
    if change is None:
        return "–"
    text = f"{change * 100:+.1f} pt" if line.is_rate else f"{change:+.3f}"
    return text.replace("-", "−")


def trend_page(trend: Trend) -> bytes:
    """Write a page: for each measure a chart with its intervals, and its numbers in a table."""
    return plain_page(title=f"Trend over {len(trend.runs)} runs", body=_trend_body(trend))


def _trend_body(trend: Trend) -> Iterator[str]:
    if trend.watched:
        yield "<section><h2>Watch</h2>"
        yield from _series_body(trend.watched)
        yield "</section>"
    runs = trend.runs
    for line in trend.lines:
        name = f"{line.probe} · {line.model} · {line.measure}"
        yield f"<section><h2>{escape(name)}</h2>"
        yield _measure_chart(line, [run.label for run in runs], name)
        yield "<details><summary>Numbers</summary><table><thead><tr>"
        yield '<th scope="col">Run</th><th scope="col">Value</th><th scope="col">Interval</th>'
        yield '<th scope="col">Examples</th><th scope="col">Not answered, of the run</th></tr></thead><tbody>'
        for run, point in zip(runs, line.points, strict=True):
            cells = (_value(line, point), _limits(line, point), f"{point.n:,}") if point else ("–", "–", "–")
            shown = "".join(f"<td>{cell}</td>" for cell in (*cells, f"{run.unanswered:,} of {run.trials:,}"))
            yield f'<tr><th scope="row">{escape(run.label)}</th>{shown}</tr>'
        yield "</tbody></table></details></section>"


def _limits(line: TrendLine, point: Interval) -> str:
    if point.low is None or point.high is None:
        return "–"
    return f"{point.low:.1%} to {point.high:.1%}" if line.is_rate else f"{point.low:.3f} to {point.high:.3f}"


def _measure_chart(line: TrendLine, labels: Sequence[str], name: str) -> str:
    low, high = _scale(line)

    def height(value: float) -> float:
        return (value - low) / (high - low)

    dots = [
        _Dot(
            place=place,
            height=height(point.value),
            title=f"{labels[place]}: {_value(line, point)}",
            bar=None if point.low is None or point.high is None else (height(point.low), height(point.high)),
        )
        for place, point in enumerate(line.points)
        if point is not None
    ]
    lines = [(height(value), f"{value:.0%}" if line.is_rate else f"{value:.3g}") for value in (low, high)]
    return _chart(dots, lines, labels, f"{name} over {len(labels)} runs, change {_change(line)}")


def series_text(found: WatchedSeries, *, width: int = 80) -> str:
    """Write the last 20 looks, the capital as bars on a logarithmic scale up to the threshold, and the verdict."""
    rows = list(_series_rows(found))[-_SHOWN_LOOKS:]
    columns = [max(len(row[place]) for row in (_COLUMNS, *rows)) for place in range(5)]
    columns[0] = max(4, min(columns[0], width - sum(columns[1:]) - 8))
    pool = shorten(printable(", ".join(found.pool)), max(20, width - 12))
    lines = [f"pool  {pool}", f"capital  {_capital_bars(found)}  (alarm at {found.threshold:,.0f})", ""]
    for row in (_COLUMNS, *rows):
        cells = [cell.rjust(size) for cell, size in zip(row[1:], columns[1:], strict=True)]
        lines.append("  ".join([shorten(row[0], columns[0]).ljust(columns[0]), *cells]).rstrip())
    left = len(found.looks) - len(rows)
    return "\n".join(
        [
            *lines,
            *([f"… and {left:,} earlier runs; --json lists them"] if left else []),
            "",
            draw(map(StyledText, _verdict(found)), width=width),
        ]
    )


def _series_rows(found: WatchedSeries) -> Iterator[tuple[str, str, str, str, str]]:
    for place, (run, look) in enumerate(zip(found.runs, found.looks, strict=True)):
        mark = " alarm" if place == found.alarm else ""
        by_run = " (by run)" if look.by_run else ""
        change = f"{look.change * 100:+.1f} pt".replace("-", "−")
        yield f"{printable(run)}{mark}", f"{look.items:,}", change, f"{p_value(look.p)}{by_run}", f"{look.capital:.3g}"


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
        if found.is_thin:
            told = f"{found.missing:,} of {found.trials:,} trials of the pool"
            yield f"  {told} have no unedited answer, or no score, in the newest run."
        else:
            yield "  Nothing could get worse: no earlier run, nor the pool, passed anything. Accept a run that does."
    else:
        yield f"NO ALARM  after {_runs(len(found.looks))} (exit code {int(code)})"
        yield f"  The capital is {found.looks[-1].capital:.3g} of {found.threshold:,.0f}; {chance}."


def _capital_height(found: WatchedSeries, capital: float) -> float:
    """Return where a capital lies between 1/threshold (0) and the threshold (1), on a logarithmic scale."""
    top = math.log(found.threshold)
    return min(1.0, max(0.0, (math.log(max(capital, 1e-300)) + top) / (2.0 * top)))


def _capital_bars(found: WatchedSeries) -> str:
    return "".join(_BARS[min(7, int(_capital_height(found, look.capital) * 8))] for look in found.looks[-_SHOWN_RUNS:])


def series_page(found: WatchedSeries) -> bytes:
    """Write a page: the verdict, a chart of the capital with its threshold, and all looks in a table."""
    return plain_page(title=f"Watch over {len(found.runs)} runs", body=_series_body(found))


def _series_body(found: WatchedSeries) -> Iterator[str]:
    yield "".join(f"<p>{escape(line.strip())}</p>" for line in _verdict(found))
    yield f"<p>{escape('Pool: ' + ', '.join(found.pool))}</p>"
    yield _capital_chart(found)
    yield from table("Runs in order", _COLUMNS, _series_rows(found))


def _capital_chart(found: WatchedSeries) -> str:
    dots = [
        _Dot(place=place, height=_capital_height(found, look.capital), title=f"{run}: capital {look.capital:.3g}")
        for place, (run, look) in enumerate(zip(found.runs, found.looks, strict=True))
    ]
    lines = [(_capital_height(found, level), f"{level:,.3g}") for level in (1.0, found.threshold)]
    label = f"Capital over {len(found.looks)} runs, alarm at {found.threshold:,.0f}"
    return _chart(dots, lines, found.runs, label)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dot:
    """A run's value in a chart: heights go from 0 (bottom) to 1, `bar` is its interval."""

    place: int
    height: float
    title: str
    bar: tuple[float, float] | None = None


def _chart(dots: Sequence[_Dot], lines: Sequence[tuple[float, str]], runs: Sequence[str], label: str) -> str:
    """Draw a value of each run over horizontal `lines`, each a height with its text."""
    marks: list[str] = []
    for height, told in lines:
        y = _y(height)
        marks.append(f'<line class="axis" x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text class="note" x="{_EDGE - 6}" y="{y + 4:.1f}" text-anchor="end">{told}</text>')
    path = " ".join(f"{_x(dot.place, runs):.1f},{_y(dot.height):.1f}" for dot in dots)
    marks.append(f'<polyline class="path" points="{path}"/>')
    for dot in dots:
        x = f"{_x(dot.place, runs):.1f}"
        if dot.bar is not None:
            low, high = map(_y, dot.bar)
            marks.append(f'<line class="bar" x1="{x}" x2="{x}" y1="{low:.1f}" y2="{high:.1f}"/>')
        title = f"<title>{escape(dot.title)}</title>"
        marks.append(f'<circle class="dot" cx="{x}" cy="{_y(dot.height):.1f}" r="4">{title}</circle>')
    every = -(-len(runs) * _LABEL_WIDTH // (_WIDTH - 2 * _EDGE))  # rounded up: labels never overlap
    for place in range(0, len(runs), every):
        name = escape(shorten(runs[place], 14))
        x = f"{_x(place, runs):.1f}"
        marks.append(f'<text class="note" x="{x}" y="{_HEIGHT - 6}" text-anchor="middle">{name}</text>')
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return f'<svg class="trend" {size} role="img" aria-label="{escape(label)}">{"".join(marks)}</svg>'


def _x(place: int, runs: Sequence[str]) -> float:
    return _EDGE + (_WIDTH - 2 * _EDGE) * (place + 0.5) / len(runs)


def _y(height: float) -> float:
    return _HEIGHT - 24 - (_HEIGHT - 36) * height
