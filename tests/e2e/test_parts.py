"""A part of an experiment can be run; it says so everywhere, and passes for the whole nowhere."""

import json

import pytest

from support.command import canonical_bytes, insidellms, records_of, write_files

EXPERIMENT = """
name: shop
models:
  - {type: dummy, id: good, args: {canned_response: "It is 7."}}
  - {type: dummy, id: bad, args: {canned_response: "It is 8."}}
prompts: [{id: short, template: "Briefly: {{ input }}"}, {id: long, template: "At length: {{ input }}"}]
probes:
  - {type: contains, id: seven, args: {any: ["7"]}}
  - {type: contains, id: is, args: {any: ["is"]}}
dataset: {format: jsonl, path: data.jsonl}
"""
ROWS = [
    {"id": f"{'billing' if number % 2 else 'refund'}-{number}", "prompt": f"Question {number}?", "tags": tags}
    for number, tags in enumerate((["smoke"], ["smoke", "slow"], "slow, night", [], ["slow"], ["slow"]))
]
WHOLE = 2 * 2 * 2 * 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("parts")
    write_files(path, {"e.yaml": EXPERIMENT, "data.jsonl": ROWS})
    for name, options in (("whole", ()), ("part", ("--only", "billing-*", "--tag", "smoke"))):
        done = insidellms("run", "e.yaml", "--run-dir", name, *options, cwd=path)
        assert done.code == 0, done.err
    return path


def selected(folder, *options):
    done = insidellms("validate", "e.yaml", *options, "--json", cwd=folder)
    assert done.code == 0, done.err
    return done.json["trials"], done.json["part"]


@pytest.mark.parametrize(
    ("options", "trials"),
    [
        (("--only", "billing-*"), 8 * 3),
        (("--only", "refund-0", "--only", "billing-1"), 8 * 2),
        (("--tag", "slow"), 8 * 4),
        (("--tag", "night", "--tag", "smoke"), 8 * 3),
        (("--only", "billing-*", "--tag", "slow"), 8 * 2),
        (("--probe", "seven"), 4 * 6),
        (("--model", "good"), 4 * 6),
        (("--prompt", "sh*"), 4 * 6),
        (("--probe", "is", "--model", "bad", "--prompt", "long", "--only", "refund-?"), 3),
        (("--failed-in", "whole"), 4 * 6),
        (("--failed-in", "whole", "--model", "bad", "--tag", "smoke"), 4),
    ],
    ids=str,
)
def test_what_is_selected_is_shown_before_it_is_run(folder, options, trials):
    found, part = selected(folder, *options)
    assert (found, part["trials"], part["of_trials"]) == (trials, trials, WHOLE)


@pytest.mark.parametrize("options", [("--only", "*"), ("--model", "good", "--model", "bad"), ("--probe", "*s*")])
def test_what_selects_everything_is_the_whole(folder, options):
    assert selected(folder, *options) == (WHOLE, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--only", "biling-1"), "--only 'biling-1' fits no example (did you mean 'billing-1'?)"),
        (("--only", "billing-*", "--only", "x*"), "--only 'x*' fits no example"),
        (("--tag", "smok"), "--tag 'smok': no example has this tag (did you mean 'smoke'?)"),
        (("--probe", "sevn"), "--probe 'sevn' fits no probe of the experiment (did you mean 'seven'?)"),
        (("--model", "god"), "--model 'god' fits no model of the experiment (did you mean 'good'?)"),
        (("--prompt", "shrt"), "--prompt 'shrt' fits no prompt of the experiment (did you mean 'short'?)"),
        (("--only", "refund-2", "--tag", "smoke"), "no example fits all that is selected"),
        (("--failed-in", "whole", "--model", "good"), "whole: no trial failed"),
        (("--failed-in", "nowhere"), "nowhere does not exist"),
        (("--tag", "smoke", "--early-stop", "--baseline", "whole"), "--early-stop decides on a whole run"),
    ],
    ids=str,
)
def test_a_selection_of_nothing_is_an_error_that_names_the_nearest(folder, options, said):
    done = insidellms("run", "e.yaml", "--run-dir", "refused", *options, cwd=folder)
    assert done.code == 1
    assert said in done.err
    assert not (folder / "refused").exists()


def test_a_part_has_its_own_run_id_and_the_records_of_the_whole(folder):
    whole, part = (json.loads((folder / name / "manifest.json").read_text()) for name in ("whole", "part"))
    assert part["run_id"] != whole["run_id"]
    assert part["part"] == {"only": ["billing-*"], "tags": ["smoke"], "trials": 8, "of_trials": WHOLE}
    assert "part" not in whole
    kept = [record for record in records_of(folder / "whole") if record["example_id"] == "billing-1"]
    assert records_of(folder / "part") == kept
    assert insidellms("verify", "part", cwd=folder).code == 0


def test_a_model_alone_is_another_run_than_an_experiment_of_that_model(folder):
    part = insidellms("validate", "e.yaml", "--model", "good", "--json", cwd=folder).json["run_id"]
    write_files(folder, {"small.yaml": EXPERIMENT.replace("  - {type: dummy, id: bad", "  # {type: dummy, id: bad")})
    assert part != insidellms("validate", "small.yaml", "--json", cwd=folder).json["run_id"]


def test_every_output_says_that_it_is_a_part(folder):
    said = "a part of the experiment: 8 of 48 trials"
    reports = ("--markdown", "o.md", "--junit", "o.xml", "--sarif", "o.sarif", "--html", "o.html")
    insidellms("run", "e.yaml", "--run-dir", "again", "--only", "billing-*", "--tag", "smoke", cwd=folder)
    for command in (("report", "part"), ("diff", "part", "again")):
        done = insidellms(*command, *reports, cwd=folder)
        assert done.code == 0, done.err
        assert said in " ".join(done.out.split())
        for name in reports[1::2]:
            assert said in (folder / name).read_text(), name
    assert said in (folder / "part" / "report.html").read_text()
    for sides in ((), ("--baseline", "short", "--candidate", "long")):
        done = insidellms("compare", "part", *sides, "--markdown", "o.md", cwd=folder)
        assert said in " ".join((done.out + done.err).split())
        assert said in (folder / "o.md").read_text()
    assert said in insidellms("report", "part", "--json", cwd=folder).out
    assert "part:" in insidellms("info", "part", cwd=folder).out
    assert "a part of the experiment" in insidellms("list", "runs", "--run-root", ".", cwd=folder).out
    assert said in insidellms("run", "e.yaml", "--only", "billing-*", "--tag", "smoke", "--dry-run", cwd=folder).out


@pytest.mark.parametrize("policy", ["auto", "changes", "significant", "regressions"])
@pytest.mark.parametrize(
    "options", [("--only", "billing-1"), ("--probe", "is"), ("--model", "good"), ("--prompt", "long")], ids=" ".join
)
def test_a_part_is_inconclusive_against_the_whole(folder, options, policy):
    insidellms("run", "e.yaml", "--run-dir", "other", "--overwrite", *options, cwd=folder)
    for sides in (("whole", "other"), ("other", "whole")):
        done = insidellms("diff", *sides, "--fail-on", policy, cwd=folder)
        assert done.code == 4, done.out
        assert "only a part was compared" in done.out
        if policy == "regressions":  # a test needs more examples than one
            assert insidellms("diff", *sides, "--fail-on", policy, "--accept-missing", cwd=folder).code == 0


def test_a_part_that_leaves_out_little_is_inconclusive_too(tmp_path):
    rows = [{"id": f"e{number:03}", "prompt": f"Question {number}?"} for number in range(100)]
    write_files(tmp_path, {"e.yaml": EXPERIMENT, "data.jsonl": rows})
    for name, options in (("whole", ()), ("part", ("--only", "e0[0-8]*", "--only", "e09[0-8]"))):
        insidellms("run", "e.yaml", "--run-dir", name, *options, cwd=tmp_path)
    assert insidellms("diff", "whole", "part", cwd=tmp_path).code == 4


def test_a_part_is_no_baseline_of_a_pool(folder):
    done = insidellms("baseline", "accept", "part", "--why", "x", cwd=folder)
    assert done.code == 1
    assert "part is a part of the experiment" in done.err
    assert not (folder / "baselines").exists()


def test_a_part_stands_in_no_series_that_is_watched_and_stops_no_run_early(folder):
    insidellms("baseline", "accept", "whole", "--why", "x", "--pool", "pool", cwd=folder)
    for command in (
        ("watch", "part", "--pool", "pool"),
        ("trend", "part", "--pool", "pool"),
        ("run", "e.yaml", "--run-dir", "early", "--early-stop", "--baseline", "part"),
    ):
        done = insidellms(*command, cwd=folder)
        assert done.code == 1
        assert "part is a part of the experiment" in done.err
    assert "part (a part)" in insidellms("trend", "whole", "part", cwd=folder).out


def test_an_interrupted_part_is_resumed_as_the_part_that_it_is(folder):
    selection = ("--only", "billing-*", "--tag", "smoke")
    run = folder / "half"
    assert insidellms("run", "e.yaml", "--run-dir", "half", *selection, cwd=folder).code == 0
    before = canonical_bytes(run)
    assert insidellms("run", "e.yaml", "--run-dir", "half", "--resume", *selection, cwd=folder).code == 0
    assert canonical_bytes(run) == before
    for other in ((), ("--only", "billing-*")):
        done = insidellms("run", "e.yaml", "--run-dir", "half", "--resume", *other, cwd=folder)
        assert done.code == 1
        assert "holds run" in done.err
    assert canonical_bytes(run) == before


def test_scoring_a_part_again_gives_a_part(folder):
    probe = '{"type": "contains", "id": "seven", "args": {"any": ["7"]}}'
    done = insidellms("rescore", "part", "--of", "seven", "--probe", probe, "--to", "rescored", cwd=folder)
    assert done.code == 0, done.err
    assert "a part of the experiment" in done.out
    assert json.loads((folder / "rescored" / "manifest.json").read_text())["part"]["only"] == ["billing-*"]
