"""An experiment run in shards and merged has the bytes of the one that was not split; a shard alone is a part."""

import json
import shutil

import pytest

from support.command import canonical_bytes, insidellms, records_of, write_files

EXPERIMENT = """
name: shop
models:
  - {type: dummy, id: good, args: {canned_response: "It is 7."}}
  - {type: dummy, id: bad}
prompts: [{id: short, template: "Briefly: {{ input }}"}, {id: by-kind, template: "Of {{ kind }}"}]
probes:
  - {type: contains, id: seven, args: {any: ["7"]}, datasets: [some, more]}
  - {type: contains, id: is, args: {any: ["is"]}, datasets: [some]}
datasets:
  - {name: some, format: jsonl, path: some.jsonl}
  - {name: more, format: jsonl, path: more.jsonl}
repeats: 2
"""
SOME = [{"id": f"e{n}", "prompt": f"Question {n % 20}?", "kind": f"kind {n // 2}", "tags": [f"t{n % 2}"]}
        for n in range(24)]  # fmt: skip
MORE = [{"id": f"m{n}", "prompt": f"More {n}?", "kind": f"other kind {n // 3}"} for n in range(6)]
FILES = {"e.yaml": EXPERIMENT, "some.jsonl": SOME, "more.jsonl": MORE}


def run(folder, name, *options, code=0):
    done = insidellms("run", "e.yaml", "--run-dir", name, *options, cwd=folder)
    assert done.code == code, done.err
    return done


def shards(folder, count, *options, prefix="s"):
    names = [f"{prefix}{index}-of-{count}" for index in range(1, count + 1)]
    for index, name in enumerate(names, 1):
        run(folder, name, "--shard", f"{index}/{count}", *options)
    return names


def merge(folder, names, to, *options):
    return insidellms("merge", *names, "--to", to, *options, cwd=folder)


def telemetry(run_dir):
    """Return what does not depend on the clock."""
    lines = map(json.loads, (run_dir / "telemetry.jsonl").read_text().splitlines())
    named = ("probe", "dataset", "example_id", "model", "prompt", "repeat", "status", "shared", "attempts")
    return [{key: line.get(key) for key in named} for line in lines]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("shards")
    write_files(path, FILES)
    run(path, "whole")
    shards(path, 3)
    return path


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_merged_shards_are_the_whole_run_whatever_their_order(folder, order):
    to = "merged-" + "".join(map(str, order))
    done = merge(folder, [f"s{index}-of-3" for index in order], to)
    assert done.code == 0, done.err
    assert canonical_bytes(folder / to) == canonical_bytes(folder / "whole")
    facts = [
        [json.loads(line) for line in (folder / name / "telemetry.jsonl").read_text().splitlines()]
        for name in ("whole", to)
    ]
    named = ("probe", "dataset", "example_id", "model", "prompt", "repeat", "status", "shared")
    whole, merged = ([{key: line.get(key) for key in named} for line in lines] for lines in facts)
    assert merged == whole
    assert insidellms("verify", to, cwd=folder).code == 0
    assert insidellms("diff", "whole", to, "--fail-on", "changes", cwd=folder).code == 0


def test_an_example_is_in_one_shard_with_all_that_shares_its_answers(folder):
    found = [{(each["dataset"], each["example_id"]) for each in records_of(folder / f"s{n}-of-3")} for n in (1, 2, 3)]
    assert sum(map(len, found)) == len(set().union(*found)) == len(SOME) + len(MORE)
    for each in records_of(folder / "whole"):
        if "shared_with" in each:
            asked_by = each["shared_with"].get("dataset") or each["dataset"], (
                each["shared_with"].get("example_id") or each["example_id"])  # fmt: skip
            assert any({asked_by, (each["dataset"], each["example_id"])} <= shard for shard in found)


@pytest.mark.parametrize(("count", "examples"), [(1, 24), (4, 2)], ids=["one", "more than examples"])
def test_any_number_of_shards_will_do(folder, count, examples):
    limit = ("--max-examples", str(examples))
    run(folder, f"whole-{count}", *limit)
    names = shards(folder, count, *limit)
    assert merge(folder, names, f"all-{count}").code == 0
    assert canonical_bytes(folder / f"all-{count}") == canonical_bytes(folder / f"whole-{count}")
    sizes = [len(records_of(folder / name)) for name in names]
    assert (0 in sizes) == (count > examples)
    for command in ("report", "verify", "info"):  # an empty shard can be looked at like any other run
        done = insidellms(command, names[sizes.index(min(sizes))], cwd=folder)
        assert done.code == 0, (command, done.err)


def test_a_shard_alone_is_a_part_and_passes_for_the_whole_nowhere(folder):
    said = "(--shard 1/3)"
    assert said in insidellms("report", "s1-of-3", cwd=folder).out
    for sides in (("whole", "s1-of-3"), ("s1-of-3", "whole"), ("s1-of-3", "s2-of-3")):
        assert insidellms("diff", *sides, cwd=folder).code != 0
    done = insidellms("baseline", "accept", "s1-of-3", "--pool", "pool", "--why", "tried", cwd=folder)
    assert done.code == 1
    assert said in done.err
    assert insidellms("report", "s1-of-3", "--min-pass-rate", "0", cwd=folder).code == 4
    assert run(folder, "gated", "--shard", "1/3", "--min-pass-rate", "0", code=4)


def test_compressed_shards_make_a_compressed_run(tmp_path):
    write_files(tmp_path, FILES)
    names = shards(tmp_path, 2, "--compress")
    assert merge(tmp_path, names, "run").code == 0
    assert (tmp_path / "run" / "records.jsonl.zst").exists()
    assert insidellms("verify", "run", cwd=tmp_path).code == 0
    run(tmp_path, names[1], "--shard", "2/2", "--overwrite")
    assert merge(tmp_path, names, "plain").code == 0
    assert (tmp_path / "plain" / "records.jsonl").exists()


def test_the_gate_of_the_experiment_decides_on_the_merged_run(tmp_path):
    write_files(tmp_path, {**FILES, "e.yaml": EXPERIMENT + "gate: {min_pass_rate: 0.99}\n"})
    assert run(tmp_path, "whole", code=3)
    names = shards(tmp_path, 2)
    assert merge(tmp_path, names, "merged").code == 3
    assert canonical_bytes(tmp_path / "merged") == canonical_bytes(tmp_path / "whole")
    assert merge(tmp_path, names, "again", "--no-gate").code == 0


def edited(folder, name, to, file, *change):
    shutil.copytree(folder / name, folder / to)
    text = (folder / to / file).read_text()
    assert change[0] in text
    (folder / to / file).write_text(text.replace(*change))
    return to


@pytest.mark.parametrize(
    ("names", "said", "fix"),
    [
        (["s1-of-3", "s3-of-3"], "1 of 3 shards is missing: 2/3", "--shard 2/3"),
        (["s1-of-3", "s2-of-3", "s3-of-3", "copy"], "s1-of-3 and copy are both shard 1/3", "once"),
        (["s1-of-3", "s1-of-3", "s2-of-3", "s3-of-3"], "are both shard 1/3", "once"),
        (["s1-of-3", "s2-of-3", "whole"], "whole is not a shard", "--shard I/N"),
        (["s1-of-3", "s2-of-3", "selected"], "selected is not a shard", "--shard I/N"),
        (["s1-of-3", "other-n"], "the numbers of shards differ (3 and 2)", "one split"),
        (
            ["s1-of-3", "s2-of-3", "other-data"],
            "the datasets of their runs differ",
            "run the shard of other-data again",
        ),
        (
            ["other-data", "s1-of-3", "s2-of-3"],
            "the datasets of their runs differ",
            "run the shard of other-data again",
        ),
        (["other-version", "s2-of-3", "s1-of-3"], "the versions of", "run the shard of other-version again"),
        (["s1-of-3", "s2-of-3", "other-title"], "the settings in config.resolved.yaml differ", "again"),
        (["s1-of-3", "s2-of-3", "other-version"], "the versions of insidellms differ", "one version"),
        (["s1-of-3", "s2-of-3", "unfinished"], "unfinished is not finished", "--resume"),
        (["s1-of-3", "s2-of-3", "cut"], "records", "verify"),
        (["s1-of-3", "s2-of-3", "damaged"], "damaged/records.jsonl, line 1 is not a record", "verify"),
        (["s1-of-3", "s2-of-3", "nowhere"], "nowhere does not exist", "give the folder"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_is_not_all_shards_of_one_run_is_refused(folder, names, said, fix):
    done = merge(folder, names, "refused")
    assert done.code == 1
    assert said in done.err
    assert fix in done.err
    assert "Traceback" not in done.err
    assert not (folder / "refused" / "manifest.json").exists()
    shutil.rmtree(folder / "refused", ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _strangers(folder):
    """Make what does not belong among the shards."""
    shutil.copytree(folder / "s1-of-3", folder / "copy")
    run(folder, "selected", "--tag", "t1")
    run(folder, "other-n", "--shard", "2/2")
    run(folder, "other-title", "--shard", "3/3", "--set", "title=Another")
    write_files(folder, {"more.jsonl": [*MORE, {"id": "new", "prompt": "New?", "kind": "new"}]})
    run(folder, "other-data", "--shard", "3/3")
    write_files(folder, {"more.jsonl": MORE})
    edited(folder, "s3-of-3", "other-version", "manifest.json", '"version": "', '"version": "0.0.')
    shutil.copytree(folder / "s3-of-3", folder / "unfinished")
    (folder / "unfinished" / "journal.jsonl").write_text("")
    edited(folder, "s3-of-3", "damaged", "records.jsonl", '{"', "{x")
    shutil.copytree(folder / "s3-of-3", folder / "cut")
    lines = (folder / "cut" / "records.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "cut" / "records.jsonl").write_bytes(b"".join(lines[:-1]))


def test_a_merge_never_replaces_what_it_is_not_asked_to(folder):
    names = [f"s{index}-of-3" for index in (1, 2, 3)]
    assert merge(folder, names, "twice").code == 0
    done = merge(folder, names, "twice")
    assert (done.code, "--overwrite" in done.err) == (1, True)
    assert merge(folder, names, "twice", "--overwrite").code == 0
    assert canonical_bytes(folder / "twice") == canonical_bytes(folder / "whole")
    assert merge(folder, names, names[0]).code == 1
    assert merge(folder, names, names[0], "--overwrite").code == 1
    (folder / "link").symlink_to(names[1])
    assert merge(folder, names, "link", "--overwrite").code == 1
    assert all(records_of(folder / name) for name in names)


def files(folder):
    return {path: path.read_bytes() if path.is_file() else path.is_dir() for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("s1-of-3/x/y", "lies in the shard s1-of-3"),
        ("to-s2/x", "lies in the shard s2-of-3"),
        ("whole/x", "lies in the run whole"),
        (".", "has the shard s1-of-3 in it"),
        ("e.yaml", "is a file"),
        ("e.yaml/x", "cannot write in e.yaml/x"),
        ("foreign", "is not a run directory"),
        ("nowhere", "cannot write in nowhere"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--overwrite",)], ids=" ".join)
def test_a_place_that_cannot_hold_the_run_is_refused_and_nothing_is_written(folder, to, said, options):
    for link, target in (("to-s2", "s2-of-3"), ("nowhere", "gone/run")):
        if not (folder / link).is_symlink():
            (folder / link).symlink_to(target)
    write_files(folder, {"foreign/notes.txt": "mine"})
    before = files(folder)
    done = merge(folder, [f"s{index}-of-3" for index in (1, 2, 3)], to, *options)
    assert (done.code, said in done.err) == (1, True), done.err
    assert files(folder) == before


def test_a_merge_that_fails_leaves_the_run_that_it_was_to_replace(folder):
    shutil.copytree(folder / "whole", folder / "old")
    before = files(folder / "old")
    for third in ("damaged", "cut", "unfinished"):
        done = merge(folder, ["s1-of-3", "s2-of-3", third], "old", "--overwrite")
        assert (done.code, "Traceback" in done.err) == (1, False)
        assert files(folder / "old") == before


@pytest.mark.parametrize(
    "command",
    [
        ("run", "e.yaml", "--run-dir"),
        ("rescore", "whole", "--of", "is", "--probe", "record", "--to"),
        ("import", "scored.jsonl", "--to"),
    ],
    ids=lambda command: command[0],
)
def test_no_command_puts_a_run_into_another_one(folder, command):
    write_files(folder, {"scored.jsonl": [{"id": "a", "input": "q", "output": "x", "score": 1}]})
    before = files(folder)
    done = insidellms(*command, "whole/x", cwd=folder)
    assert (done.code, "lies in the run whole" in done.err) == (1, True), done.err
    assert files(folder) == before


def test_a_selection_can_be_split_and_merges_to_the_selection(folder):
    names = shards(folder, 2, "--tag", "t1", "--model", "good", prefix="sel")
    run(folder, "sel", "--tag", "t1", "--model", "good")
    assert merge(folder, names, "sel-merged").code == 0
    assert canonical_bytes(folder / "sel-merged") == canonical_bytes(folder / "sel")


def test_a_shard_says_what_it_will_ask_before_it_asks(folder):
    checked = [
        insidellms("validate", "e.yaml", "--shard", f"{n}/3", "--json", cwd=folder).json["trials"] for n in (1, 2, 3)
    ]
    assert checked == [len(records_of(folder / f"s{n}-of-3")) for n in (1, 2, 3)]
    shown = insidellms("run", "e.yaml", "--shard", "1/3", "--dry-run", "--json", cwd=folder).json
    assert (shown["trials"], shown["part"]["shard"]) == (checked[0], {"index": 1, "count": 3})


def test_a_shard_that_is_scored_again_is_merged_with_none(folder):
    names = [f"s{index}-of-3" for index in (1, 2, 3)]
    probe = '{"type": "contains", "args": {"any": ["8"]}}'
    done = insidellms("rescore", names[2], "--of", "seven", "--probe", probe, "--to", "again", cwd=folder)
    assert done.code == 0, done.err
    assert "(--shard 3/3)" in insidellms("report", "again", cwd=folder).out
    done = merge(folder, [*names[:2], "again"], "refused-too")
    assert (done.code, "it was scored again" in done.err) == (1, True)


def test_a_shard_is_resumed_as_the_shard_that_it_is(folder):
    run(folder, "new", "--shard", "1/3", "--resume")  # as a scheduler does that may start a job twice
    assert canonical_bytes(folder / "new") == canonical_bytes(folder / "s1-of-3")
    for options in (("--shard", "2/3"), ("--shard", "1/2"), ()):
        done = run(folder, "new", "--resume", *options, code=1)
        assert "or shard differ" in done.err


def test_early_stop_is_refused(folder):
    done = run(folder, "early", "--shard", "1/3", "--early-stop", "--baseline", "whole", code=1)
    assert "decides on a whole run" in done.err


def test_shards_without_telemetry_merge_to_a_run_without(folder):
    names = shards(folder, 2, "--no-telemetry", prefix="quiet")
    assert merge(folder, names, "quiet").code == 0
    assert not (folder / "quiet" / "telemetry.jsonl").exists()
    assert canonical_bytes(folder / "quiet") == canonical_bytes(folder / "whole")


def test_the_merged_run_can_be_resumed_and_replayed(folder):
    for name in shards(folder, 2, "--record", "both.jsonl", prefix="rec"):
        assert (folder / name / "manifest.json").exists()
    names = shards(folder, 2, "--replay", "both.jsonl", prefix="rep")
    assert merge(folder, names, "replayed").code == 0
    assert canonical_bytes(folder / "replayed") == canonical_bytes(folder / "whole")
    run(folder, "replayed", "--resume")
    assert canonical_bytes(folder / "replayed") == canonical_bytes(folder / "whole")
    run(folder, "replayed-whole", "--replay", "both.jsonl")
    assert canonical_bytes(folder / "replayed-whole") == canonical_bytes(folder / "whole")
