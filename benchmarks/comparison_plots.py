"""The plots of docs/comparing.md, from our own simulation: `python benchmarks/comparison_plots.py [--trials 300]`.

Every point is that many simulated comparisons through the product's own statistics, with fixed seeds; the band
around a line is the Monte Carlo error (two standard errors).
"""

import argparse
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from simulated_world import ITEMS, answer_run, compare, diffuse, suite

IMAGES = Path(__file__).parent.parent / "docs" / "images"
DROPS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.10)
COLOURS = ("#1b6ca8", "#c05621", "#2f855a", "#805ad5")
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 56, 48, 40, 150
Point = tuple[float, float, float]


def share(trials: int, seed: str, trial: Callable[[random.Random], bool]) -> tuple[float, float]:
    """Return the share of trials that alarm, and two standard errors."""
    hits = sum(trial(random.Random(f"{seed}|{number}")) for number in range(trials))
    rate = hits / trials
    return rate, 2.0 * math.sqrt(max(rate * (1.0 - rate), 1.0 / trials) / trials)


def drop_trial(n: int, drop: float, *, runs: int = 1, repeats: int = 1) -> Callable[[random.Random], bool]:
    """Compare one candidate run that fell by `drop` with `runs` baseline runs over `n` items of the hot suite."""

    def trial(source: random.Random) -> bool:
        chances = suite("hot", n, source)
        baseline = [answer_run(chances, repeats, source) for _ in range(runs)]
        candidate = [answer_run(diffuse(drop)(chances, source), repeats, source)]
        return compare(baseline, candidate).verdict == "failed"

    return trial


def curve(trials: int, name: str, make: Callable[[float], Callable[[random.Random], bool]]) -> list[Point]:
    """Return a point per drop: the drop in points, the share that alarms, its error."""
    return [(drop * 100, *share(trials, f"{name}|{drop}", make(drop))) for drop in DROPS]


def naive_trial(source: random.Random) -> tuple[bool, bool, bool]:
    """Compare two unchanged runs of 8 probes by three gates: any score lower by 2 points, any p < .05, ours."""
    chances = suite("hot", 8 * ITEMS, source)
    before, after = answer_run(chances, 1, source), answer_run(chances, 1, source)
    found = compare([before], [after], per_probe=ITEMS)
    lower = any((probe.delta or 0.0) <= -0.02 for probe in found.probes)
    raw = min(found.overall.p_worse, *(probe.p_worse for probe in found.probes)) < 0.05
    return lower, raw, found.verdict == "failed"


def bars(trials: int) -> list[tuple[str, float]]:
    """Return the false alarms of three gates."""
    counts = [0, 0, 0]
    for number in range(trials):
        for place, alarm in enumerate(naive_trial(random.Random(f"naive|{number}"))):
            counts[place] += alarm
    names = ("any probe 2 points lower", "any p below .05", "policy significant")
    return [(name, count / trials) for name, count in zip(names, counts, strict=True)]


def line_plot(title: str, x_title: str, lines: Sequence[tuple[str, Sequence[Point]]]) -> str:
    """Draw shares over drops as an SVG."""
    right = max(point[0] for _, points in lines for point in points)

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + x / right * (WIDTH - LEFT - RIGHT)
        return across, TOP + (1.0 - min(1.0, max(0.0, y))) * (HEIGHT - TOP - BOTTOM)

    parts = [*_frame(title), *(_grid_line(at, y) for y in (0, 0.25, 0.5, 0.75, 1))]
    parts += [f'<text x="{at(x, 0)[0]:.1f}" y="{HEIGHT - 28}" text-anchor="middle">{x:g}</text>' for x in (0, 2, 5, 10)]
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{x_title}</text>')
    for place, (name, points) in enumerate(lines):
        colour = COLOURS[place]
        band = [at(x, y + error) for x, y, error in points] + [at(x, y - error) for x, y, error in reversed(points)]
        parts.append(f'<polygon points="{_path(band)}" fill="{colour}" opacity="0.15"/>')
        middle_line = _path([at(x, y) for x, y, _ in points])
        parts.append(f'<polyline points="{middle_line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = TOP + 14 + 20 * place
        parts.append(f'<line x1="{WIDTH - RIGHT + 8}" x2="{WIDTH - RIGHT + 28}" y1="{y}" y2="{y}" stroke="{colour}" '
                     f'stroke-width="2"/><text x="{WIDTH - RIGHT + 34}" y="{y + 4}">{name}</text>')  # fmt: skip
    return "\n".join([*parts, "</svg>\n"])


def bar_plot(title: str, values: Sequence[tuple[str, float]]) -> str:
    """Draw shares as horizontal bars, with the nominal five per cent marked."""
    span, height = WIDTH - 200 - 60, 150
    parts = _frame(title, height)
    for place, (name, value) in enumerate(values):
        y = 44 + 32 * place
        parts.append(f'<text x="192" y="{y + 15}" text-anchor="end">{name}</text>')
        parts.append(
            f'<rect x="200" y="{y}" width="{value * span:.1f}" height="20" fill="{COLOURS[1 - (place == 2)]}"/>'
        )
        parts.append(f'<text x="{206 + value * span:.1f}" y="{y + 15}">{value:.1%}</text>')
    nominal = 200 + 0.05 * span
    parts.append(f'<line x1="{nominal:.1f}" x2="{nominal:.1f}" y1="38" y2="138" stroke="#888" stroke-dasharray="4 3"/>')
    return "\n".join([*parts, "</svg>\n"])


def _frame(title: str, height: int = HEIGHT) -> list[str]:
    style = 'font-family="sans-serif" font-size="12"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {style} role="img">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="16" y="22" font-size="14" font-weight="bold">{title}</text>',
    ]


def _grid_line(at: Callable[[float, float], tuple[float, float]], y: float) -> str:
    left, level = at(0, y)
    return (
        f'<line x1="{left:.1f}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}" stroke="#ddd"/>'
        f'<text x="{left - 6:.1f}" y="{level + 4:.1f}" text-anchor="end">{y:.0%}</text>'
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def main() -> None:
    """Simulate and write the plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    trials = parser.parse_args().trials
    IMAGES.mkdir(parents=True, exist_ok=True)
    false_alarms = bars(trials * 4)
    print(false_alarms)
    title = "Unchanged model, 8 probes of 60 items: how often each gate alarms"
    (IMAGES / "false-alarms.svg").write_text(bar_plot(title, false_alarms))
    items = [(f"{n:,} items", curve(trials, f"n{n}", lambda drop, n=n: drop_trial(n, drop))) for n in (100, 500, 2000)]
    print(items)
    title = "How often a true drop fails the gate, one run a side"
    (IMAGES / "power-by-items.svg").write_text(line_plot(title, "true drop in points", items))
    designs = {"1 run": (1, 1), "3 baseline runs": (3, 1), "5 baseline runs": (5, 1), "5 repeats a side": (1, 5)}
    runs = [
        (name, curve(trials, name, lambda drop, r=r, k=k: drop_trial(500, drop, runs=r, repeats=k)))
        for name, (r, k) in designs.items()
    ]
    print(runs)
    title = "500 items: what more runs or repeats buy"
    (IMAGES / "power-by-runs.svg").write_text(line_plot(title, "true drop in points", runs))


if __name__ == "__main__":
    main()
