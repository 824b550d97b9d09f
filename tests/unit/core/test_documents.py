"""YAML, JSON and TOML text: values by the right rules, places, and what is said of broken text."""

import re

import pytest

from insideLLMs.core.documents import dotted, read_document


def messages(text, kind="yaml"):
    data = text if isinstance(text, bytes) else text.encode()
    return [str(problem) for problem in read_document(data, kind).problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("", None),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("+12", 12),
        ("1e5", 100000.0),
        (".5", 0.5),
        ("-.INF", float("-inf")),
        ("!!str 12", "12"),
        ("'12'", "12"),
        ("!!float 3", 3.0),
    ],
)
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(text, value):
    assert repr(read_document(f"k: {text}\n".encode(), "yaml").value) == repr({"k": value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {a: 1, a: 2}", "2:11: b.a: is given twice; first at line 2 (keep one of them)"),
        ("? [1]\n: 2", "1:3: has a key that is not text"),
        ("a: !!python/name:os.system x", "1:4: a: has the tag 'tag:yaml.org,2002:python/name:os.system'"),
        ("a: !!python/object/apply:os.system [x]", "1:4: a: has the tag"),
        ("a: !!int x", "1:4: a: has the tag 'tag:yaml.org,2002:int', which does not fit 'x'"),
        ("a: " + "9" * 5000, "does not fit"),
        ("a: &a [*a]", "1:4: a[0]: contains itself"),
        ("a: &a {b: *a}", "1:4: a.b: contains itself"),
        ("a: &a {<<: *a}", "'<<' must name a mapping"),
        ("a: {<<: 3}", "'<<' must name a mapping"),
        ("a: " + "[" * 150 + "]" * 150, "is too deep or too large"),
        ("[" * 5000, "is not valid YAML"),
        ("--- 1\n--- 2", "2:1: is not valid YAML: but found another document"),
        ("a: \x07", "1: is not valid YAML: the character"),
        (b"a: 1\n\xff", "2: is not valid UTF-8"),
    ],
)
def test_bad_yaml_is_refused_with_its_place(text, message):
    found = messages(text)
    assert any(message in problem for problem in found), found


def test_aliases_of_aliases_are_stopped_before_they_fill_the_memory():
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert any("too deep or too large" in problem for problem in messages("l0: &l0 x\n" + levels))


def test_merged_keys_give_way_to_given_ones():
    text = b"a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\n"
    assert read_document(text, "yaml").value["c"] == {"x": 1, "y": 3, "z": 2}


def test_json_keeps_its_own_rules_and_gets_places_from_yaml():
    document = read_document(b'{"a": "\\ud83d\\ude00",\n\t"b": [1,\n 2]}', "json")
    assert document.value == {"a": "\U0001f600", "b": [1, 2]}
    document = read_document(b'{"a": 1,\n  "b": [1,\n 2]}', "json")
    assert document.place(("b",)) == (2, 3)
    assert document.place(("b", 1)) == (3, 2)
    assert document.place(("b", 7, "x")) == (2, 3)
    assert messages('{"a": 1,\n "a": 2}', "json") == ["line 2:2: a: is given twice; first at line 1 (keep one of them)"]
    assert messages('{"\\ud83d\\ude00": 1, "a": 1, "a": 2}', "json") == ["a: is given twice"]
    assert "is not valid JSON" in messages("[" * 100_000, "json")[0] or "deeper" in messages("[" * 100_000, "json")[0]
    assert "is not valid JSON" in messages("9" * 5000, "json")[0]


def test_toml_places_are_found_by_their_keys():
    text = b'a = 1\n[[m]]\nx = 1\n[[m]]\n  x = 2\n[m.args]\n"t u" = 3\n[p.q]\nz.y = 1\n'
    document = read_document(text, "toml")
    assert document.value["m"][1]["args"] == {"t u": 3}
    assert document.place(("m", 0, "x")) == (3, 1)
    assert document.place(("m", 1, "x")) == (5, 3)
    assert document.place(("m", 1, "args", "t u")) == (7, 1)
    assert document.place(("p", "q", "z", "y")) == (9, 1)


def test_paths_are_written_as_people_do():
    assert dotted(("models", 0, "args", "n")) == "models[0].args.n"
    assert dotted((0, "a")) == "[0].a"
    assert dotted(()) == ""


@pytest.mark.parametrize("deep", [100, 900, 100_000])
@pytest.mark.parametrize(
    ("format", "before", "after"), [("json", '{"a": ', "}"), ("yaml", "a: ", ""), ("toml", "a = ", "")]
)
def test_a_hundred_levels_are_read_and_more_are_a_problem(format, before, after, deep):
    def nested(levels):
        return f"{before}{'[' * levels}{']' * levels}{after}"

    assert messages(nested(99), format) == []
    assert re.search("deep|maximum nesting depth", " ".join(messages(nested(deep), format)))


@pytest.mark.timeout(30)
def test_of_very_many_keys_the_one_that_is_there_twice_is_found_at_once():
    text = "{" + ",".join(f'"k{number}":1' for number in range(200_000)) + ',"k5":2}'
    [said] = messages(text, "json")
    assert "k5: is given twice" in said
