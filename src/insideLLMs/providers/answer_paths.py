"""What is read of what a user's own application answers: paths to its text, its counts, and parts to keep."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from insideLLMs.core.arguments import check_mapping
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue, Response, Usage
from insideLLMs.providers.answer_fields import read_count, read_text, read_value
from insideLLMs.providers.codec import excerpt
from insideLLMs.providers.lenient_json import write_json

READABLE = ("input_tokens", "output_tokens", "finish_reason", "model", "reasoning")
_STEP = re.compile(r"""\.([A-Za-z_][\w-]*)|\[(-?\d+)\]|\[(?:"([^"]*)"|'([^']*)')\]""")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path to one value, such as ``$.choices[0].text``. Raises ArgumentError for what is none."""

    text: str
    steps: tuple[str | int, ...] = field(init=False)

    def __post_init__(self) -> None:
        text = self.text if isinstance(self.text, str) else ""
        rest = text.removeprefix("$")
        rest = rest if rest.startswith((".", "[")) or not rest else f".{rest}"
        found = list(_STEP.finditer(rest))
        if not text or "".join(step.group() for step in found) != rest:
            raise ArgumentError(f"{self.text!r} is not a path", fix="write names and numbers: $.choices[0].text")
        steps = tuple(int(step[2]) if step[2] else step[1] or step[3] or step[4] or "" for step in found)
        object.__setattr__(self, "steps", steps)

    def find(self, value: object) -> object:
        """Return what stands there, or a mark that nothing does."""
        for step in self.steps:
            try:
                value = value[step]  # type: ignore[index]  # whatever cannot be indexed so is caught
            except (TypeError, LookupError):
                return _MISSING
        return value


class AnswerPaths(msgspec.Struct, frozen=True, kw_only=True):
    """Where what stands: `answer` is the path to the text, `reads` those to what is READABLE, `keep` those of parts."""

    answer: str
    reads: Mapping[str, str]
    keep: Mapping[str, str]

    @classmethod
    def of(cls, answer: str, reads: Mapping[str, str] | None, keep: Mapping[str, str] | None) -> "AnswerPaths":
        """Check the paths as they are given. Raises ArgumentError."""
        check_mapping("reads", reads, texts=True)
        check_mapping("keep", keep)
        for name in reads or {}:
            if name not in READABLE:
                known = ", ".join(READABLE)
                raise ArgumentError(f"reads has {name!r}", fix=f"known are {known}; `keep` takes any name")
        for path in (answer, *(reads or {}).values(), *(keep or {}).values()):
            JsonPath(path)
        return cls(answer=answer, reads=dict(reads or {}), keep=dict(keep or {}))

    @property
    def is_all(self) -> bool:
        """Whether all of what is answered is the answer."""
        return self.answer == "$"

    @property
    def written(self) -> dict[str, JsonValue]:
        """The paths as they stand in a model's identity."""
        kept = {"keep": dict(self.keep)} if self.keep else {}
        return {"reads": {"text": self.answer, **self.reads}, **kept}

    def response(self, body: object) -> Response | None:
        """Read a decoded answer; None where there is nothing, or null, at the path to its text."""
        text = JsonPath(self.answer).find(body)
        if text is _MISSING or text is None:
            return None
        found = {name: JsonPath(path).find(body) for name, path in self.reads.items()}
        counts = {name: read_count(found.get(name)) for name in ("input_tokens", "output_tokens")}
        kept = {name: JsonPath(path).find(body) for name, path in self.keep.items()}
        return Response(
            text=text if isinstance(text, str) else json_text(text),
            finish_reason=read_text(found.get("finish_reason")),
            usage=Usage(**counts) if any(count is not None for count in counts.values()) else None,
            model=read_text(found.get("model")),
            reasoning=read_text(found.get("reasoning")),
            kept={name: read_value(value) for name, value in kept.items() if value is not _MISSING},
        )

    def lacks(self, who: str, body: object) -> str:
        """Say what stands in the place of the text, and what was answered instead."""
        what = "nothing" if JsonPath(self.answer).find(body) is _MISSING else "null"
        sent = f"the fields {', '.join(sorted(body)) or 'none'}" if isinstance(body, dict) else json_text(body)
        return f"{who} answered with {what} at {self.answer}; it sent {excerpt(sent)}"


def json_text(value: object) -> str:
    """Write a value that is no text as JSON; true, 4 and lists are answers too."""
    return write_json(value).decode()
