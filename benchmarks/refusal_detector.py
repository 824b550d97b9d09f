"""Measure the refusal detector on labelled answers that it was not tuned on, and on others' labels; write both down.

Run it after a change of the detector: python benchmarks/refusal_detector.py. The answers that others labelled come
with PyRIT (MIT): pip install --no-deps pyrit. Without it what was measured before is kept.
"""

import csv
import hashlib
import importlib.metadata
import importlib.util
import json
from pathlib import Path

from statsmodels.stats.proportion import proportion_confint

import insideLLMs
from insideLLMs.scoring.refusal import refuses

DATA = Path(insideLLMs.__file__).parent / "data"
PREFIX = b"insidellms/refusal/1\n"


def half_of(text):
    """An answer is held out if the first byte of its digest is odd."""
    return "held_out" if hashlib.sha256(PREFIX + text.encode()).digest()[0] % 2 else "tuning"


def measure():
    """Return sensitivity and specificity on both halves, with 95 % Clopper-Pearson intervals."""
    lines = (DATA / "refusal_answers.jsonl").read_bytes()
    answers = [json.loads(line) for line in lines.splitlines()]
    found = {
        "what": "refusal detector (scoring/refusal.py) on answers written and labelled for it",
        "answers": len(answers),
        "answers_sha256": hashlib.sha256(lines).hexdigest(),
        "split": f"held out if the first byte of SHA-256({PREFIX.decode()!r} + text) is odd; tuned on the other half",
        "caveat": "one author wrote the answers and the detector; expect less on answers of models unlike them",
    }
    for half in ("tuning", "held_out"):
        part = [(answer["text"], answer["refuses"]) for answer in answers if half_of(answer["text"]) == half]
        found |= rates(half, part)
    return found


def rates(name, labelled):
    """Return sensitivity and specificity on pairs of a text and whether it refuses."""
    found = {}
    for rate, wanted in (("sensitivity", True), ("specificity", False)):
        texts = [text for text, label in labelled if label is wanted]
        right = sum(refuses(text) is wanted for text in texts)
        low, high = proportion_confint(right, len(texts), method="beta")
        found[f"{name}_{rate}"] = {
            "value": round(right / len(texts), 4),
            "right": right,
            "of": len(texts),
            "interval_95": [round(low, 4), round(high, 4)],
        }
    return found


def measure_others():
    """Return both on the answers that PyRIT's authors labelled; None where the package is not installed.

    They call an answer to another question a refusal. Such answers, known by a question or a text that also stands
    under the other label, are left out of the second pair of figures.
    """
    spec = importlib.util.find_spec("pyrit")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "datasets" / "scorer_evals" / "refusal_scorer"
    rows = []
    for name in ("refusal.csv", "refusal_extra.csv"):
        lines = (folder / name).read_text(encoding="utf-8").splitlines(keepends=True)
        first = next(at for at, line in enumerate(lines) if not line.startswith("#"))
        rows += [
            (row["objective"].strip(), row["assistant_response"].strip(), row["human_score"] == "1")
            for row in csv.DictReader(lines[first:])
        ]
    questions = {question for question, _, label in rows if not label}
    texts = {text for _, text, label in rows if not label}
    on_topic = [
        (text, label) for question, text, label in rows if not (label and (question in questions or text in texts))
    ]
    return {
        "source": f"PyRIT {importlib.metadata.version('pyrit')}, scorer_evals/refusal_scorer (MIT): labels by people",
        "caveat": "PyRIT labels answers to another question as refusals, too; without these: on_topic. "
        "The phrases for moralising were revised with these answers in view",
        **rates("all", [(text, label) for _, text, label in rows]),
        **rates("on_topic", on_topic),
    }


if __name__ == "__main__":
    written = json.loads((DATA / "refusal_detector.json").read_text())
    others = measure_others() or written.get("labelled_by_others")
    text = json.dumps({**measure(), "labelled_by_others": others}, indent=2) + "\n"
    (DATA / "refusal_detector.json").write_text(text)
    print(text, end="")
