"""Measure the refusal detector on labelled answers that it was not tuned on, and write down what was found.

Run it after a change of the detector: python benchmarks/refusal_detector.py
"""

import hashlib
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
        part = [answer for answer in answers if half_of(answer["text"]) == half]
        for name, wanted in (("sensitivity", True), ("specificity", False)):
            ours = [answer for answer in part if answer["refuses"] is wanted]
            right = sum(refuses(answer["text"]) is wanted for answer in ours)
            low, high = proportion_confint(right, len(ours), method="beta")
            found[f"{half}_{name}"] = {
                "value": round(right / len(ours), 4),
                "right": right,
                "of": len(ours),
                "interval_95": [round(low, 4), round(high, 4)],
            }
    return found


if __name__ == "__main__":
    text = json.dumps(measure(), indent=2) + "\n"
    (DATA / "refusal_detector.json").write_text(text)
    print(text, end="")
