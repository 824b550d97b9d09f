"""How a judge agrees with the labelled answers of the presets for answers from retrieved text.

Three judges are measured on the 52 examples of each preset: one that always passes, one that counts shared words (a
floor that any model should beat, and no judge to use), and with `--embedded` the small embedded model. Prints accuracy,
Cohen's kappa, sensitivity (of what people pass) and specificity (of what they fail), and the kinds that each gets wrong
most. Exits 1 if a judge that is right does not agree with every label: then the sets or the reading are at fault.

    python benchmarks/rag_judges.py [--embedded] [--most 52]
"""

import argparse
import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Callable

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.types import Example, Response
from insideLLMs.datasets.examples import ExampleReader
from insideLLMs.datasets.installed import FOLDER
from insideLLMs.probes.judge import JudgeScoredProbe
from insideLLMs.probes.judge_presets import PRESETS

Judge = Callable[[Example, str], str]
_FENCE = re.compile(r"=== [0-9a-f]{16} ===")


def grade(score: float) -> str:
    """Write a judgement as a judge does."""
    return json.dumps({"reason": "counted", "score": score})


def by_words(_: Example, prompt: str) -> str:
    """Pass what shares enough words: the answer with the context or, without one, with the question."""
    question, answer, *found = _FENCE.split(prompt)[2::2]
    context = found[0] if found else question
    words = [set(re.findall(r"\w{3,}", text.lower())) for text in (answer, context)]
    share = len(words[0] & words[1]) / max(len(words[0]), 1)
    return grade(2 if share >= 0.6 else 0)


def embedded() -> Judge:
    """Return the embedded model as a judge."""
    from insideLLMs.providers.in_process.embedded import EmbeddedModel

    model = EmbeddedModel("smollm2", temperature=0, max_tokens=60)
    return lambda _, prompt: model.generate(prompt)


def measure(preset: str, judge: Judge, most: int) -> tuple[Counter[tuple[bool, bool | None]], Counter[str]]:
    """Return how often each verdict met each label, None for one that was not read; and the kinds that it missed."""
    probe, verdicts, missed = JudgeScoredProbe(preset=preset), Counter(), Counter()
    lines = (FOLDER / f"{preset}.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines[:most]:
        example = ExampleReader({}).example(json.loads(line))
        label = bool(example.fields["label"])
        said = judge(example, probe.request(example).messages[0].text)
        try:
            passed = asyncio.run(probe.score_with(example, Response(text=said), {})).passed
        except InsideLLMsError:
            passed = None
        verdicts[label, passed] += 1
        if passed is not label:
            missed[str(example.fields["kind"])] += 1
    return verdicts, missed


def told(verdicts: Counter[tuple[bool, bool | None]]) -> str:
    """Write the agreement; what could not be read agrees with nobody."""
    total = verdicts.total()
    right = verdicts[True, True] + verdicts[False, False]
    people = sum(count for (label, _), count in verdicts.items() if label) / total
    judged = sum(count for (_, passed), count in verdicts.items() if passed) / total
    chance = people * judged + (1 - people) * (1 - judged)
    kappa = (right / total - chance) / (1 - chance) if chance < 1 else 0.0
    rates = [
        verdicts[one, one] / max(1, sum(n for (label, _), n in verdicts.items() if label is one))
        for one in (True, False)
    ]
    unread = sum(count for (_, passed), count in verdicts.items() if passed is None)
    return (
        f"accuracy {right / total:.2f}  kappa {kappa:+.2f}  sensitivity {rates[0]:.2f}  specificity {rates[1]:.2f}"
        f"  unread {unread}  n {total}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedded", action="store_true")
    parser.add_argument("--most", type=int, default=1000)
    given = parser.parse_args()
    judges: dict[str, Judge] = {
        "by the labels": lambda example, _: grade(2 if example.fields["label"] else 0),
        "always passes": lambda *_: grade(2),
        "shared words": by_words,
    }
    if given.embedded:
        judges["embedded smollm2"] = embedded()
    wrong = False
    for preset in PRESETS:
        print(preset)
        for name, judge in judges.items():
            verdicts, missed = measure(preset, judge, given.most)
            print(f"  {name:<17} {told(verdicts)}")
            if name == "shared words":
                print(f"  {'':<17} misses most: {', '.join(kind for kind, _ in missed.most_common(5))}")
            wrong |= name == "by the labels" and bool(missed)
    sys.exit("a judge that is right does not agree with the labels" if wrong else 0)


if __name__ == "__main__":
    main()
