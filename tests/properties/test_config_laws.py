"""Laws of configuration: what is written out reads back, whatever it holds."""

import json

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insideLLMs.config.load import load_experiment, parse_experiment
from insideLLMs.config.resolved import resolved_yaml, write_yaml
from insideLLMs.core.canonical import MAX_INTEGER
from insideLLMs.core.documents import read_document
from insideLLMs.core.errors import ConfigError
from insideLLMs.core.experiment import ExecutionSpec

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
hard_text = st.one_of(
    text, st.text(" \n\t-:#'\"|>x{}[]&*!%@`\\\r\x85\u2028", max_size=12), st.sampled_from(["no", "1:30", "0x1"])
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | hard_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hard_text, inner, max_size=3),
    max_leaves=12,
)
ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


@given(st.dictionaries(hard_text, values, max_size=4))
def test_yaml_that_is_written_reads_back(mapping):
    document = read_document(write_yaml(mapping), "yaml")
    assert not document.problems
    assert json.dumps(document.value or {}) == json.dumps(mapping)


@given(st.text(st.sampled_from("abc"), min_size=1).map(lambda part: part * 700))
def test_long_keys_read_back(key):
    assert read_document(write_yaml({"k": [{key: 1, "x": key}]}), "yaml").value == {"k": [{key: 1, "x": key}]}


experiments = st.fixed_dictionaries(
    {
        "models": st.lists(
            st.fixed_dictionaries({"type": st.just("dummy"), "id": ids, "system": st.none() | hard_text}),
            min_size=1,
            max_size=3,
            unique_by=lambda model: model["id"],
        ),
        "probe": st.fixed_dictionaries({"type": st.just("logic"), "args": st.just({"template": "{{ question }}?"})}),
        "datasets": st.lists(
            st.fixed_dictionaries(
                {
                    "name": ids.filter(lambda name: name != "q"),
                    "examples": st.lists(st.dictionaries(text, values, max_size=2), min_size=1, max_size=2),
                    "on_error": st.sampled_from(["stop", "skip"]),
                }
            ),
            max_size=2,
            unique_by=lambda dataset: dataset["name"],
        ).map(lambda inline: [*inline, "q.jsonl"]),
    },
    optional={
        "name": ids,
        "title": hard_text.filter(bool),
        "repeats": st.integers(1, 99),
        "max_examples": st.integers(1, 99),
        "confidence_level": st.floats(0.01, 0.99),
        "execution": st.fixed_dictionaries({"concurrency": st.integers(1, 99)}),
        "gate": st.fixed_dictionaries({"fail_on": st.sampled_from(["never", "changes", "regressions"])}),
    },
)


@quick
@given(experiments)
def test_the_resolved_file_gives_the_same_experiment_in_another_folder(tmp_path, mapping):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        (folder / "q.jsonl").write_text('{"prompt": "x"}\n')
    experiment = parse_experiment(mapping, folder=folders[0])
    digests = {spec.name: f"{number:064x}" for number, spec in enumerate(experiment.datasets)}
    resolved = resolved_yaml(experiment, digests)
    (folders[1] / "config.resolved.yaml").write_bytes(resolved)
    again = load_experiment(folders[1] / "config.resolved.yaml")
    expected = msgspec.structs.replace(
        experiment,
        execution=ExecutionSpec(),
        datasets=tuple(
            msgspec.structs.replace(
                spec, sha256=digests[spec.name], path=spec.path and spec.path.replace(str(folders[0]), str(folders[1]))
            )
            for spec in experiment.datasets
        ),
    )
    assert again == expected
    assert resolved_yaml(again, digests) == resolved


entry_keys = (
    "type id args system dataset datasets path format name examples items field_names input_field on_error sha256"
)
file_keys = "model models probe probes dataset datasets gate execution repeats name concurrency"
words = st.sampled_from(["dummy", "logic", "q.jsonl", "jsonl", "inline", "x:Y", "x.py:Y", "${HOME}", ".", "skip"])
entries = st.recursive(
    words | values,
    lambda inner: st.dictionaries(st.sampled_from(entry_keys.split()), inner, max_size=4) | st.lists(inner, max_size=2),
)


@quick
@given(st.dictionaries(st.sampled_from(file_keys.split()), entries))
def test_whatever_a_file_holds_it_is_an_experiment_or_a_config_error(tmp_path, mapping):
    (tmp_path / "e.yaml").write_bytes(write_yaml(mapping))
    (tmp_path / "e.json").write_text(json.dumps(mapping))
    said = []
    for name in ("e.yaml", "e.json"):
        try:
            load_experiment(tmp_path / name)
        except ConfigError as error:
            said.append({(problem.field, problem.message.partition(" (the other")[0]) for problem in error.problems})
    assert not said or said[0] == said[1]
