"""The texts of an experiment, which may stand in files: the files are read, so that the Experiment holds the text.

A text stands under `system`, in a prompt, and under `template`, `rubric`, `prompt` and `messages` of a probe's
arguments, and the texts of a simulated `user`. Of a model of type `http`, every text in `body` is one, and of type
`exec` in `stdin`.
``{file: prompts/v1.md}`` is replaced by what the file holds; a text that names a file instead of being one is an error,
so that no model is ever sent a path.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import msgspec

from insideLLMs.config.shape import Findings, TextPlace, suggestion
from insideLLMs.config.text_files import SUFFIXES, TextFile, check_front, read_text_file
from insideLLMs.core.documents import FieldPath
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.source import missing_fix

CHATS = ("template", "messages")
TEXTS = (*CHATS, "rubric", "prompt", "system")
_CHECK_LISTS = ("checks", "turn_checks")
_OF_A_USER = ("persona", "goal", "opening")
_SCHEME = re.compile(r"\s*file:(?://)?\s*", re.IGNORECASE)
_FOREIGN = (".py", ".js", ".mjs", ".ts", ".csv", ".jsonl", ".toml", ".pdf", ".docx")  # where other tools keep prompts
_NAME = re.compile(rf"[^\s{{}}<>]*[\w-](?:{'|'.join(map(re.escape, (*SUFFIXES, *_FOREIGN)))})", re.IGNORECASE)
_LONGEST_NAME = 400
_SENT = ("body", "stdin")
_NEVER_FILLED = ("extra", "headers", "base_url")
_FIELD = re.compile(r"\{\{-?\s*[^\W\d][\w.]*\s*(?:\|[^{}]*)?-?\}\}")


class Texts(msgspec.Struct):
    """Puts texts in the place of files; `files` are those that were read."""

    folder: Path
    findings: Findings
    files: list[str] = msgspec.field(default_factory=list)

    def resolve(self, raw: JsonValue) -> JsonValue:
        """Return the file's value with the texts in it; what is wrong with them is among the findings."""
        if not isinstance(raw, Mapping):
            return raw
        resolved = dict(raw)
        for noun in ("model", "prompt", "probe"):
            if noun in raw:
                resolved[noun] = self._entry(noun, raw[noun], (noun,))
            several = raw.get(f"{noun}s")
            if isinstance(several, list):
                resolved[f"{noun}s"] = [self._entry(noun, entry, (f"{noun}s", at)) for at, entry in enumerate(several)]
        return resolved

    def _entry(self, noun: str, entry: JsonValue, path: FieldPath) -> JsonValue:
        if noun == "prompt":
            return self._prompt(entry, path)
        if not isinstance(entry, Mapping):
            return entry
        resolved = dict(entry)
        if noun == "model" and "system" in entry:
            resolved["system"] = self.text(entry["system"], (*path, "system"))
        args = entry.get("args")
        if isinstance(args, Mapping):
            within = (*path, "args")
            resolved["args"] = self._probe_args(args, within) if noun == "probe" else self._model_args(args, within)
            if noun == "probe" and ":" not in str(entry.get("type")):  # a user's own class may fill its own templates
                self._check_taken_literally(args, within)
        return resolved

    def _prompt(self, entry: JsonValue, path: FieldPath) -> JsonValue:
        """Return a prompt with its texts; one of a file is called by the file's name, if by no other."""
        if not isinstance(entry, Mapping):
            self._check_text(entry, path)
            return entry
        resolved = {key: value for key, value in entry.items() if key != "file"}
        for name in ("system", "template"):
            if name in entry:
                resolved[name] = self.text(entry[name], (*path, name))
        if isinstance(entry.get("messages"), list):
            resolved["messages"] = self.chat(entry["messages"], (*path, "messages"))
        return self._with_file(entry["file"], resolved, path) if "file" in entry else resolved

    def _with_file(self, given: JsonValue, entry: dict[str, JsonValue], path: FieldPath) -> JsonValue:
        found = self._read({"file": given}, path)
        if found is None:
            return {"template": "{{ input }}", **entry}  # so that nothing else is found wrong with it
        check_front(found, ("id", "system", "constant"), self.findings)
        key = "template" if isinstance(found.content, str) else "messages"
        for other in {"template", "messages"} & set(entry):
            self.findings.add((*path, other), "stands beside 'file'", "keep one of the two")
        self.findings.texts[(*path, key)] = TextPlace(found.path, found.first_line)
        if "system" not in entry:  # it can only be the file's: its front matter, or its first message
            self.findings.texts[(*path, "system")] = TextPlace(found.path, next(iter(found.turn_lines), 1))
        return {"id": PurePath(found.path).name.partition(".")[0], **found.front, key: found.content, **entry}

    def _probe_args(self, args: Mapping[str, JsonValue], path: FieldPath) -> JsonValue:
        resolved = dict(args)
        for name in TEXTS:
            if name in args:
                read = self.chat if name in CHATS else self.text
                resolved[name] = read(args[name], (*path, name))
        if "constant" in args and isinstance(resolved.get("template"), str | list):
            resolved["template"] = _constant(resolved["template"], resolved.pop("constant"))
        for name in _CHECK_LISTS:
            if isinstance(args.get(name), list):
                resolved[name] = [
                    self._probe_args(check, (*path, name, at)) if isinstance(check, Mapping) else check
                    for at, check in enumerate(args[name])
                ]
        user = args.get("user")
        if isinstance(user, Mapping):
            told = {name: self.text(user[name], (*path, "user", name)) for name in _OF_A_USER if name in user}
            resolved["user"] = {**user, **told}
        return resolved

    def _model_args(self, args: Mapping[str, JsonValue], path: FieldPath) -> JsonValue:
        sent = [name for name in _SENT if name in args]
        if sent:
            return {**args, **{name: self._body(args[name], (*path, name)) for name in sent}}
        for name in _NEVER_FILLED:
            for where, text in _texts_in(args.get(name), (*path, name)):
                if _FIELD.search(text):
                    self.findings.add(
                        where,
                        "has a field, which would be sent literally",
                        "only the types http and exec fill fields in",
                    )
        return args

    def _check_taken_literally(self, args: Mapping[str, JsonValue], path: FieldPath) -> None:
        """Report a field or a file's name in arguments of a probe that are no texts to fill.

        An answer would be compared with the braces. What differs between examples belongs into the examples.
        """
        for name in sorted(set(args) - {*TEXTS, *_CHECK_LISTS, "judges", "turns", "user"}):
            for where, text in _texts_in(args[name], (*path, name)):
                if found := _FIELD.search(text):
                    self.findings.add(
                        where,
                        f"holds {found[0]!r}, and this argument is no template",
                        "leave it out where the probe reads what the example expects; "
                        "else give each example its own `checks`",
                    )
                elif text.lower().startswith("file://"):
                    self.findings.add(where, f"{text!r} names a file, and this argument reads none", "write its text")
        for name in _CHECK_LISTS:
            for at, check in enumerate(args[name] if isinstance(args.get(name), list) else ()):
                if isinstance(check, Mapping):
                    self._check_taken_literally(check, (*path, name, at))

    def _body(self, value: JsonValue, path: FieldPath) -> JsonValue:
        """Read the texts of a body, where a mapping with other keys than `file` is what is sent."""
        if isinstance(value, Mapping):
            if set(value) == {"file"} and isinstance(value["file"], str) and _NAME.fullmatch(value["file"]):
                return self.text(value, path)
            return {key: self._body(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [self._body(item, (*path, at)) for at, item in enumerate(value)]
        if isinstance(value, str) and _SCHEME.match(value):
            self._report_path(value, path)
        return value

    def text(self, value: JsonValue, path: FieldPath) -> JsonValue:
        """Return a text, from its file if it names one."""
        found = self._read(value, path) if isinstance(value, Mapping) and "file" in value else None
        if found is None:
            self._check_text(value, path)
            return None if isinstance(value, Mapping) and "file" in value else value
        check_front(found, (), self.findings)
        if not isinstance(found.content, str):
            self.findings.add(path, f"{found.path} is a chat, and one text is needed here", "name a text file")
            return None
        self.findings.texts[path] = TextPlace(found.path, found.first_line)
        return found.content

    def chat(self, value: JsonValue, path: FieldPath) -> JsonValue:
        """Return a template: a text, or messages, with `constant: true` around it where it is said to be that."""
        if isinstance(value, list):
            return [self._turn(turn, (*path, at)) for at, turn in enumerate(value)]
        if not isinstance(value, Mapping) or "file" not in value:
            self._check_text(value, path)
            return value
        found = self._read(value, path)
        if found is None:
            return None
        check_front(found, ("system", "constant"), self.findings)
        constant = value.get("constant", found.front.get("constant", False))
        return _constant(self._turns(found, path), constant) if constant is not False else self._turns(found, path)

    def _turns(self, found: TextFile, path: FieldPath) -> str | list[Any]:
        """Return the content of a file with the system message of its front matter, and note where the texts stand."""
        system = found.front.get("system")
        if isinstance(found.content, str) and system is None:
            self.findings.texts[path] = TextPlace(found.path, found.first_line)
            return found.content
        whole = isinstance(found.content, str)
        turns = [{"role": "user", "content": found.content}] if isinstance(found.content, str) else found.content
        lines = (found.first_line,) if whole else found.turn_lines
        first = () if system is None else ({"role": "system", "content": system},)
        for at, line in enumerate((*(1 for _ in first), *lines)):
            self.findings.texts[(*path, at, "content")] = TextPlace(found.path, line)
        self.findings.texts[path] = TextPlace(found.path, 1)
        return [*first, *turns]

    def _turn(self, turn: JsonValue, path: FieldPath) -> JsonValue:
        if not isinstance(turn, Mapping) or "content" not in turn:
            return turn
        return {**turn, "content": self.text(turn["content"], (*path, "content"))}

    def _read(self, value: Mapping[str, JsonValue], path: FieldPath) -> TextFile | None:
        for key in value:
            if key not in {"file", "constant"}:
                self.findings.add((*path, str(key)), "unknown key", suggestion(str(key), ("file", "constant")))
        given = value["file"]
        if not isinstance(given, str) or not given.strip():
            self.findings.add((*path, "file"), "must be the path of a text file", "write {file: prompts/v1.md}")
            return None
        found = read_text_file(given, (*path, "file"), self.folder, self.findings)
        if found is not None:
            self.files.append(found.path)
        return found

    def _check_text(self, value: JsonValue, path: FieldPath) -> None:
        """Report a text that names a file."""
        if isinstance(value, str) and (_SCHEME.match(value) or _NAME.fullmatch(value.strip()) or self._exists(value)):
            self._report_path(value, path)

    def _exists(self, text: str) -> bool:
        name = text.strip()
        if not name or len(name) > _LONGEST_NAME or "\n" in name or "\0" in name:
            return False
        try:
            return (self.folder / name).is_file()
        except OSError:
            return False

    def _report_path(self, text: str, path: FieldPath) -> None:
        name = _SCHEME.sub("", text.strip(), count=1)
        fault = "" if self._exists(name) else f", and there is no such file: {missing_fix(self.folder / name)}"
        self.findings.add(
            path,
            f"{text.strip()!r} is the name of a file, which would be sent literally{fault}",
            f"write {{file: {name}}}",
        )


def _texts_in(value: JsonValue, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    """Find the texts in a value; a server's own chat template is none of ours."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if "template" not in str(key):
                yield from _texts_in(item, (*path, str(key)))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _texts_in(item, (*path, at))
    elif isinstance(value, str):
        yield path, value


def _constant(content: JsonValue, constant: JsonValue) -> JsonValue:
    return {"messages" if isinstance(content, list) else "text": content, "constant": constant}
