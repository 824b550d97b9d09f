"""The policy `drift`: do the texts of repeated answers come from another distribution?"""

import random

import pytest

from support.command import insidellms
from support.tables import imported_texts

WORDS = ("the", "model", "answers", "in", "plain", "words", "then", "stops")
OTHERS = (*WORDS, "moreover", "delightfully", "indeed")


def texts(folder, name, *, words=WORDS, seed=1, repeats=3, copies=False, items=30):
    draw = random.Random(seed)
    rows = []
    for n in range(items):
        said = [" ".join(draw.choices(words, k=8)) for _ in range(repeats)]
        rows += [(f"e{n:02}", repeat, said[0] if copies else said[repeat]) for repeat in range(repeats)]
    imported_texts(folder, name, rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift")
    texts(folder, "base")
    texts(folder, "again", seed=2)
    texts(folder, "moved", seed=3, words=OTHERS)
    return folder


def drift(folder, *arguments):
    return insidellms("diff", *arguments, "--fail-on", "drift", "--json", "--limit", 0, cwd=folder)


@pytest.mark.parametrize("kernel", ["3-gram", "hamming"])
def test_other_words_fail_and_the_same_words_pass(folder, kernel):
    done = drift(folder, "base", "moved", "--drift", kernel)
    assert done.code == 3
    (rule,) = done.json["verdict"]["rules"]
    assert (rule["drift"]["n"], rule["drift"]["kernel"]) == (30, kernel)
    assert "text drift over 30 examples" in done.json["verdict"]["reasons"][0]
    assert drift(folder, "base", "again", "--drift", kernel).code == 0


def test_it_is_the_same_every_time_and_either_way_round(folder):
    there, back = drift(folder, "base", "again"), drift(folder, "again", "base")
    assert there.json["verdict"]["drift"] == drift(folder, "base", "again").json["verdict"]["drift"]
    assert there.json["verdict"]["drift"]["p"] == back.json["verdict"]["drift"]["p"]


def test_named_a_kernel_it_informs_and_does_not_gate(folder):
    done = insidellms("diff", "base", "moved", "--fail-on", "never", "--drift", "3-gram", cwd=folder)
    assert done.code == 0
    assert "p = 0.001; information only, it does not gate" in " ".join(done.out.split())
    plain = insidellms("diff", "base", "moved", "--fail-on", "never", "--json", cwd=folder)
    assert plain.json["verdict"]["drift"] is None


def test_one_answer_a_side_is_inconclusive(folder):
    texts(folder, "single", repeats=1)
    assert drift(folder, "base", "single").code == 4


def test_several_runs_of_one_answer_are_answers_too(folder):
    for n in range(4):
        texts(folder, f"run{n}", repeats=1, seed=10 + n)
    texts(folder, "two", repeats=2, seed=20)
    done = drift(folder, "run0", "run1", "run2", "run3", "--candidate", "two")
    assert done.code == 0
    assert done.json["verdict"]["drift"]["n"] == 30


def test_copies_are_no_answers_drawn_again(folder):
    texts(folder, "copies", copies=True)
    done = drift(folder, "base", "copies")
    assert done.code == 4
    assert "copies of each other" in done.json["verdict"]["reasons"][0]
