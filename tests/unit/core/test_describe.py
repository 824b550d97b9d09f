"""Identities of users' objects: different settings differ, counters and addresses do not."""

import functools
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from insideLLMs import probe_registry
from insideLLMs.core import canonical
from insideLLMs.core.describe import describe, secret_texts, without_secrets
from insideLLMs.core.protocols import Model


class Kept(Model):
    def __init__(self, temperature, stop=()):
        super().__init__("kept")
        self.temperature = temperature
        self._stop = stop
        self.calls = 0


class Renamed:
    name = "renamed"

    def __init__(self, temperature):
        self.t = temperature


class Slotted:
    __slots__ = ("_temperature",)

    def __init__(self, temperature):
        self._temperature = temperature


class Starred:
    def __init__(self, *parts, temperature=0.0, **rest):
        self.parts = parts
        self.rest = rest
        self.temperature = temperature
        self.calls = 0


class Plain:
    def __init__(self, value):
        self.value = value


@dataclass(frozen=True)
class Options:
    temperature: float
    seed: int = 0


class Record(msgspec.Struct):
    temperature: float
    api_key: str = ""


def closing_over(value):
    def generate(prompt):
        return f"{prompt} {value}"

    return generate


def same(value):
    return value


@pytest.mark.parametrize("make", [Kept, Renamed, Slotted, Plain, Options, closing_over, lambda v: Plain(Options(v))])
def test_objects_made_with_different_settings_differ(make):
    assert describe(make(0.1)) != describe(make(0.9))
    assert describe(make(0.1)) == describe(make(0.1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda p: "yes", lambda p: "no"),
        (functools.partial(same, 1), functools.partial(same, 2)),
        (Plain(1).__init__, Plain(2).__init__),
        (Plain(Path("a")), Plain(Path("b"))),
        (Plain({"x": [1, (2, {3})]}), Plain({"x": [1, (2, {4})]})),
        (Plain(re.compile("a")), Plain(re.compile("b"))),
        (Plain(b"a"), Plain(b"b")),
        (Plain(float("inf")), Plain(float("-inf"))),
        (Plain(2**70), Plain(2**71)),
        (Plain(Plain(1)), Plain(Plain(2))),
        (Plain(lambda p: "yes"), Plain(lambda p: "no")),
        (Plain(Kept), Plain(Renamed)),
    ],
    ids=lambda pair: type(pair).__name__,
)
def test_settings_of_every_kind_are_told_apart(one, other):
    assert canonical.line(describe(one)) != canonical.line(describe(other))


def test_a_counter_that_is_no_constructor_argument_does_not_change_the_identity():
    model = Kept(0.5)
    before = describe(model)
    model.calls = 7
    assert describe(model) == before


def test_arguments_of_every_kind_are_settings():
    assert describe(Starred(1, temperature=0.5, top=2))["settings"] == {
        "parts": [1],
        "temperature": 0.5,
        "rest": {"top": 2},
    }


def test_objects_are_described_on_many_threads_at_once():
    class Duck:
        name = "duck"

    with ThreadPoolExecutor(8) as threads:
        described = list(threads.map(lambda _: describe(Duck()), range(2000)))
    assert described == [describe(Duck())] * 2000


def test_secrets_never_enter_an_identity():
    class Keyed(Model):
        def __init__(self, api_key, headers):
            super().__init__("keyed")
            self.api_key = api_key
            self.headers = headers

    text = canonical.line(describe(Keyed("hunter2", {"auth_token": "hunter2", "x": 1}))).decode()
    assert "hunter2" not in text
    assert '"x":1' in text


def test_what_a_function_holds_is_hashed_not_shown():
    call = functools.partial(same, "hunter2")
    for thing in (closing_over("hunter2"), lambda prompt: "hunter2", call):
        assert "hunter2" not in canonical.line(describe(thing)).decode()


def test_an_object_that_holds_itself_can_be_described():
    thing = Plain(None)
    thing.value = [thing]
    assert canonical.line(describe(thing))


def test_no_memory_address_enters_an_identity():
    assert "0x7" not in canonical.line(describe(Plain(iter("abc")))).decode()
    assert describe(Plain(object())) == describe(Plain(object()))


def test_an_object_may_describe_itself():
    class Own:
        def identity(self):
            return {"mine": 1}

    assert describe(Own()) == {"mine": 1}


def test_secret_texts_are_left_out_of_settings_and_schemas_named_like_them_stay():
    schema = {"properties": {"key": {"type": "string"}, "token": {"type": "integer"}}}
    given = {"api-key": "k1", "deep": [{"auth_token": "k2", "max_tokens": 5}], "schema": schema}
    assert without_secrets(given) == {"deep": [{"max_tokens": 5}], "schema": schema}
    assert secret_texts(given) == ["k1", "k2"]


def test_a_struct_is_told_by_its_fields_and_keeps_its_secrets():
    first, second = (describe(Plain(Record(temperature, api_key="hush-hush-hush"))) for temperature in (0.0, 0.5))
    assert first != second
    assert "hush" not in str(first)


CHAT = [{"role": "user", "content": "{{ prompt }}"}]
CLASSES_IN_IDENTITIES = [
    ("contains", {"template": CHAT}, ("probes.contains.ContainsProbe", "core.chat_template.ChatTemplate")),
    ("logic", {"template": "{{ prompt }}"}, ("probes.logic.LogicProbe", "core.template.Template")),
    ("judge", {"preset": "faithfulness"}, ("probes.judge.JudgeScoredProbe", "probes.judge_presets.Preset")),
    ("checks", {"checks": [{"type": "f1"}]}, ("probes.checks.ChecksProbe", "probes.named_check.NamedCheck")),
]


@pytest.mark.parametrize(("probe", "args", "held"), CLASSES_IN_IDENTITIES)
def test_our_classes_have_the_paths_that_stored_identities_hold(probe, args, held):
    identity = describe(probe_registry.get(probe, **args))
    found = re.findall(r'"insideLLMs\.([\w.]+)"', canonical.line(identity).decode())
    assert set(held) <= set(found), "a class was moved, so equal runs would get other ids"
