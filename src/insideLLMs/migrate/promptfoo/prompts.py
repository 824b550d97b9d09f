"""promptfoo's prompts -> prompts, each a template or a chat."""

import csv
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from insideLLMs.core.documents import read_document
from insideLLMs.core.errors import ConfigError, TemplateError
from insideLLMs.core.subject import SEPARATOR
from insideLLMs.core.template import Template
from insideLLMs.core.types import JsonValue
from insideLLMs.migrate.nunjucks import translated
from insideLLMs.migrate.promptfoo.values import PROGRAMS
from insideLLMs.migrate.source import SCHEME, ImportFindings, Node

_KEYS = ("id", "label", "raw", "display", "config", "prefix", "suffix")
_FILES = (".txt", ".md", ".j2", ".json", ".jsonl", ".yaml", ".yml", ".csv")
_PATH = re.compile(rf"[\w./*?\[\]{{}},@ -]+(?:{'|'.join(map(re.escape, (*_FILES, *PROGRAMS)))})(?::\w+)?")
_GLOB = re.compile(r"[*?\[]")
_DELIMITER = "---"
_ROLES = ("system", "user", "assistant")
_LONGEST_ID = 60


class RawPrompt(NamedTuple):
    """A prompt as promptfoo has it: its text, what it is called, and where it stands."""

    node: Node
    text: str
    label: str | None


def raw_prompts(node: Node | None, root: Node, findings: ImportFindings) -> list[RawPrompt]:
    """Return every prompt of a configuration, those of files and globs included."""
    if node is None:
        return [RawPrompt(root, "{{ prompt }}", None)]
    found: list[RawPrompt] = []
    entries: list[tuple[Node, str | None]] = [(one, None) for one in node.items()]
    if isinstance(node.value, Mapping) and not {"raw", "id", "label"} & set(node.keys()):
        entries = [(node, key) for key, _ in node.fields()]  # an earlier form: what stands for a file is its label
    for entry, key in entries:
        with findings.collecting():
            found += _entry(entry, key, findings)
    return found


def _entry(node: Node, key: str | None, findings: ImportFindings) -> list[RawPrompt]:
    if key is not None:
        label = node.get(key)
        return _expanded(node, key, label.text if label else None, findings)
    if node.text is not None:
        return _expanded(node, node.text, None, findings)
    if not isinstance(node.value, Mapping):
        raise ConfigError([node.problem("a prompt is a text, or a mapping with `raw` or `id`")])
    findings.check_keys(node, _KEYS, "a prompt")
    for extra in ("config", "prefix", "suffix"):
        if node.get(extra) is not None:
            findings.leave_out(
                node, "prompt", f"its {extra!r} has no equivalent here", "write it into the prompt or the model"
            )
            return []
    named = [one.text for one in (node.get("label"), node.get("id")) if one is not None]
    raw = node.get("raw") or node.get("id")
    if raw is None or raw.text is None:
        raise ConfigError([node.problem("a prompt lacks its text, `raw`")])
    return _expanded(raw, raw.text, next((one for one in named if one and one != raw.text), None), findings)


def _expanded(node: Node, text: str, label: str | None, findings: ImportFindings) -> list[RawPrompt]:
    """Return the prompts that a text stands for: itself, or those of the files that it names."""
    if not text.strip():
        raise ConfigError([node.problem("an empty prompt")])
    if re.match(r"(?:exec|python|portkey|langfuse|helicone):", text) or text.startswith("package:"):
        findings.leave_out(node, "prompt", f"{text.partition(':')[0]} is run or asked for it; nothing is by an import",
                           "write the text of the prompt")  # fmt: skip
        return []
    is_file = text.startswith(SCHEME) or ("\n" not in text and "{{" not in text and _PATH.fullmatch(text))
    if not is_file:
        return [RawPrompt(node, text, label)]
    path = findings.path_of(node, text)
    paths = sorted(path.parent.glob(path.name)) if _GLOB.search(path.name) else [path]
    if _GLOB.search(str(path.parent.relative_to(findings.root))):
        paths = sorted(findings.root.glob(str(path.relative_to(findings.root))))
    if not paths:
        raise ConfigError([node.problem(f"no file is called {text!r}")])
    for one in paths:
        findings.path_of(node, str(one))
    return [prompt for one in paths for prompt in _of_file(node, one, label, findings)]


def _of_file(node: Node, path: Path, label: str | None, findings: ImportFindings) -> Iterator[RawPrompt]:
    suffix = path.suffix.lower().partition(":")[0]
    if suffix not in _FILES:
        findings.leave_out(node, "prompt", f"{path.name} is a program or of no known form, and is not run by an import",
                           "write the text of the prompt")  # fmt: skip
        return
    text = findings.text_of(node, path)
    texts = _texts_of(node, path, text, findings)
    for place, (one, own) in enumerate(texts, 1):
        name = own or label or path.stem
        yield RawPrompt(node, one, name if own or len(texts) == 1 else f"{name} {place}")


def _texts_of(node: Node, path: Path, text: str, findings: ImportFindings) -> list[tuple[str, str | None]]:
    match path.suffix.lower():
        case ".txt":
            parts = re.split(rf"^[^\S\n]*{_DELIMITER}[^\S\n]*$", text, flags=re.MULTILINE)
            return [(one.strip(), None) for one in parts if one.strip()]
        case ".jsonl":
            return [(line, None) for line in text.split("\n") if line]
        case ".csv":
            return _of_table(text)
        case ".yaml" | ".yml":
            return [(json.dumps(findings.document(node, path).value, ensure_ascii=False), None)]
    return [(text, None)]


def _of_table(text: str) -> list[tuple[str, str | None]]:
    if "," not in text:
        lines = [line for line in text.split("\n") if line.strip()]
        return [(line, None) for line in lines[lines[:1] == ["prompt"] :]]
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    return [(row["prompt"].strip(), (row.get("label") or "").strip() or None) for row in rows if row.get("prompt")]


def read_prompt(raw: RawPrompt, names: Collection[str], findings: ImportFindings) -> dict[str, JsonValue]:
    """Return the entry of a prompt. Raises ConfigError."""
    chat = _chat_of(raw)
    entry: dict[str, JsonValue] = {}
    if raw.label and len(raw.label) <= _LONGEST_ID and raw.label.isprintable():
        entry["id"] = raw.label.replace(SEPARATOR.strip(), "-")
    if chat is None:
        entry["template"] = _template(raw.node, raw.text, names)
        used = Template(str(entry["template"])).names
    else:
        entry["messages"] = [{"role": role, "content": _template(raw.node, said, names)} for role, said in chat]
        used = tuple(name for turn in entry["messages"] for name in Template(turn["content"]).names)
    if "_conversation" in used:
        findings.leave_out(
            raw.node, "prompt", "a conversation goes on from test to test", "write the turns as messages"
        )
    if not used:
        entry["constant"] = True
    return entry


def names_of(entry: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return the fields that a prompt cannot do without."""
    texts = [entry["template"]] if "template" in entry else [turn["content"] for turn in entry["messages"]]
    return tuple(dict.fromkeys(name for text in texts for name in Template(text).required))


def _template(node: Node, text: str, names: Collection[str]) -> str:
    try:
        return translated(text, names)
    except TemplateError as error:
        raise ConfigError([node.problem(f"a prompt: {error.message}", error.fix)]) from error


def _chat_of(raw: RawPrompt) -> list[tuple[str, str]] | None:
    """Return the turns of a chat that is written as JSON or YAML; None for a plain text."""
    text = raw.text.strip()
    if text.startswith("- role:"):
        value = read_document(text.encode(), "yaml").value
    elif text.startswith(("[", "{")) and not text.startswith(("{{", "{%", "{#")):
        try:
            value = json.loads(text)
        except ValueError:
            return None
    else:
        return None
    turns = value.get("messages") if isinstance(value, Mapping) and set(value) == {"messages"} else value
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) and "role" in turn for turn in turns):
        return None
    for turn in turns:
        if turn["role"] not in _ROLES or not isinstance(turn.get("content"), str) or set(turn) != {"role", "content"}:
            raise ConfigError([raw.node.problem("a chat has a message that is more than a role and its text")])
    if not any(turn["role"] == "user" for turn in turns):
        raise ConfigError([raw.node.problem("a chat has no message of the user", "write what is asked as a message")])
    return [(turn["role"], turn["content"]) for turn in turns]


def unread_json(raw: RawPrompt) -> bool:
    """Whether a text may become a chat only once it is filled in, as one that a template writes does."""
    return raw.text.strip().startswith(("[{", "[\n")) and _chat_of(raw) is None
