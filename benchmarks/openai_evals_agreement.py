"""Our verdicts beside those of OpenAI's evals, on the same stored answers; every disagreement with its reason.

    pip install --no-deps evals
    insidellms model pull smollm2
    python benchmarks/openai_evals_agreement.py --run RUN [--examples 40]

RUN is made if it is not there: the embedded model answers four sets of the evals registry, and the probe `logic`
scores. The package's own scorers need its SDK and a server, so their rules are written down here, as they stand in
evals 3.0.1 (MIT, github.com/openai/evals): Match in evals/api.py, record_and_check_match: an answer is right that
starts with an ideal; FuzzyMatch in evals/elsuite/utils.py, fuzzy_match: right is what holds the ideal, or is part of
it, without case, punctuation and articles. Numbers that were seen stand in openai_evals_agreement.md.
"""

import argparse
import asyncio
import json
import re
import string
from collections import Counter
from pathlib import Path

from insideLLMs.api.run import RunOptions, arun
from insideLLMs.core.experiment import DatasetSpec, ExecutionSpec, Experiment, ModelSpec, ProbeSpec

SETS = {"logic-statements": "fuzzy", "logiqa": "match", "regex-match": "match", "unsolvable_questions": "match"}


def normalise(text):
    """Lower a text, and take out punctuation, articles and further spaces."""
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def theirs(rule, answer, ideals):
    """Judge as evals does."""
    if rule == "match":
        return any(answer.startswith(ideal) for ideal in ideals)
    said = normalise(answer)
    return any(
        said == ideal if not said or not ideal else said in ideal or ideal in said for ideal in map(normalise, ideals)
    )


def reason(rule, answer, ideals, *, ours, label):
    """Say why the two verdicts differ."""
    if ours:
        low = answer.casefold()
        if any(low.startswith(ideal.casefold()) for ideal in ideals):
            return "looser: letters differ in case"
        if any(low.startswith(ideal.casefold().strip(string.punctuation)) for ideal in ideals):
            return "looser: punctuation differs"
        return "looser: the answer comes to the ideal, but does not begin with it"
    for ideal in ideals:
        if rule == "match" and answer.startswith(ideal) and answer[len(ideal) : len(ideal) + 1].isalnum():
            return "stricter: the ideal is only the beginning of another word"
        if rule == "fuzzy" and normalise(ideal) not in normalise(answer).split():
            return "stricter: the ideal is only part of another word, or the answer part of the ideal"
    return f"stricter: the answer goes on to say something else (read as {label or 'nothing clear'})"


async def answered(path, examples):
    """Let the embedded model answer."""
    experiment = Experiment(
        name="evals",
        models=(ModelSpec(type="embedded", id="m", args={"model_name": "smollm2", "max_tokens": 24}),),
        probes=tuple(ProbeSpec(type="logic", id=name, datasets=(name,)) for name in SETS),
        datasets=tuple(DatasetSpec(name=name, format="openai_evals", args={"name": name}) for name in SETS),
        max_examples=examples,
        execution=ExecutionSpec(concurrency=2, timeout_s=600, attempt_timeout_s=300),
    )
    await arun(experiment, folder=Path(), options=RunOptions(run_dir=path))


def main():
    """Compare, and print a table and every disagreement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=40)
    options = parser.parse_args()
    if not options.run.exists():
        asyncio.run(answered(options.run, options.examples))
    tables = {name: Counter() for name in SETS}
    told = []
    for line in (options.run / "records.jsonl").read_bytes().splitlines():
        record = json.loads(line)
        name, answer = record["probe"], (record.get("response") or {}).get("text")
        if answer is None:
            tables[name]["unanswered"] += 1
            continue
        ideals = record["example"]["expected"]
        ours = record["scores"]["passed"] is True
        reference = theirs(SETS[name], answer, ideals)
        tables[name][ours, reference] += 1
        if ours != reference:
            why = reason(SETS[name], answer, ideals, ours=ours, label=record["scores"]["label"])
            told.append((name, record["example_id"], why, ideals, answer[:100]))
    print(
        "| set | rule of evals | answers | both right | both wrong | only ours right | only theirs right | agreement |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, table in tables.items():
        cells = [table[pair] for pair in ((True, True), (False, False), (True, False), (False, True))]
        n = sum(cells)
        share = f"{(cells[0] + cells[1]) / n:.1%}" if n else "-"
        print(f"| {name} | {SETS[name]} | {n} | {' | '.join(map(str, cells))} | {share} |")
    print()
    for why, count in Counter((name, why) for name, _, why, _, _ in told).most_common():
        print(f"- {why[0]}, {why[1]}: {count}")
    print()
    for name, example, why, ideals, answer in told:
        print(f"- {name} {example}: {why}; ideal {ideals!r}, answer {answer!r}")


if __name__ == "__main__":
    main()
