"""The shipped datasets: the index names every file and says its size right; no example is another one over again."""

import itertools
import json
import re

import pytest

from insideLLMs.datasets.installed import FOLDER, shipped_datasets
from support.documents import UPDATE

VARIED = (
    "code_debug", "code_explanation", "code_generation", "encoding", "exfiltration", "factuality",
    "instruction_following", "jailbreak", "judge", "leakage", "logic", "multi_step_task", "prompt_injection",
    "tool_misuse",
)  # fmt: skip
"""Sets whose examples are not variations by design, as counterfactual pairs are."""
MOST_ALIKE = 0.7


def rows(name):
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_every_file_of_examples_is_in_the_index():
    assert {one.name for one in shipped_datasets()} == {path.stem for path in FOLDER.glob("*.jsonl")}


def test_a_size_that_the_index_tells_is_the_size():
    for one in shipped_datasets():
        assert int(re.match(r"\d+", one.about)[0]) == one.examples, one
        assert one.examples >= 50


def test_the_index_pins_the_bytes_of_every_set():
    path = FOLDER / "index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    found = {one.name: one.sha256 for one in shipped_datasets()}
    if UPDATE:
        path.write_text(json.dumps({**index, "sha256": found}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        index["sha256"] = found
    assert index["sha256"] == found, "if the change is meant, run the tests once with INSIDELLMS_UPDATE_DOCS=1"
    assert index["licence"] == "CC0-1.0"


def shown(row):
    """What a model is asked, without the system prompt, and what is judged."""
    if "messages" in row:
        asked = " ".join(message["content"] for message in row["messages"] if message["role"] != "system")
    else:
        asked = next(row[name] for name in ("prompt", "question") if name in row)
    return " ".join([asked, row.get("code", ""), row.get("given", "")])


def runs_of_words(text):
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[start : start + 3]) for start in range(len(words) - 2)} or {tuple(words)}


def alike(one, other):
    """The share of runs of three words that two texts have in common (Jaccard)."""
    return len(one & other) / len(one | other)


@pytest.mark.parametrize("name", VARIED)
def test_no_two_examples_of_a_set_are_nearly_the_same(name):
    found = [(row["id"], row.get("benign") is True, runs_of_words(shown(row))) for row in rows(name)]
    near = [
        (one[0], other[0], round(alike(one[2], other[2]), 2))
        for one, other in itertools.combinations(found, 2)
        if one[1] == other[1] and alike(one[2], other[2]) > MOST_ALIKE
    ]
    assert not near
