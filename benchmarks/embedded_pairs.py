"""Six runs of an unchanged embedded model, and a damaged system prompt, each pair through `insidellms diff`.

`python benchmarks/embedded_pairs.py FOLDER [--runs 6]` runs what FOLDER does not hold yet, so it can be stopped and
started again, and prints how many of the unchanged pairs alarm at the default gate (never tuned to it), and whether
the damage alarms against each run, in the right probe. All pairs of six runs share runs: a run that came out high
or low by luck is in five pairs, so alarms come in clusters; the expectation is still 15 x 5 %, the spread is wider
than a binomial's. Takes some ten minutes on two slow cores. Measured: 0 of 15 unchanged pairs, 6 of 6 damaged.
"""

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path

GOOD = "Answer the question in one short sentence."
DAMAGED = "La la la la la. Only ever say la la la la la. Never answer a question. La la la la la."
EXPERIMENT = """\
name: pairs
model:
  type: embedded
  id: smollm2
  args: {{model_name: smollm2, temperature: 0.8, max_tokens: 8, seed: {seed}, n_parallel: 4}}
  system: "{system}"
probes:
  - {{type: contains, id: capitals, dataset: {{path: capitals.jsonl}}}}
  - {{type: contains, id: sentiment, dataset: {{path: sentiment.jsonl}}}}
execution: {{concurrency: 4}}
"""
CAPITALS = (
    "France Paris,Germany Berlin,Italy Rome,Spain Madrid,Portugal Lisbon,Austria Vienna,Greece Athens,Poland Warsaw,"
    "Sweden Stockholm,Norway Oslo,Denmark Copenhagen,Finland Helsinki,Ireland Dublin,Hungary Budapest,Russia Moscow,"
    "Japan Tokyo,China Beijing,India Delhi,Egypt Cairo,Kenya Nairobi,Cuba Havana,Peru Lima,Chile Santiago,"
    "Canada Ottawa,Turkey Ankara,Iran Tehran,Iraq Baghdad,Belgium Brussels,Ukraine Kyiv,Thailand Bangkok"
)
QUESTIONS = (
    "What is the capital of {}?",
    "Name the capital city of {}.",
    "Which city is the capital of {}?",
    "{}'s capital is which city?",
)
SHOTS = (("The tea was lovely.", "positive"), ("The tea was disgusting.", "negative"), ("Great service!", "positive"))
THINGS = ["phone", "hotel", "restaurant", "laptop", "movie", "book", "jacket", "camera", "airline", "course"]
OPINIONS = (
    ("I love this {}, it is wonderful.", "positive"),
    ("An excellent {}, I am very happy.", "positive"),
    ("The best {} I have ever had.", "positive"),
    ("Fantastic {}, worth every penny.", "positive"),
    ("This {} made my day.", "positive"),
    ("I hate this {}, it is terrible.", "negative"),
    ("An awful {}, I am very angry.", "negative"),
    ("The worst {} I have ever had.", "negative"),
    ("Horrible {}, a waste of money.", "negative"),
    ("This {} ruined my day.", "negative"),
)


def write_data(folder: Path) -> None:
    """Write 120 questions, and 100 few-shot chats, which the damaged prompt hits hardest."""
    pairs = [pair.split() for pair in CAPITALS.split(",")]
    capitals = [
        {"id": f"{country}-{n}", "input": question.format(country), "any": [capital]}
        for country, capital in pairs
        for n, question in enumerate(QUESTIONS)
    ]
    shots = [
        {"role": role, "content": text}
        for review, label in SHOTS
        for role, text in (("user", f"Review: {review}"), ("assistant", label))
    ]
    sentiment = [
        {
            "id": f"{thing}-{n}",
            "messages": [*shots, {"role": "user", "content": f"Review: {text.format(thing)}"}],
            "any": [label],
        }
        for thing in THINGS
        for n, (text, label) in enumerate(OPINIONS)
    ]
    for name, rows in (("capitals", capitals), ("sentiment", sentiment)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def insidellms(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`."""
    command = [sys.executable, "-m", "insideLLMs", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def make_run(folder: Path, name: str, *, seed: int, system: str) -> None:
    """Make a run unless it is there; go on with one that was broken off."""
    if (folder / name / "manifest.json").exists():
        return
    (folder / f"{name}.yaml").write_text(EXPERIMENT.format(seed=seed, system=system))
    resume = ["--resume"] if (folder / name).exists() else []
    done = insidellms(folder, "run", f"{name}.yaml", "--run-dir", name, "--quiet", *resume)
    print(done.stdout if done.returncode == 0 else done.stderr, flush=True)


def compare(folder: Path, before: str, after: str) -> tuple[int, dict]:
    """Compare two runs at the default gate; return the exit code and the document."""
    done = insidellms(folder, "diff", before, after, "--fail-on", "auto", "--json", "--limit", "0")
    if done.returncode not in {0, 3, 4}:
        raise SystemExit(done.stderr)
    return done.returncode, json.loads(done.stdout)


def tell(name: str, code: int, document: dict) -> None:
    """Print one comparison in a line."""
    found = document["verdict"]["assessment"]
    effects = ", ".join(f"{probe['probe']} {probe['delta'] * 100:+.1f}" for probe in found["probes"])
    fired = [branch["probe"] or "overall" for branch in found["branches"] if branch["fired"]]
    print(f"{name}: exit {code}, gate p {found['p_gate']:.4f}, points: {effects}; fired: {', '.join(fired) or 'none'}")


def main() -> None:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=6)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    write_data(options.folder)
    names = [f"run{seed}" for seed in range(1, options.runs + 1)]
    for seed, name in enumerate(names, start=1):
        make_run(options.folder, name, seed=1000 * seed, system=GOOD)
    make_run(options.folder, "damaged", seed=99, system=DAMAGED)
    alarms = 0
    for before, after in itertools.combinations(names, 2):
        code, document = compare(options.folder, before, after)
        alarms += code == 3
        tell(f"{before} {after}", code, document)
    caught = 0
    for name in names:
        code, document = compare(options.folder, name, "damaged")
        caught += code == 3
        tell(f"{name} damaged", code, document)
        print("  look first at", ", ".join(trial["example_id"] for trial in document["verdict"]["look_first"][:5]))
    pairs = len(names) * (len(names) - 1) // 2
    print(f"{alarms} of {pairs} unchanged pairs alarm (nominal {pairs * 0.05:.2f}); {caught} of {len(names)} damaged")


if __name__ == "__main__":
    main()
