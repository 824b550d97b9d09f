"""Tables of outcomes, imported through the command."""

import csv
from pathlib import Path

from support.command import insidellms

COLUMNS = ("id", "probe", "repeat", "passed", "output", "cluster")


def row(example, passed, *, probe="p", repeat=0, output=None, cluster=""):
    """Make a row of a table; the output follows the verdict unless given, and a passed of None is no answer."""
    text = {1: "right", 0: "wrong", None: ""}.get(passed, "x") if output is None else output
    return (example, probe, repeat, "" if passed is None else passed, text, cluster)


def flips(probe, down, up, same=0):
    """Return (baseline rows, candidate rows) in which `down` items fall and `up` rise."""
    verdicts = [(1, 0)] * down + [(0, 1)] * up + [(1, 1)] * same
    before = [row(f"e{n:04}", first, probe=probe) for n, (first, _) in enumerate(verdicts)]
    after = [row(f"e{n:04}", second, probe=probe) for n, (_, second) in enumerate(verdicts)]
    return before, after


def imported(folder, name, rows):
    """Write the rows as NAME.csv and import them as the run directory NAME."""
    with (Path(folder) / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    done = insidellms("import", f"{name}.csv", "--to", name, cwd=folder)
    assert done.code == 0, done.err
    return Path(folder) / name


def imported_texts(folder, name, rows):
    """Import (id, repeat, text) rows, all of which passed, as the run directory NAME."""
    with (Path(folder) / f"{name}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "repeat", "output", "passed"), *((*row, 1) for row in rows)])
    done = insidellms("import", f"{name}.csv", "--to", name, cwd=folder)
    assert done.code == 0, done.err
