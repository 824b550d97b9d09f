"""Experiment files made by damaging valid ones, and what becomes of each: an error with its place, or what is sent.

Everything follows from the seed. Nothing is asked: what would be sent is made as the engine makes it.
"""

import itertools
import random
import re
import string
from pathlib import Path

import orjson

from insideLLMs.api.preparation.prepare import prepare
from insideLLMs.config.load import read_experiment
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.providers.applications.http_endpoint import HttpEndpointModel

ROWS = [
    {"id": "a", "question": "2+2?", "answer": "4", "customer": {"name": "Ada"}, "facts": ["x", "y"], "locale": "de"},
    {"id": "b", "question": "3+3?", "answer": "6", "customer": {"name": "Bo"}, "facts": ["z"], "locale": "en"},
]
TEXTS = {
    "prompts/v1.md": "---\nsystem: You help {{ customer.name }}.\n---\n\n# Task\n\nAnswer: {{ question }}\n",
    "prompts/v2.txt": "In {{ locale }}: {{ question }}\n{% for fact in facts %}- {{ fact }}\n{% endfor %}\n",
    "prompts/chat.yaml": (
        '- {role: system, content: "You help {{ customer.name }}."}\n- {role: user, content: 1+1?}\n'
        "- {role: assistant, content: '2'}\n- role: user\n  content: |\n    {{ question }}\n    In {{ locale }}.\n"
    ),
    "prompts/system.txt": "Be brief in {{ locale }}.\n",
}
EXPERIMENTS = [
    """\
name: inline
model:
  type: dummy
  system: You help {{ customer.name }} in {{ locale }}.
probe:
  type: contains
  args:
    template: |
      Answer as {"answer": "..."}.
      {{ question }}{% if locale == "de" %} auf Deutsch{% endif %}
    none: ["sorry"]
dataset: q.jsonl
repeats: 2
gate: {fail_on: regressions}
""",
    """\
name: files
models:
  - type: dummy
    system: {file: prompts/system.txt}
  - {type: dummy, id: second, args: {canned_response: "4"}}
probes:
  - type: equals
    args: {template: {file: prompts/v1.md}, normalise: bare}
  - type: logic
    args: {template: {file: prompts/v2.txt}, tolerance: 0.5}
datasets:
  - {path: q.jsonl}
max_examples: 2
""",
    """\
name: chats
model: dummy
probes:
  - type: numeric
    args:
      template: {file: prompts/chat.yaml}
  - type: regex
    args:
      pattern: "[0-9]"
      template:
        - {role: system, content: {file: prompts/system.txt}}
        - {role: user, content: "{{ question }} {{ facts | join(', ') }}"}
dataset: {path: q.jsonl, format: jsonl}
execution: {concurrency: 4, timeout_s: 10}
""",
    """\
name: service
model:
  type: http
  id: app
  args:
    base_url: http://localhost:1/{{ locale }}/ask
    body: {question: "{{ prompt }}", user: {name: "{{ customer.name }}"}, facts: "{{ facts }}"}
    headers: {X-Locale: "{{ locale }}"}
    answer: $.answer
probe: {type: contains}
dataset: q.jsonl
""",
    """\
name: compared
model: {type: dummy, system: "By default in {{ locale }}."}
prompts:
  - {id: short, template: "{{ input }} ({{ locale }})", system: {file: prompts/system.txt}}
  - {id: long, file: prompts/v1.md}
  - id: shots
    messages:
      - {role: user, content: 1+1?}
      - {role: assistant, content: "2"}
      - {role: user, content: "{{ question }}"}
probe: {type: numeric}
dataset: {path: q.jsonl}
""",
    """\
name: judged
model: {type: dummy}
probes:
  - type: judge
    args:
      judges: {type: dummy, id: critic}
      rubric: Does it say {{ expected }} to {{ customer.name }}?
      scale: [1, 5]
  - {type: edit_similarity, args: {template: "Say it: {{ question }}"}}
dataset: q.jsonl
""",
]
# what no request may hold: placeholders of any spelling, and names of text files
_LITERAL = re.compile(r"\{\{|\}\}|\{%|%\}|\$?\{\s*[^\W\d][\w.]*\s*\}|file:|prompts/|\b\w+\.(?:md|txt|yaml)\b")
_PLACE = re.compile(r"[\w./-]+\.(?:yaml|md|txt|jsonl):\d+")
_WORDS = re.compile(r"[A-Za-z_]{2,}")
_FIELD = re.compile(r"\{\{ *([\w.]+) *\}\}")
_FILE = re.compile(r"\{file: ([\w./]+)\}")
_VALUES = ("-1", '"100"', "null", "[]", "{}", "true", "1e999", "''", "{x: 1}", "yes please")


def damaged(seed):
    """Return the files of an experiment with one damage or two, by name, and what the damages are called."""
    chance = random.Random(seed)
    files = {"e.yaml": EXPERIMENTS[seed % len(EXPERIMENTS)], **TEXTS}
    used = ["e.yaml", *(name for name in TEXTS if name in files["e.yaml"])]
    done = []
    for _ in range(1 + seed % 2):
        name, damage = chance.choice([*used, "e.yaml"]), chance.choice(DAMAGES)
        files[name] = damage(files[name], chance)
        done.append(damage.__name__)
    return files, " and ".join(done)


def typo(word, chance):
    """Return a word with one slip of the fingers."""
    at = chance.randrange(len(word))
    letter = chance.choice(string.ascii_lowercase)
    slips = (word[:at] + word[at + 1 :], word[:at] + letter + word[at:], word[:at] + letter + word[at + 1 :])
    return chance.choice(slips)


def _replaced(pattern, text, chance, change):
    found = list(pattern.finditer(text))
    if not found:
        return a_letter(text, chance)
    one = chance.choice(found)
    return text[: one.start()] + change(one) + text[one.end() :]


def a_word(text, chance):
    """Misspell any word: a key, a name, a value."""
    return _replaced(_WORDS, text, chance, lambda one: typo(one[0], chance))


def a_field(text, chance):
    """Misspell a field of a template."""
    return _replaced(_FIELD, text, chance, lambda one: f"{{{{ {typo(one[1], chance)} }}}}")


def a_spelling(text, chance):
    """Write a field as another tool does, or with a brace too few or too many."""
    forms = ("{%s}", "${%s}", "{ %s }", "{{%s}", "{%s}}", "{{ %s", "%s }}", "{{{%s}}}", "{{{ %s }}", "{{ %s }}}")
    return _replaced(_FIELD, text, chance, lambda one: chance.choice(forms) % one[1])


def a_brace(text, chance):
    """Leave out a brace, or write one twice."""
    return _replaced(re.compile(r"[{}%]"), text, chance, lambda one: chance.choice(("", one[0] * 2)))


def a_file(text, chance):
    """Name a file in another way, or another file."""
    forms = ("%s", "file://%s", "'file: %s'", "{file: x%s}", "{fiel: %s}", "{file: %s, id: x}", "{file: prompts}%.0s")
    return _replaced(_FILE, text, chance, lambda one: chance.choice(forms) % one[1])


def a_value(text, chance):
    """Put a value of another kind behind a key."""
    return _replaced(re.compile(r"(?<=: )[\w.\"'-]+"), text, chance, lambda _: chance.choice(_VALUES))


def a_letter(text, chance):
    """Leave out any letter."""
    at = chance.randrange(len(text) or 1)
    return text[:at] + text[at + 1 :]


def a_line(text, chance):
    """Leave out a line."""
    lines = text.splitlines(keepends=True)
    at = chance.randrange(len(lines) or 1)
    return "".join(lines[:at] + lines[at + 1 :])


DAMAGES = (a_word, a_field, a_spelling, a_brace, a_file, a_value, a_letter, a_line)


def write(folder: Path, files) -> None:
    """Write the files of an experiment with its dataset."""
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "q.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in ROWS))
    for name, text in files.items():
        (folder / name).write_text(text)


def outcome(folder: Path) -> tuple[str, list[str]]:
    """Return what becomes of an experiment, ``error`` or ``sent``, with the message or with all that is sent."""
    try:
        loaded = read_experiment(folder / "e.yaml")
        with loaded.placing_errors():
            prepared = prepare(loaded.experiment, folder=folder, asks=False)
        return "sent", list(_sent(prepared))
    except InsideLLMsError as error:
        return "error", [str(error)]


def _sent(prepared):
    for probe_id, probe in prepared.probes.items():
        for name in next(spec.datasets for spec in prepared.experiment.probes if spec.id == probe_id):
            for _, example in prepared.datasets[name].examples():
                if isinstance(probe, PromptProbe):
                    yield from _texts(prepared, probe, example)


def _texts(prepared, probe, example):
    for ready, prompt in itertools.product(prepared.models.values(), prepared.plan.prompts or (None,)):
        request = ready.sent(prepared.wrapped(probe.request(example), prompt, example), example)
        yield from (message.text for message in request.messages)
        if isinstance(ready.model, HttpEndpointModel):
            call = ready.model._codec.encode(request, repeat=0)
            yield from (call.path, call.body.decode(), *call.headers.values())
    if hasattr(probe, "_rubric_of"):
        yield probe._rubric_of(example)


def faults(kind: str, told: list[str]) -> list[str]:
    """Return what is wrong with an outcome: what is sent literally, or an error without file and line."""
    if kind == "sent":
        return [text for text in told if _LITERAL.search(text.replace('{"answer": "..."}', ""))]
    return [text for text in told if not _PLACE.search(text)]
