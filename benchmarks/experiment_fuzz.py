"""Damage valid experiment files: is anything sent that was meant to be filled in or read from a file?

    python benchmarks/experiment_fuzz.py --files 2000

Every file has one slip or two: a misspelt key, name, field or file, a brace too few or too many, the spelling of
another tool, a value of another kind, a line left out. Each must either be an error that names file and line, or send
nothing that holds a placeholder or the name of a file. Nothing is asked; the damage follows from the seed.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support import experiment_fuzz


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    ends: Counter[str] = Counter()
    faulty = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for seed in range(options.first_seed, options.first_seed + options.files):
            files, damage = experiment_fuzz.damaged(seed)
            experiment_fuzz.write(Path(folder), files)
            kind, told = experiment_fuzz.outcome(Path(folder))
            ends[kind] += 1
            for fault in experiment_fuzz.faults(kind, told):
                faulty += 1
                print(f"seed {seed} ({damage}) {kind}: {fault}")
    print(f"{options.files:,} damaged experiments: {ends['error']:,} errors with file and line, {ends['sent']:,} run;")
    print(f"{faulty:,} faults: something sent as it stands, or an error without its place")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
