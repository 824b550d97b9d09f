"""Templates."""

import subprocess
import sys

import pytest

from insideLLMs.core.errors import TemplateError
from insideLLMs.core.template import Template, values_of
from insideLLMs.core.types import Example, Message

EXAMPLE = Example(
    id="1",
    input="2+2?",
    fields={
        "topic": "sums", "hints": ["a", 1], "n": 3, "sure": True, "empty": None,
        "customer": {"name": "Ada", "age": 36}, "order": {"items": [1, 2]}, "customer-id": "c7",
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{ question }} / {{input}} / {{ topic }} / {{ n }} / {{ sure }}", "2+2? / 2+2? / sums / 3 / true"),
        ("{{ hints }} {{ customer }}", '["a",1] {"age":36,"name":"Ada"}'),
        ("{{ customer.name }}, {{ hints[0] }}, {{ customer['age'] }}, {{ fields['customer-id'] }}", "Ada, a, 36, c7"),
        ("{% for one in hints %}{{ loop.index }}. {{ one }}\n{% endfor %}", "1. a\n2. 1\n"),
        ("{% if sure %}yes{% else %}no{% endif %}{% if empty %}!{% endif %}", "yes"),
        ("{% if tone is defined %}{{ tone }}{% endif %}{{ tone|default('plain') }}", "plain"),
        ("{{ order.items }} {{ order.items|length }} {% for x in order.items %}{{ x }}{% endfor %}", "[1,2] 2 12"),
        ("{% for key, value in customer.items() %}{{ key }}={{ value }};{% endfor %}", "age=36;name=Ada;"),
        ("{{ sure ~ '-' ~ topic }} {{ hints|join('; ') }}", "true-sums a; 1"),
        ("{{ topic|upper }} {{ topic.upper() }} {{ topic|replace('s', 'z') }}", "SUMS SUMS zumz"),
        ("{{ customer|tojson }}", '{"age": 36, "name": "Ada"}'),
        ('{"a": {"b": {{ n }}}, "c": {}}', '{"a": {"b": 3}, "c": {}}'),
        ("{% raw %}{question} {{ question }}{% endraw %}", "{question} {{ question }}"),
        ("x^{2} ${{ n }}\n", "x^{2} $3\n"),
        ("no field", "no field"),
    ],
)
def test_a_template_is_filled_from_input_and_fields(text: str, filled: str) -> None:
    assert Template(text).fill(EXAMPLE) == filled
    Template(text).check(EXAMPLE)


@pytest.mark.parametrize("name", ["question", "topic", "n", "sure", "hints", "customer", "order", "nothing", "empty"])
def test_plain_names_are_filled_as_jinja_fills_them(name: str) -> None:
    def filled(text: str) -> str:
        try:
            return Template(text).fill(EXAMPLE)
        except TemplateError as error:
            return f"{error.message} at {error.line}"

    assert filled(f"a\n{{{{ {name} }}}}b\n") == filled(f"a\n{{{{ ({name}) if 1 else '' }}}}b\n")


def test_what_a_field_holds_is_not_filled_again() -> None:
    assert Template("{{ a }}").fill(Example(id="1", input="", fields={"a": "{{ b }}<&", "b": "x"})) == "{{ b }}<&"


def test_a_given_field_takes_the_place_of_the_examples_own() -> None:
    example = Example(id="1", input="", fields={"choices": "own"})
    assert Template("{{ choices }}{{ more }}").fill(example, choices="given", more="!") == "given!"


def test_the_order_in_which_a_file_writes_keys_changes_nothing() -> None:
    orders = ({"b": {"d": 1, "c": 2}, "a": 3}, {"a": 3, "b": {"c": 2, "d": 1}})
    texts = {
        Template("{{ x }}{{ x.b|tojson }}{% for key in x %}{{ key }}{% endfor %}").fill(
            Example(id="1", input="", fields={"x": order})
        )
        for order in orders
    }
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Q: {question}", "question"), ("${question}", "question"), ("{ question }", "question"),
        ("{customer.name}", "customer.name"), ("{hints[0]}", "hints[0]"), ("{n!r}", "n"), ("{n:>5}", "n"),
        ("{customer-id}", "customer-id"), ("{frage} {{ question }}", "frage"), ("{{ n }} { question }}", "question"),
        ("{überschrift}", "überschrift"),
    ],
)  # fmt: skip
def test_a_placeholder_of_other_tools_is_an_error_that_shows_ours(text: str, field: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(text)
    assert f"{{{{ {field} }}}}" in (caught.value.fix or "")
    assert "{% raw %}" in (caught.value.fix or "")


@pytest.mark.parametrize(
    "text",
    [
        "{{question}", "{{ question", "{{{question}}}", "question }}", "{{ n }} and question }}", "{{ }}", "{% if n %}",
        "{% nonsense %}", "{{ n|nonsense }}", "{# no end", "{{ question }} if n %}",
    ],
)  # fmt: skip
def test_a_malformed_template_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(f"first line\n{text}")
    assert caught.value.line == 2
    assert caught.value.fix


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ questoin }}", "names {{ questoin }}, which this example does not have; did you mean {{ question }}?"),
        ("{{ customer.nmae }}", "no 'nmae'; did you mean 'name'?"),
        ("{% if n %}{{ customre.name }}{% endif %}", "did you mean {{ customer }}?"),
        ("{{ empty }}", "empty is null in this example"),
        ("{% for one in topic %}{{ one }}{% endfor %}", "letter by letter"),
        ("{{ hints|map('upper') }}", "|join(', ')"),
        ("{{ topic.upper }}", "is no text"),
        ("{{ 1 / 0 }}{{ n }}", "division by zero"),
        ("{{ n + topic }}", "unsupported operand"),
    ],
)
def test_what_cannot_be_filled_is_named_with_the_nearest_known(text: str, said: str) -> None:
    template = Template(f"\n{text}")
    with pytest.raises(TemplateError) as caught:
        template.check(EXAMPLE)
    assert said in caught.value.message
    assert caught.value.line == 2
    with pytest.raises(TemplateError, match="example '1'"):
        template.fill(EXAMPLE)


@pytest.mark.parametrize(
    "text",
    [
        "{% include 'x' %}", "{% import 'x' as x %}", "{% from 'x' import y %}", "{% extends 'x' %}",
        "{% macro f() %}{% endmacro %}", "{% block a %}{% endblock %}", "{% set x %}a{% endset %}",
        "{% filter upper %}a{% endfilter %}", "{% for x in hints recursive %}{{ loop(hints) }}{% endfor %}",
        "{{ hints|random }}", "{{ topic|center(100) }}", "{{ topic|attr('upper') }}",
    ],
)  # fmt: skip
def test_a_template_loads_nothing_and_has_no_chance_in_it(text: str) -> None:
    with pytest.raises(TemplateError):
        Template(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ topic.__class__ }}", "{{ topic.format(1) }}", "{{ lipsum() }}", "{{ hints.append(1) }}",
        "{{ ''.join(hints) }}",
        "{{ 'a' * 10000001 }}", "{{ 10000001 * 'a' }}", "{{ 9 ** 9 }}",
        "{{ '%9999999999d' % n }}", "{{ range(10001) }}",
        "{% for a in range(999) %}{% for b in range(999) %}{% endfor %}{% endfor %}",
        "{% for a in range(9999) %}{{ 'a' * 9999 }}{% endfor %}",
        "{{ ('a' * 9999)|replace('a', 'b' * 9999) }}", "{{ range(9999)|join('a' * 9999) }}",
        "{{ topic|indent(9999999) }}",
        "{% set x0 = 'a' * 9999999 %}{% set x1 = x0 ~ x0 %}", "{% set x0 = 'a' * 9999999 %}{% set x1 = x0 + x0 %}",
        "{% set a = 9007199254740992 %}" + "{% set a = a * a %}" * 60,
    ],
)  # fmt: skip
def test_what_a_template_can_do_is_bounded(text: str) -> None:
    with pytest.raises(TemplateError):
        Template(text).check(EXAMPLE)


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ("<<topic>>", "{{ topic }}"), ("[[topic]]", "{{ topic }}"),
        ("%topic%", "{{ topic }}"), ("$topic", "{{ topic }}"), ("{customer id}", '{{ fields["customer id"] }}'),
    ],
)  # fmt: skip
def test_a_field_in_the_spelling_of_another_tool_is_an_error(written: str, ours: str) -> None:
    example = Example(id="1", input="?", fields={"topic": "sums", "customer id": "c7"})
    template = Template(f"{{{{ question }}}}\n{written}")
    with pytest.raises(TemplateError, match="has a field") as caught:
        template.check(example)
    assert ours in (caught.value.fix or "")
    assert caught.value.line == 2
    template.check(Example(id="1", input="?"))


@pytest.mark.parametrize(
    "text",
    [
        "{{ topic }} <topic>", "Use what is in <topic> tags.", "<topic>{{ question }}</topic>",
        "Put the answer in \\boxed{n}: x^{n} \\frac{n}{topic}",
        "if (x) { return {}; }", "{see below} [1] 50% $5",
    ],
)  # fmt: skip
def test_tags_formulas_and_code_are_text(text: str) -> None:
    Template(text).check(EXAMPLE)


def test_a_name_in_a_branch_that_is_not_taken_is_checked_too() -> None:
    template = Template("{{ n }}\n{% if n > 5 %}{{ topci }}{% endif %}")
    assert template.fill(EXAMPLE) == "3\n"
    with pytest.raises(TemplateError, match=r"did you mean \{\{ topic \}\}") as caught:
        template.check(EXAMPLE)
    assert caught.value.line == 2
    assert "is defined" in (caught.value.fix or "")
    Template("{% if n > 5 and tone is defined %}{{ tone }}{% endif %}{{ n }}").check(EXAMPLE)


def test_the_names_are_known_before_any_example() -> None:
    template = Template("{{ a.b }} {% for x in c %}{{ x }}{{ a }}{% endfor %} {% if d is defined %}{{ d }}{% endif %}")
    assert template.names == ("a", "c", "d")
    assert template.required == ("a", "c")
    assert Template("nothing").names == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [("{{ hints }}", ["a", 1]), (" {{ n }} ", 3), ("{{sure}}", True), ("{{ customer.age }}", 36), ("{{ n }}!", "3!")],
)  # fmt: skip
def test_a_text_that_is_one_field_has_the_fields_value(text: str, value: object) -> None:
    assert Template(text).value(values_of(EXAMPLE, Template(text).names)) == value


def test_a_field_that_is_missing_has_no_value() -> None:
    with pytest.raises(TemplateError, match=r"did you mean \{\{ topic \}\}"):
        Template("{{ topics }}").value(values_of(EXAMPLE, ()))


def test_a_chat_keeps_its_other_messages() -> None:
    chat = Example(
        id="1",
        input=(Message(role="system", content="s"), Message(role="user", content="u"), Message(role="assistant")),
    )
    request = Template("<{{ input }}>").request(chat)
    assert [(message.role, message.content) for message in request.messages] == [
        ("system", "s"), ("user", "<u>"), ("assistant", ""),
    ]  # fmt: skip


def test_a_chat_without_a_user_message_gets_one() -> None:
    chat = Example(id="1", input=(Message(role="system", content="s"),), fields={"q": "why"})
    assert Template("{{ q }}?").request(chat).messages[-1] == Message(role="user", content="why?")


def test_plain_text_does_without_jinja() -> None:
    code = (
        "import sys; from insideLLMs.core.template import Template; Template('hello'); print('jinja2' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
