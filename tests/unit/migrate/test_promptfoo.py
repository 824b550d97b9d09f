"""A test of promptfoo's scores an answer here as promptfoo itself does, or is not imported at all."""

import json
from pathlib import Path

import pytest

from insideLLMs.core.documents import read_document
from insideLLMs.core.types import Example, Response
from insideLLMs.migrate.promptfoo.config import read_promptfoo
from insideLLMs.migrate.source import ForeignFile, ImportFindings, Node
from insideLLMs.probes.checks import ChecksProbe

PAIRS = json.loads((Path(__file__).parent / "promptfoo_verdicts.json").read_text(encoding="utf-8"))
"""What promptfoo 0.123 printed, by benchmarks/promptfoo_agreement.py. `here` stands where ours is another verdict."""


def drafted(config, folder="."):
    """Return the draft of a configuration, and what was found wrong or left out."""
    document = read_document(json.dumps(config).encode(), "json")
    findings = ImportFindings(root=Path(folder).resolve())
    draft = None
    with findings.collecting():
        draft = read_promptfoo(Node(document.value, ForeignFile("c.yaml", findings.root, document)), findings)
    return draft, [str(one) for one in findings.wrong] + [one.in_words for one in findings.left_out]


def config(test):
    return {"prompts": ["{{q}}"], "providers": ["openai:chat:m"], "tests": [{"vars": {"q": "Q?"}, **test}]}


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_every_verdict_is_promptfoos_own_or_stricter(pair):
    test = {**pair["test"], "vars": {"q": "Q?", **pair["test"].get("vars", {})}}
    draft, problems = drafted(config(test))
    if pair.get("here") == "refused":
        assert problems
        return
    assert problems == []
    (probe,) = draft.probes
    (row,) = probe["dataset"]["examples"]
    checks = ChecksProbe(**probe.get("args", {}))
    example = Example(id="1", input="Q?", fields={"checks": row.get("checks", [])})
    assert checks.check_example(example) is None
    passed = checks.score(example, Response(text=pair["answer"])).passed
    assert passed is pair.get("here", pair["promptfoo"])
    assert passed is pair["promptfoo"] or passed is False


def test_only_empty_answers_and_sloppy_json_are_judged_otherwise():
    differing = [one for one in PAIRS if "here" in one and one["here"] != "refused"]
    assert len(PAIRS) > 180
    assert len(differing) == 6
    assert all(one["answer"] == "" or "json" in json.dumps(one["test"]) for one in differing)


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ({"assert": [{"type": "contians", "value": "x"}]}, "'contians' is not an assertion (did you mean 'contains'?)"),
        ({"asert": []}, "unknown key of a test (did you mean 'assert'?)"),
        ({"assert": [{"type": "javascript", "value": "true"}]}, "javascript: no program is run by an import"),
        ({"assert": [{"type": "equals", "value": "file://run.py"}]}, "'file://run.py' is no text or YAML"),
        ({"assert": [{"type": "contains", "value": "{{ nme }}"}]}, "the template names {{ nme }}"),
        ({"assert": [{"type": "contains", "value": "{{ env.HOME }}"}]}, "reads the environment"),
        ({"assert": [{"type": "contains", "value": "x", "weight": -1}]}, "a weight is a number from 0 on"),
        ({"assert": [{"type": "similar", "value": "x"}], "threshold": 0.5}, "similar: gives a graded score"),
        ({"assert": [{"type": "latency"}]}, "latency: must have a number as its threshold"),
        ({"options": {"transform": "output.trim()"}}, "test: options.transform: nothing here stands for it"),
        ({"vars": {"q": "{{ w | upper }}", "w": "x"}}, "the var 'q' is a template of its own"),
        ({"vars": {"q": "x {{ env.HOME }}"}}, "the var 'q' reads the environment"),
        ({"vars": {"q": '[{"role": "user"}]'}}, "its chat is JSON only once it is filled in"),
        ({"vars": {"q": "- role: user"}}, "its chat is JSON only once it is filled in"),
        ({"vars": {"q": "{see below}"}}, "its chat is JSON only once it is filled in"),
        (
            {"vars": {"q": "x", "w": {"a": [1]}}, "assert": [{"type": "not-contains", "value": "{{ w.a }}"}]},
            "prints a list or a mapping",
        ),
        ({"vars": {"q": "file://../../etc/passwd"}}, "'file://../../etc/passwd' leads out of the folder"),
        ({"vars": {"q": "file:///etc/passwd"}}, "leads out of the folder"),
        ({"vars": {"q": "x", "checks": "y"}}, "a var is called 'checks', which means something else here"),
        ({"vars": {name: list("abcdefghijkl") for name in "qrstu"}}, "more than 10,000 combinations"),
        ({"vars": {"w": "x"}}, "names {{ q }}, which no test has"),
        ({"assert": [{"$ref": "#/templates/none"}]}, "refers to '#/templates/none', which this file does not have"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_over_is_named_with_its_place(test, told):
    _, problems = drafted(config(test))
    assert any(told in one and one.startswith("c.yaml:1:") for one in problems), problems


@pytest.mark.parametrize(
    ("provider", "made"),
    [
        ("openai:gpt-4.1", {"type": "openai", "args": {"model_name": "gpt-4.1", "temperature": 0, "max_tokens": 1024}}),
        ("openai:chat:o3", {"type": "openai", "args": {"model_name": "o3"}}),
        ("openai:responses:gpt-5", {"type": "openai_responses", "args": {"model_name": "gpt-5"}}),
        ("anthropic:messages:claude-x", {"type": "anthropic", "args": {"model_name": "claude-x"}}),
        ("ollama:chat:llama3:8b", {"type": "ollama", "args": {"model_name": "llama3:8b"}}),
        ("google:gemini-x", {"type": "gemini", "args": {"model_name": "gemini-x"}}),
        (
            {"id": "anthropic:messages:c", "label": "C", "config": {"max_tokens": 5, "stop_sequences": ["x"]}},
            {"id": "C", "type": "anthropic", "args": {"model_name": "c", "max_tokens": 5, "stop": ["x"]}},
        ),
        (
            {"id": "ollama:l", "config": {"headers": {"X": "Bearer {{ env.T }}"}, "apiBaseUrl": "{{env.U}}/v1"}},
            {"type": "ollama", "args": {"model_name": "l", "headers": {"X": "Bearer ${T}"}, "base_url": "${U}/v1"}},
        ),
        ({"openai:gpt-5": {"config": {"apiKey": "{{env.MINE}}"}}},
         {"type": "openai", "args": {"model_name": "gpt-5", "api_key_env": "MINE"}}),
        (
            {"id": "https", "config": {"url": "http://h/x", "body": {"q": "{{ prompt }}"},
                                       "transformResponse": "json.a[0].b"}},
            {"type": "http", "args": {"base_url": "http://h/x", "body": {"q": "{{ prompt }}"}, "answer": "$.a[0].b"}},
        ),
    ],
)  # fmt: skip
def test_a_provider_becomes_a_model(provider, made):
    draft, problems = drafted({**config({}), "providers": [provider]})
    assert problems == []
    assert draft.models == [made]


@pytest.mark.parametrize(
    "provider",
    [
        "exec:rm -rf /",
        "python:run.py",
        "file://run.js",
        "file://p.py:call",
        "openai:embedding:x",
        "echo",
        "replicate:x/y",
    ],
)
def test_a_provider_that_runs_a_program_or_is_not_known_is_left_out(provider):
    _, problems = drafted({**config({}), "providers": [provider]})
    assert [one for one in problems if f"provider {provider!r}" in one]


@pytest.mark.parametrize(
    "test",
    [
        {"options": {"transform": "output.trim()"}, "assert": [{"type": "contains", "value": "x"}]},
        {"options": {"postprocess": "output"}},
        {"assertScoringFunction": "file://score.js", "assert": [{"type": "contains", "value": "x"}]},
        {"providerOutput": "x", "assert": [{"type": "contains", "value": "x"}]},
    ],
)
def test_where_an_option_that_changes_the_verdict_is_left_out_no_answer_passes(test):
    draft, problems = drafted(config(test))
    assert len(problems) == 1
    (probe,) = draft.probes
    (row,) = probe["dataset"]["examples"]
    example = Example(id="1", input="Q?", fields={"checks": row.get("checks", [])})
    scored = ChecksProbe(**probe.get("args", {})).score(example, Response(text="x"))
    assert not scored.passed
    assert "left out: " in scored.explanation


@pytest.mark.parametrize("prompt", ["[see the list] {{ q }}", "{{ q }} {a}", "{{ q }}: [1, 2]"])
def test_a_prompt_that_only_begins_like_json_is_a_text(prompt):
    draft, problems = drafted({**config({}), "prompts": [prompt]})
    assert problems == []
    assert "template" in draft.prompts[0]


@pytest.mark.parametrize("extra", [{"config": {"temperature": 1}}, {"prefix": "Say: "}, {"suffix": "!"}])
def test_a_prompt_that_cannot_be_asked_as_it_is_meant_is_not_asked(extra):
    draft, problems = drafted({**config({}), "prompts": ["{{ q }}", {"raw": "Say {{ q }}", **extra}]})
    assert len(problems) == 1
    assert [one["template"] for one in draft.prompts] == ["{{ q }}"]


def test_a_provider_whose_answers_are_transformed_is_not_asked():
    draft, problems = drafted({**config({}), "providers": ["openai:m", {"id": "openai:n", "transform": "output.x"}]})
    assert len(problems) == 1
    assert [one["args"]["model_name"] for one in draft.models] == ["m"]


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("Hello {{ name }}", "Hello {{ name }}"),
        ("{{ a === b }}{% elseif x %}", None),
        ('{% if a !== "===" %}x{% endif %}', '{% if a != "===" %}x{% endif %}'),
        ("{{ facts | dump }} {{ facts.length }}", "{{ facts | tojson }} {{ facts|length }}"),
        ("{% for k, v in m %}{{ k }}{% endfor %}", "{% for k, v in m | items %}{{ k }}{% endfor %}"),
        ("{{ name.toUpperCase() }}", "{{ name|upper }}"),
        ("write {name} as {{ name }}", "{% raw %}write {name} as {% endraw %}{{ name }}"),
        ("{{ unclosed", "{% raw %}{{ unclosed{% endraw %}"),
        ("{# a note #}{{ name }}", "{{ name }}"),
        ("[[name]] {{ name }}", "{% raw %}[[name]] {% endraw %}{{ name }}"),
        ("{{ name | nl2br }}", None),
        ("{% include 'x' %}", None),
    ],
)
def test_a_prompt_is_written_in_the_language_of_templates_here(written, made):
    given = {"name": "Ada", "facts": [1], "m": {"a": 1}, "a": "1", "x": "y"}
    draft, problems = drafted({**config({"vars": given}), "prompts": [written]})
    assert bool(problems) is (made is None)
    if made is not None:
        assert draft.prompts[0]["template"] == made


def test_limits_on_latency_and_cost_are_the_gates_and_tests_without_assertions_are_recorded():
    limits = [{"type": "latency", "threshold": 900}, {"type": "cost", "threshold": 0.01}]
    tests = [{"vars": {"q": name}, "assert": given} for name, given in (("a", limits), ("b", []), ("c", limits[:1]))]
    draft, problems = drafted({**config({}), "tests": tests})
    assert problems == []
    assert [(one["type"], len(one["dataset"]["examples"])) for one in draft.probes] == [("record", 1)] * 3
    assert draft.gate == {"probes": {
        "record": {"max": {"latency_ms.max": 900, "cost_usd.max": 0.01}}, "record 3": {"max": {"latency_ms.max": 900}}
    }}  # fmt: skip
