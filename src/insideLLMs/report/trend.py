"""A trend as text with a small plot in each row, and as a page with a chart for each measure."""

from collections.abc import Iterator, Sequence

from insideLLMs.compare.trend import Trend, TrendLine
from insideLLMs.core.types import Interval
from insideLLMs.report.safe_text import printable, shorten
from insideLLMs.report.viewer.page import escape, plain_page

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT, _EDGE = 720, 180, 40
_SHOWN_RUNS = 40
_LABEL_WIDTH = 105


def trend_text(trend: Trend, *, width: int = 80) -> str:
    """Write a row for each measure: its name, one bar for each run (the last 40), the first and the last value."""
    rows = [_cells(line) for line in trend.lines]
    head = ("measure", "runs", "first", "last", "change")
    columns = [max(len(row[place]) for row in (head, *rows)) for place in range(5)]
    columns[0] = max(8, min(columns[0], width - sum(columns[1:]) - 8))
    labels = f"{trend.runs[0].label} … {trend.runs[-1].label}" if len(trend.runs) > 1 else trend.runs[0].label
    lines = [f"{len(trend.runs):,} runs: {shorten(printable(labels), max(20, width - 12))}", ""]
    for row in (head, *rows):
        name = shorten(row[0], columns[0]).ljust(columns[0])
        figures = "  ".join(cell.rjust(size) for cell, size in zip(row[2:], columns[2:], strict=True))
        lines.append(f"{name}  {row[1].ljust(columns[1])}  {figures}".rstrip())
    missing = [f"{run.label} {run.unanswered:,} of {run.trials:,}" for run in trend.runs if run.unanswered]
    if missing:
        lines += ["", shorten(printable(f"not answered: {'; '.join(missing)}"), 4 * width)]
    return "\n".join(lines)


def _cells(line: TrendLine) -> tuple[str, str, str, str, str]:
    known = [point for point in line.points if point is not None]
    name = printable(f"{line.probe} · {line.model} · {line.measure}")
    return (name, _bars(line), _value(line, known[0]), _value(line, known[-1]), _change(line))


def _scale(line: TrendLine) -> tuple[float, float]:
    """Return the range that is drawn: 0 to 1 where the values lie within it, else all of them."""
    ends = [
        end for point in line.points if point for end in (point.value, point.low, point.high) if end is not None
    ]  # fmt: skip
    return min(0.0, *ends), max(1.0, *ends)


def _bars(line: TrendLine) -> str:
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
    return plain_page(title=f"Trend over {len(trend.runs)} runs", body=_body(trend))


def _body(trend: Trend) -> Iterator[str]:
    runs = trend.runs
    for line in trend.lines:
        name = f"{line.probe} · {line.model} · {line.measure}"
        yield f"<section><h2>{escape(name)}</h2>"
        yield _chart(line, [run.label for run in runs], name)
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


def _chart(line: TrendLine, labels: Sequence[str], name: str) -> str:
    low, high = _scale(line)

    def x(place: int) -> float:
        return _EDGE + (_WIDTH - 2 * _EDGE) * (place + 0.5) / len(labels)

    def y(value: float) -> float:
        return _HEIGHT - 24 - (_HEIGHT - 36) * (value - low) / (high - low)

    marks = [
        f'<line class="axis" x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>' for v in (low, high)
    ]
    for v in (low, high):
        told = f"{v:.0%}" if line.is_rate else f"{v:.3g}"
        marks.append(f'<text class="note" x="{_EDGE - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{told}</text>')
    known = [(place, point) for place, point in enumerate(line.points) if point is not None]
    path = " ".join(f"{x(place):.1f},{y(point.value):.1f}" for place, point in known)
    marks.append(f'<polyline class="path" points="{path}"/>')
    for place, point in known:
        if point.low is not None and point.high is not None:
            ends = f'y1="{y(point.low):.1f}" y2="{y(point.high):.1f}"'
            marks.append(f'<line class="bar" x1="{x(place):.1f}" x2="{x(place):.1f}" {ends}/>')
        told = escape(f"{labels[place]}: {_value(line, point)}")
        marks.append(
            f'<circle class="dot" cx="{x(place):.1f}" cy="{y(point.value):.1f}" r="4"><title>{told}</title></circle>'
        )
    every = -(-len(labels) * _LABEL_WIDTH // (_WIDTH - 2 * _EDGE))  # rounded up: labels never overlap
    for place in range(0, len(labels), every):
        told = escape(shorten(labels[place], 14))
        marks.append(f'<text class="note" x="{x(place):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{told}</text>')
    told = escape(f"{name} over {len(labels)} runs, change {_change(line)}")
    return f'<svg class="trend" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{told}">{"".join(marks)}</svg>'
