"""Shards that were packed, answered by a cache, signed or redacted, and what `merge` makes of them."""

import shutil

import pytest

from support.command import canonical_bytes, insidellms, write_files

EXPERIMENT = """
name: large
model: {type: dummy, id: m}
probe: {type: contains, args: {any: ["7"]}}
dataset: {format: jsonl, path: data.jsonl}
repeats: 2
"""
ROWS = [{"id": f"e{n}", "prompt": f"Question {n} of ada@example.com?"} for n in range(400)]
NAMES = ["s1", "s2", "s3"]


def done(folder, *args, code=0, **env):
    result = insidellms(*args, cwd=folder, env=env)
    assert result.code == code, result.err
    return result


def shards(folder, names=NAMES, *options, **env):
    for number, name in enumerate(names, 1):
        done(folder, "run", "e.yaml", "--shard", f"{number}/3", "--run-dir", name, "--quiet", *options, **env)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored")
    write_files(path, {"e.yaml": EXPERIMENT, "data.jsonl": ROWS})
    done(path, "run", "e.yaml", "--run-dir", "whole")
    shards(path)
    return path


def test_shards_of_many_packed_trials_merge_to_the_packed_run(folder):
    write_files(folder, {"packed.yaml": EXPERIMENT + "execution: {compress: true}\n"})
    for number in (1, 2):
        done(folder, "run", "packed.yaml", "--shard", f"{number}/3", "--run-dir", f"p{number}")
    done(folder, "merge", "p1", "p2", "s3", "--to", "mixed")
    done(folder, "verify", "mixed")
    assert (folder / "mixed" / "manifest.json").read_bytes() == (folder / "whole" / "manifest.json").read_bytes()


def test_shards_that_a_cache_answers_merge_to_the_run(folder, tmp_path):
    cache = {"INSIDELLMS_CACHE": str(tmp_path)}
    shards(folder, ["c1", "c2", "c3"], "--cache", "read", **cache)
    shards(folder, ["d1", "d2", "d3"], "--cache", "read", **cache)
    done(folder, "merge", "d1", "d2", "c3", "--to", "cached")
    assert canonical_bytes(folder / "cached") == canonical_bytes(folder / "whole")


def test_a_signature_of_a_shard_is_not_one_of_the_merged_run(folder):
    done(folder, "sign", "--new-key", "key.pem")
    shutil.copytree(folder / "s1", folder / "signed")
    done(folder, "sign", "signed", "--key", "key.pem")
    done(folder, "merge", "signed", "s2", "s3", "--to", "unsigned")
    assert canonical_bytes(folder / "unsigned") == canonical_bytes(folder / "whole")
    assert "signed by" not in done(folder, "verify", "unsigned").out
    assert "the run is not signed" in done(folder, "verify", "unsigned", "--key", "key.pem.pub", code=1).err
    done(folder, "sign", "unsigned", "--key", "key.pem")
    assert "signed by key.pem.pub" in done(folder, "verify", "unsigned", "--key", "key.pem.pub").out


def test_a_redacted_shard_is_no_shard(folder):
    done(folder, "export", "s1", "--redact", "--format", "jsonl", "-o", "redacted.jsonl")
    assert "is a file" in done(folder, "merge", "redacted.jsonl", "s2", "s3", "--to", "none", code=1).err
    shutil.copytree(folder / "s1", folder / "altered")
    shutil.copy(folder / "redacted.jsonl", folder / "altered" / "records.jsonl")
    assert "is not the file that was sealed" in done(folder, "merge", "altered", "s2", "s3", "--to", "none", code=1).err
    done(folder, "merge", *NAMES, "--to", "none")
    assert canonical_bytes(folder / "none") == canonical_bytes(folder / "whole")
