"""How often each reader of final answers reads another verdict than the answer has, and how often it reads none.

    python benchmarks/answer_fuzz.py [--count 10000] [--seed 0] [--show 20]

The answers are built by a grammar of paraphrases (tests/support/answer_grammar.py): their verdicts are known. Half
of them follow thoughts, which are split off first, as where an answer enters. Exits 0 only if at most 0.2 % are read as
another verdict and at most 3 % are not read, over all and for each reader.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.answer_grammar import READERS, build
from support.answer_reading import outcome

MOST_OTHER, MOST_UNREAD = 0.002, 0.03


def main() -> int:
    """Read the answers, print a table and some of the wrong ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=20)
    options = parser.parse_args()
    counts = {reader: Counter() for reader in READERS}
    shown = Counter()
    for built in build(options.count, options.seed):
        found = outcome(built)
        counts[built.reader][found] += 1
        if found != "right" and shown[found] < options.show:
            shown[found] += 1
            print(f"{found}: {built.reader} {built.language} is {built.says}: {built.answer!r}")
    print("| reader | answers | read as another verdict | unread |\n|---|---|---|---|")
    total = sum(counts.values(), Counter())
    rows = {**counts, "all": total}
    for reader, found in rows.items():
        n = sum(found.values())
        print(f"| {reader} | {n} | {found['other'] / n:.2%} | {found['unread'] / n:.2%} |")
    held = all(
        found["other"] <= MOST_OTHER * sum(found.values()) and found["unread"] <= MOST_UNREAD * sum(found.values())
        for found in rows.values()
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
