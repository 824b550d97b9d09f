"""Change a sealed run at random, a thousand times, and see whether `verify` finds each change and names its place.

    python benchmarks/changed_runs.py --changes 1000

A change is a byte or a line that is replaced, removed, inserted or swapped, in any file of the run or of its twin with
compressed records. `found` counts the changes that verify reports; `named`, those whose file it names and, in records,
leaves and telemetry, whose example, probe, model and repeat; `signed`, those after which the signature still verifies.
Needs the extras `sign` and `zstd`.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.store.integrity.signatures import sign, signature_problems
from insideLLMs.store.integrity.signing_keys import new_key, read_public_key, read_signer
from insideLLMs.store.integrity.verification import verify
from insideLLMs.store.sealed_run import SealedRun
from support.changed_runs import CHANGES, FILES, change_at_random

EXPERIMENT = """
models: [{type: dummy, id: one}, {type: dummy, id: two, args: {responses: {Is: "yes"}}}]
prompts: [{id: plain, template: "{{ question }}"}, {id: short, template: "Briefly: {{ question }}"}]
probes: [{type: equals}, {type: contains, args: {any: ["yes"]}}]
dataset: {examples: [EXAMPLES]}
repeats: 2
"""


PACKED = "records.jsonl.zst"


def make_runs(folder: Path) -> tuple[Path, ...]:
    examples = ", ".join(f'{{id: "item {at}", question: "Is {at} odd? ä", expected: "yes"}}' for at in range(12))
    (folder / "e.yaml").write_text(EXPERIMENT.replace("EXAMPLES", examples))
    new_key(folder / "key", None)
    for options in (("plain",), ("packed", "--compress")):
        command = [sys.executable, "-m", "insideLLMs", "run", "e.yaml", "--quiet", "--run-dir", *options]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        sign(SealedRun.open(folder / options[0]), read_signer(folder / "key", lambda: None))
    return folder / "plain", folder / "packed"


def is_signed(run: Path) -> bool:
    try:
        return not list(signature_problems(SealedRun.open(run), [("key", read_public_key(run.parent / "key.pub"))]))
    except RunDirectoryError:
        return False


def problems(run: Path) -> list[str]:
    try:
        return verify(run).problems
    except RunDirectoryError as error:
        return [error.message]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    drawn, tally = random.Random(options.seed), Counter()
    with tempfile.TemporaryDirectory() as folder:
        runs = make_runs(Path(folder))
        assert all(map(is_signed, runs))
        while tally["made"] < options.changes:
            run, name, change = drawn.choice(runs), drawn.choice(FILES), drawn.choice(list(CHANGES))
            name = PACKED if name == "records.jsonl" and run.name == "packed" else name
            made = change_at_random(run, name, change, drawn)
            if made is None:
                continue
            with made as words:
                told, signed = problems(run), is_signed(run)
            found = bool(told)
            named = any(
                name.removesuffix(".zst") in problem and all(word in problem for word in words) for problem in told
            )
            for key in ("made", name, change):
                tally[key] += 1
                tally[key, "found"] += found
                tally[key, "named"] += named
                tally[key, "signed"] += signed
            if not named:
                print(f"not named: {change} in {name}: {words}: {told[:2]}")
    print(f"{'':24}{'made':>6}{'found':>7}{'named':>7}{'signed':>8}")
    for key, label in [*((each, each) for each in (*FILES, PACKED, *CHANGES)), ("made", "all")]:
        print(f"{label:24}{tally[key]:6}{tally[key, 'found']:7}{tally[key, 'named']:7}{tally[key, 'signed']:8}")
    sys.exit(tally["made", "named"] != tally["made"] or tally["made", "signed"] > 0)


if __name__ == "__main__":
    main()
