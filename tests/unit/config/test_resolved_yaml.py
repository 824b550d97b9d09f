"""`config.resolved.yaml`: defaults written out, no paths, no secrets, and YAML that reads back."""

import pytest

from insideLLMs.config.load import load_experiment
from insideLLMs.config.resolved import resolved_yaml, write_yaml
from insideLLMs.core.documents import read_document

FILE = """\
model: {type: dummy, args: {canned_response: "two\\nlines"}, system: "Be brief.\\nBe kind.\\n"}
probe: {type: probes.py:Mine, dataset: data/q.jsonl}
execution: {concurrency: 3}
gate: {fail_on: changes, probes: {Mine: {tolerance: 1}}}
"""
RESOLVED = """\
name: e
title: null
models:
  - type: dummy
    id: dummy
    args:
      canned_response: |-
        two
        lines
    system: |
      Be brief.
      Be kind.
probes:
  - type: "probes.py:Mine"
    id: Mine
    args: {}
    datasets:
      - q
datasets:
  - name: q
    format: jsonl
    path: q.jsonl
    sha256: "00"
    field_names: {}
    on_error: stop
    args: {}
max_examples: null
repeats: 1
confidence_level: 0.95
gate:
  fail_on: changes
  tolerance: 0
"""


def experiment(folder):
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "q.jsonl").write_text('{"prompt": "x"}\n')
    (folder / "probes.py").write_text("class Mine:\n    pass\n")
    (folder / "e.yaml").write_text(FILE)
    return load_experiment(folder / "e.yaml", environ={})


def test_defaults_are_written_out_and_execution_is_left_out(tmp_path):
    text = resolved_yaml(experiment(tmp_path), {"q": "00"}).decode()
    assert text.startswith(RESOLVED)
    assert text.endswith("  probes:\n    Mine:\n      tolerance: 1\n")
    assert "execution" not in text


def test_the_bytes_do_not_depend_on_the_folder(tmp_path):
    one = resolved_yaml(experiment(tmp_path / "one"), {"q": "00"})
    assert one == resolved_yaml(experiment(tmp_path / "other" / "deep"), {"q": "00"})
    assert str(tmp_path).encode() not in one


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain words, no", '"plain words, no"'),
        ("yes", '"yes"'),
        ("No", '"No"'),
        ("null", '"null"'),
        ("~", '"~"'),
        ("12", '"12"'),
        ("1e3", '"1e3"'),
        ("0o17", '"0o17"'),
        (".inf", '".inf"'),
        ("<<", '"<<"'),
        ("", '""'),
        (" x", '" x"'),
        ("x ", '"x "'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("${KEY}", '"${KEY}"'),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("http://x", '"http://x"'),
        ("Grüße", '"Grüße"'),
        ("tab\there", '"tab\\there"'),
        ("\x00\x85\u2028\ufeff\u202e", '"\\x00\\x85\\u2028\\ufeff\\u202e"'),
        (1, "1"),
        (-0.0, "-0.0"),
        (1e20, "1e+20"),
        (1e-7, "1e-07"),
        (True, "true"),
        (None, "null"),
        ([], "[]"),
        ({}, "{}"),
    ],
)
def test_values_are_spelt_one_way_and_read_back(value, text):
    assert write_yaml({"k": value}) == f"k: {text}\n".encode()
    document = read_document(write_yaml({"k": value}), "yaml")
    assert repr(document.value["k"]) == repr(value)
