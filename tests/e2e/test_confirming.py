"""--confirm and --retest: fresh answers of both sides decide, and are kept where they can be looked at."""

import json

import pytest

from support.command import insidellms, records_of, write_files
from support.openai_server import OpenAIServer

EXPERIMENT = """
name: asked
model: {type: dummy, id: m, args: {responses: {good: "yes", hard: "ANSWER"}, flaky: FLAKY, seed: SEED}}
probe: {type: logic}
dataset: {format: jsonl, path: data.jsonl}
"""
ROWS = [{"id": f"e{i:02}", "question": f"{'hard' if i in (3, 7) else 'good'} {i}?", "answer": "yes"} for i in range(60)]


def run(folder, name, *, answer="yes", flaky=0.02, seed=1):
    text = EXPERIMENT.replace("ANSWER", answer).replace("FLAKY", str(flaky)).replace("SEED", str(seed))
    write_files(folder, {f"{name}.yaml": text, "data.jsonl": ROWS})
    done = insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=folder)
    assert done.code == 0, done.err


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked")
    run(folder, "base", seed=1)
    run(folder, "same", seed=2)
    run(folder, "broken", answer="no", seed=3)
    return folder


def test_two_broken_items_are_too_few_for_the_overall_test_and_are_confirmed(runs):
    assert insidellms("diff", "base", "broken", cwd=runs).code == 0
    done = insidellms("diff", "base", "broken", "--confirm", "--experiment", "base.yaml", "--json", cwd=runs)
    assert done.code == 3, done.out
    confirmed = done.json["verdict"]["confirmed"]
    assert {"e03", "e07"} <= {item["example_id"] for item in confirmed["items"]}
    assert confirmed["calls"] > 0
    assert all(item["candidate_passes"] < item["baseline_passes"] for item in confirmed["items"])
    assert any(
        branch["kind"] == "item" and branch["fired"] for branch in done.json["verdict"]["assessment"]["branches"]
    )


def test_noise_is_not_confirmed(runs):
    for policy in ("auto", "confirmed"):
        done = insidellms(
            "diff", "base", "same", "--confirm", "--experiment", "base.yaml", "--fail-on", policy, cwd=runs
        )
        assert done.code == 0, done.out
    assert "confirmation:" in done.out


def test_fresh_answers_are_kept_beside_the_candidate_with_other_seeds(runs):
    insidellms("diff", "base", "broken", "--confirm", "--experiment", "base.yaml", cwd=runs)
    rounds = sorted(path.name for path in (runs / "broken.confirm").iterdir())
    assert rounds[:5] == ["1-candidate", "2-candidate", "3-baseline", "4-candidate", "5-baseline"]
    first = records_of(runs / "broken.confirm/1-candidate")
    assert {each["repeat"] for each in first} == {0, 1}
    assert insidellms("verify", runs / "broken.confirm/1-candidate", cwd=runs).code == 0
    seeds = [
        line
        for name in ("broken.confirm/1-candidate", "broken.confirm/4-candidate", "broken")
        for line in (runs / name / "config.resolved.yaml").read_text().splitlines()
        if "seed:" in line
    ]
    assert len(set(seeds)) == 3


def test_a_retest_decides_by_fresh_runs_alone(runs):
    run(runs, "bad", answer="no", flaky=0.4, seed=5)
    done = insidellms("diff", "base", "bad", "--retest", "--experiment", "base.yaml", "--json", cwd=runs)
    assert done.code == 3
    assessment = done.json["verdict"]["assessment"]
    assert (assessment["overall"]["baseline_runs"], assessment["overall"]["candidate_runs"]) == (3, 3)
    assert "fresh runs of both sides decide" in done.err
    calm = insidellms("diff", "base", "same", "--retest", "--experiment", "base.yaml", cwd=runs)
    assert calm.code == 0


def test_a_side_that_cannot_be_asked_is_said_and_confirms_nothing(tmp_path):
    run(tmp_path, "base", seed=1)
    run(tmp_path, "broken", answer="no", seed=3)
    (tmp_path / "broken.confirm").write_text("a file where the rounds are to go")
    confirm = ("diff", "base", "broken", "--confirm", "--experiment", "base.yaml")
    done = insidellms(*confirm, cwd=tmp_path)
    only = insidellms(*confirm, "--fail-on", "confirmed", cwd=tmp_path)
    assert "confirmation: not done" in done.out
    assert (done.code, only.code) == (0, 4)


def test_a_retest_keeps_the_policy_and_the_waivers(tmp_path):
    gate = "gate: {fail_on: non-inferior, margin: 0.05}\n"
    rows = [{"id": f"e{i:02}", "question": f"{'hard' if i < 7 else 'good'} {i}?", "answer": "yes"} for i in range(40)]
    for name, answer in (("base", "yes"), ("cand", "no")):
        text = EXPERIMENT.replace("ANSWER", answer).replace("FLAKY", "0").replace("SEED", "1") + gate
        write_files(tmp_path, {f"{name}.yaml": text, "data.jsonl": rows})
        assert insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=tmp_path).code == 0
    accept = ("baseline", "accept", "--pool", "pool", "--why", "known")
    assert insidellms(*accept, "base", cwd=tmp_path).code == 0
    waived = [f"--example=e0{i}" for i in range(4)]
    assert insidellms(*accept, "cand", *waived, cwd=tmp_path).code == 0
    first = insidellms("diff", "--pool", "pool", "cand", "--json", cwd=tmp_path)
    assert first.json["verdict"]["assessment"]["overall"]["n_worse"] == 3
    retested = insidellms("diff", "--pool", "pool", "cand", "--retest", "--trust-run", "--json", cwd=tmp_path)
    verdict = retested.json["verdict"]
    assert "decided by 3 fresh runs" in " ".join(verdict["remarks"])
    assert verdict["resolved"] == "non-inferior"
    assert verdict["assessment"]["overall"]["n_worse"] == 3
    assert any("waived" in reason for reason in verdict["reasons"])
    assert retested.code == first.code == 3


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory):
    """A run that is worse by so much that a retest is made, and a noise floor of two unchanged runs."""
    folder = tmp_path_factory.mktemp("doubtful")
    run(folder, "base", seed=1)
    run(folder, "again", seed=2)
    run(folder, "bad", answer="no", flaky=0.4, seed=5)
    assert insidellms("noise", "base", "again", "--save", "floor.json", cwd=folder).code == 0
    return folder


def retested(folder, *options):
    """Retest `bad`, and return the verdict and comparison of the fresh runs."""
    done = insidellms(
        "diff", "base", "bad", "--retest", "--experiment", "base.yaml", "--experiment", "bad.yaml", *options, "--json",
        cwd=folder,
    )  # fmt: skip
    assert "decided by 3 fresh runs" in " ".join(done.json["verdict"]["remarks"]), done.err
    return done.json


def test_a_retest_keeps_the_noise_floor(doubtful):
    own = retested(doubtful)["verdict"]
    given = retested(doubtful, "--noise", "floor.json")["verdict"]
    assert (len(own["noise"]["runs"]), len(given["noise"]["runs"])) == (3, 2)
    assert given["assessment"]["overall"]["noise"] != own["assessment"]["overall"]["noise"]


def test_a_retest_keeps_the_semantic_level(doubtful):
    assert retested(doubtful)["comparison"]["semantic"] is None
    semantic = retested(doubtful, "--semantic", "0.9")["comparison"]["semantic"]
    assert semantic["threshold"] == 0.9


def test_a_retest_asks_the_examples_of_a_dataset_that_was_renamed(tmp_path):
    run(tmp_path, "base", seed=1)
    (tmp_path / "renamed.jsonl").write_bytes((tmp_path / "data.jsonl").read_bytes())
    text = EXPERIMENT.replace("ANSWER", "no").replace("FLAKY", "0.4").replace("SEED", "5")
    write_files(tmp_path, {"moved.yaml": text.replace("data.jsonl", "renamed.jsonl")})
    assert insidellms("run", "moved.yaml", "--run-dir", "moved", cwd=tmp_path).code == 0
    done = insidellms("diff", "base", "moved", "--retest", "--trust-run", "--json", cwd=tmp_path)
    assert done.code == 3, done.err
    assert done.json["verdict"]["assessment"]["overall"]["n_paired"] == 60


def test_a_retest_keeps_what_labels_say_of_the_judge(tmp_path):
    """Labels show that this judge hardly agrees with people, so its probe must not gate; nor may it after a retest."""
    judge = {"type": "dummy", "args": {"responses": {"GOOD": '{"score": 5}', "BAD": '{"score": 1}'}}}
    probe = {"type": "judge", "id": "tone", "args": {"judges": judge, "rubric": "Is it polite?"}}
    rows = [{"id": f"e{n:02}", "question": f"q{n:02}?", "label": bool(n % 2)} for n in range(60)]
    for name, answers in (("base", ["GOOD"]), ("worse", ["BAD"]), ("labelled", ["GOOD", "GOOD", "BAD", "BAD"])):
        responses = {f"q{n:02}?": answers[n % len(answers)] for n in range(60)}
        data = [row if name == "labelled" else {key: row[key] for key in ("id", "question")} for row in rows]
        experiment = {
            "model": {"type": "dummy", "id": "m", "args": {"responses": responses}},
            "probe": probe,
            "dataset": {"format": "jsonl", "path": "labels.jsonl" if name == "labelled" else "data.jsonl"},
            "gate": {"fail_on": "significant"},
        }
        write_files(tmp_path, {f"{name}.json": json.dumps(experiment), experiment["dataset"]["path"]: data})
        assert insidellms("run", f"{name}.json", "--run-dir", name, cwd=tmp_path).code == 0
    assert insidellms("diff", "base", "worse", "--retest", "--trust-run", cwd=tmp_path).code == 3
    done = insidellms(
        "diff", "base", "worse", "--labelled", "labelled", "--retest", "--trust-run", "--json", cwd=tmp_path
    )
    assert "decided by 3 fresh runs" in " ".join(done.json["verdict"]["remarks"]), done.err
    assert (done.code, done.json["verdict"]["judges"][0]["is_advisory"]) == (4, True)


HOSTED = """
model: {type: openai, id: m, args: {model_name: NAME, base_url: URL, temperature: HEAT}}
probe: {type: equals}
dataset: {format: jsonl, path: hosted.jsonl}
gate: {fail_on: significant}
"""


def test_copies_among_answers_that_are_reworded_confirm_nothing(tmp_path):
    """A cache that keeps some prompts: those that fell by noise would fall again, each time in the same words."""
    rows = [{"id": f"q{n:02}", "question": f"item q{n:02}?", "answer": "yes"} for n in range(44)]
    write_files(tmp_path, {"hosted.jsonl": rows})
    key = {"OPENAI_API_KEY": "k"}
    kept = {f"q{n:02}": "yes, as before" for n in range(8)}
    with (
        OpenAIServer(answers={**kept, "item": "yes, for the <nth>th time"}) as old,
        OpenAIServer(answers={**kept, "q04": "no", "q05": "no", "item": "yes, for the <nth>th time"}) as new,
        OpenAIServer(answers={"item": "yes, for the <nth>th time"}) as fresh,
        OpenAIServer(answers={"q04": "no (<nth>)", "q05": "no (<nth>)", "item": "yes, for the <nth>th time"}) as broken,
    ):
        for name, server in (("old", old), ("new", new), ("fresh", fresh), ("broken", broken)):
            text = HOSTED.replace("NAME", name).replace("URL", server.base_url).replace("HEAT", "0.7")
            text = text.replace("{type: equals}", "{type: contains, args: {any: ['yes']}}")
            write_files(tmp_path, {f"{name}.yaml": text})
            assert insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=tmp_path, env=key).code == 0
        confirm = ("--confirm", "--trust-run", "--json")
        cached = insidellms("diff", "old", "new", *confirm, cwd=tmp_path, env=key)
        second = insidellms("diff", "fresh", "broken", *confirm, cwd=tmp_path, env=key)
    assert cached.code == 0, cached.out
    assert "copies of each other on a side" in cached.json["verdict"]["confirmed"]["unavailable"]
    assert cached.json["verdict"]["confirmed"]["items"] == []
    assert second.code == 3
    assert [item["example_id"] for item in second.json["verdict"]["confirmed"]["items"]] == ["q04", "q05"]


@pytest.mark.parametrize("temperature", ["0", "0.7"])
def test_answers_that_never_vary_confirm_nothing(tmp_path, temperature):
    """Behind a gateway that caches, noise is drawn once for each model and prompt, and then for good."""
    rows = [{"id": f"q{n:02}", "question": f"item q{n:02}?", "answer": "yes"} for n in range(44)]
    write_files(tmp_path, {"hosted.jsonl": rows})
    fails = {"old": range(4), "new": range(4, 8)}
    key = {"OPENAI_API_KEY": "k"}
    with (
        OpenAIServer(answers={**{f"q{n:02}": "no" for n in fails["old"]}, "item": "yes"}) as old,
        OpenAIServer(answers={**{f"q{n:02}": "no" for n in fails["new"]}, "item": "yes"}) as new,
    ):
        for name, server in (("old", old), ("new", new)):
            text = HOSTED.replace("NAME", name).replace("URL", server.base_url).replace("HEAT", temperature)
            write_files(tmp_path, {f"{name}.yaml": text})
            assert insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=tmp_path, env=key).code == 0
        assert insidellms("diff", "old", "new", cwd=tmp_path).code == 0
        done = insidellms("diff", "old", "new", "--confirm", "--trust-run", "--json", cwd=tmp_path, env=key)
        headers = new.headers
    assert done.code == 0, done.out
    assert "no fresh answer differs" in done.json["verdict"]["confirmed"]["unavailable"]
    assert "controls: 8 items" in done.err
    assert {name.lower(): value for name, value in headers.items()}["cache-control"] == "no-cache"
