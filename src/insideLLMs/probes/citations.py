"""Whether what an answer cites is there: quotations in its sources, and the sources that its markers name."""

from collections.abc import Mapping
from typing import ClassVar

from insideLLMs.core.arguments import flag, one_of, refuse
from insideLLMs.core.types import Example, JsonValue, Response, Scores
from insideLLMs.probes.answer_parts import checked_part, why_empty
from insideLLMs.probes.check import CheckProbe
from insideLLMs.probes.exact import shown
from insideLLMs.probes.judge_presets import CONTEXT, find_context
from insideLLMs.scoring.citations import (
    Citation,
    CitedSource,
    check_markers,
    check_quotations,
    read_sources,
    uncited_sentences,
)
from insideLLMs.scoring.json_values import Unparsed
from insideLLMs.scoring.normalise import is_blank

READINGS = ("checked", "required", "ignored")
"""What is done with a kind of citation: checked where there is one, wanted, or not looked at."""
_NO_SOURCES = "there are no sources"
_MOST_TOLD = 5
_MOST_SHOWN = 50
"""So many citations of an answer are listed on its page."""


class CitationsProbe(CheckProbe):
    """Check that sources contain all quotations, and that markers such as [1], (Source 2), ³ and [ID] name a source.

    The sources are the part of the answer that `context` names, or the example's field `context`: a list of texts or of
    objects, a mapping by id, or one text. A quotation is a text of at least `min_words` words between quotation marks
    or in a block quote. Spaces, kinds of marks and dashes do not matter, nor case unless `ignore_case` is false; an
    ellipsis leaves words out. `quotes` and `markers` are checked, required or ignored. With `each_sentence`, every
    sentence that claims something must have a marker. An answer that cites nothing fails unless `optional` is true; an
    answer without sources fails.

    Scores: `correct`, and `held`, the share of citations that hold.
    """

    kind = "citations"
    version: ClassVar[str] = "3"
    needs_expected = False
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"correct": (0, 1), "held": (0, 1)}

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        name: str | None = None,
        *,
        context: str | None = None,
        quotes: str = "checked",
        markers: str = "checked",
        each_sentence: bool = False,
        optional: bool = False,
        min_words: int = 3,
        ignore_case: bool = True,
        template: JsonValue = None,
    ) -> None:
        super().__init__(name, "Whether what an answer cites is there.", template)
        for argument, value in (("quotes", quotes), ("markers", markers)):
            one_of(self.kind, argument, value, READINGS)
        if quotes == markers == "ignored":
            raise refuse(self.kind, "markers", markers, "checked or required where quotes are ignored")
        if not isinstance(min_words, int) or isinstance(min_words, bool) or min_words < 1:
            raise refuse(self.kind, "min_words", min_words, "a whole number from 1 on")
        self.context = context if context is None else checked_part(self.kind, context, "context")
        self.quotes, self.markers = quotes, markers
        self.each_sentence = flag(self.kind, "each_sentence", each_sentence)
        self.optional = flag(self.kind, "optional", optional)
        self.min_words = min_words
        self.ignore_case = flag(self.kind, "ignore_case", ignore_case)

    def parts_read(self, example: Example) -> tuple[str, ...]:
        """Return the part that holds the sources, and the one that is read for the answer."""
        del example  # the same for all
        return tuple(part for part in (self.of, self.context) if part is not None)

    def complaint(self, example: Example) -> str | None:
        """Say that there is nowhere to look."""
        if self.context is None and CONTEXT not in example.fields:
            return "no sources; give the example `context`, or the probe `context: PART`, a part of the answer"
        return None

    def score(self, example: Example, response: Response) -> Scores:
        """Look every citation up."""
        if is_blank(response.text):
            return self.failed(why_empty(response))
        sources = self._sources(example, response)
        return self.failed(sources) if isinstance(sources, str) else self._score(response.text, sources)

    def lacking(self, example: Example, response: Response) -> str | None:
        """Say that there are no sources to look citations up in."""
        sources = self._sources(example, response)
        return sources if isinstance(sources, str) else None if sources else _NO_SOURCES

    def _sources(self, example: Example, response: Response) -> tuple[CitedSource, ...] | str:
        """Return the sources, or say why there are none."""
        found = find_context(example, response.kept, self.context)
        if found is None or isinstance(found, Unparsed):
            return _NO_SOURCES if found is None else found.why
        return read_sources(found.value)

    def check(self, example: Example, answer: str) -> Scores:
        """Look every citation of a text up in the example's sources."""
        return self.score(example, Response(text=answer))

    def _score(self, answer: str, sources: tuple[CitedSource, ...]) -> Scores:
        quoted = self._wanted(self.quotes, self._quotations(answer, sources), "quotes nothing")
        marked = self._wanted(self.markers, check_markers(answer, sources), "has no marker")
        cited = [one for one in (*quoted, *marked) if one.written]
        faults = [
            f"{shown(one.written)} {one.fault}" if one.written else one.fault for one in (*quoted, *marked) if one.fault
        ]
        if self.each_sentence:
            faults += [f"no source is given for {shown(one)}" for one in uncited_sentences(answer, sources)]
        if not cited and not self.optional:
            faults.append("the answer cites nothing")
        if not sources and (cited or not self.optional):
            faults.append(_NO_SOURCES)
        held = sum(not one.fault for one in cited) / len(cited) if cited else float(not faults)
        more = f"; and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
        why = "; ".join(faults[:_MOST_TOLD]) + more or f"all {len(cited)} citations hold"
        checks = [{"check": one.written, "held": not one.fault, "why": one.fault} for one in cited[:_MOST_SHOWN]]
        return Scores(
            values={"correct": float(not faults), "held": held},
            passed=not faults,
            explanation=why,
            details={"checks": checks} if checks else {},
        )

    def _quotations(self, answer: str, sources: tuple[CitedSource, ...]) -> list[Citation]:
        return check_quotations(answer, sources, fewest_words=self.min_words, ignore_case=self.ignore_case)

    def _wanted(self, reading: str, found: list[Citation], lack: str) -> list[Citation]:
        if reading == "ignored":
            return []
        return found or ([Citation(written="", fault=f"the answer {lack}")] if reading == "required" else [])
