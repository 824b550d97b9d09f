"""Prompts of an experiment: their entries checked, and made PromptSpecs."""

from collections.abc import Collection, Mapping

from insideLLMs.config.members import ConfigEntry, check_alone, check_ids, entries
from insideLLMs.config.shape import Findings
from insideLLMs.core.chat_template import names_no_field
from insideLLMs.core.documents import FieldPath
from insideLLMs.core.errors import TemplateError
from insideLLMs.core.experiment import PromptSpec
from insideLLMs.core.subject import SEPARATOR
from insideLLMs.core.template import Template
from insideLLMs.core.types import JsonValue, Message, Role

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


def read_prompts(
    raw: Mapping[str, JsonValue], models: Collection[str | None], findings: Findings
) -> tuple[PromptSpec, ...]:
    """Read what stands under `prompt` or `prompts`; report what no prompt can be made of.

    A prompt that is called as one of the `models` is reported too: where a name is asked for, it would mean both.
    """
    check_alone(raw, "prompt", findings)
    for noun in ("prompt", "prompts"):
        if noun in raw and raw[noun] is None:
            findings.add((noun,), "is empty", "write a template, or remove it")
    found = list(entries(raw, "prompt", bare="template"))
    named = [(entry, entry.text("id") or f"p{place}") for place, entry in enumerate(found, 1)]
    check_ids(named, "prompt", findings)
    for entry, name in named:
        if name in models:
            findings.add(entry.path, f"is called {name!r}, as a model is", "give it another 'id'")
    return tuple(_read(entry, name, findings) for entry, name in named)


def _read(entry: ConfigEntry, name: str, findings: Findings) -> PromptSpec:
    if SEPARATOR.strip() in name:
        findings.add((*entry.path, "id"), f"may not contain {SEPARATOR.strip()!r}", "it stands before a prompt's id")
    turns = _turns(entry, findings)
    system = entry.text("system")
    if turns and turns[0].role == "system":
        if system is not None:
            findings.add((*entry.path, "system"), "stands beside a system message", "keep one of the two")
        system, turns = turns[0].text, turns[1:]
    template = entry.text("template")
    if template is not None and turns:
        findings.add((*entry.path, "messages"), "stands beside 'template'", "keep one of the two")
    constant = entry.value.get("constant") is True
    made = PromptSpec(id=name, template=template, messages=tuple(turns), system=system, constant=constant)
    _check(made, entry, findings)
    return made


def _turns(entry: ConfigEntry, findings: Findings) -> list[Message]:
    """Return the messages; what has not their shape was reported with the file's."""
    given = entry.value.get("messages")
    turns = [
        Message(role=_ROLES[turn["role"]], content=turn["content"])
        for turn in (given if isinstance(given, list) else ())
        if isinstance(turn, Mapping) and turn.get("role") in _ROLES and isinstance(turn.get("content"), str)
    ]
    for place, turn in enumerate(turns):
        if place and turn.role == "system":
            findings.add(
                (*entry.path, "messages", place), "is a second system message", "a chat begins with its only one"
            )
    return turns


def _check(prompt: PromptSpec, entry: ConfigEntry, findings: Findings) -> None:
    """Report templates that are malformed, and a prompt that sends nothing, or the same for every example."""
    if not prompt.chat and prompt.system is None:
        findings.add(entry.path, "sends nothing", "add 'template:', 'messages:' or 'system:'")
    chat = "messages" if prompt.template is None else "template"
    texts = [("system", prompt.system), *((chat, turn.text) for turn in prompt.chat)]
    names: list[str] = []
    for key, text in texts:
        try:
            found = Template(text or "").names
            names += found if key == chat else ()
        except TemplateError as error:
            findings.add(_place(entry, key), error.message, error.fix)
            return
    if prompt.chat and not names and not prompt.constant:
        same = names_no_field()
        findings.add(_place(entry, chat), same.message, same.fix)


def _place(entry: ConfigEntry, key: str) -> FieldPath:
    """Return where a text stands: bare text is its own entry."""
    return (*entry.path, key) if key in entry.value else entry.path
