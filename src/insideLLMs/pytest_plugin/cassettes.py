"""The cassette of a test module: one file in a folder beside the tests, which several processes may write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from insideLLMs.api.answers import AnswerOptions
from insideLLMs.api.preparation.cassette_check import NEW_EXAMPLES, check_cassette
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.core.errors import CassetteMissError
from insideLLMs.core.types import JsonValue, Request
from insideLLMs.execute.questions import questions_of
from insideLLMs.execute.work import request_key
from insideLLMs.pytest_plugin.settings import Mode
from insideLLMs.report.safe_text import shorten
from insideLLMs.store.answers.cassette import CassettePlayer

_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Cassette:
    """Where the answers of `module` come from: a file in `folder` beside it, used as the mode says."""

    module: Path
    folder: str
    root: Path
    mode: Mode

    @property
    def path(self) -> Path:
        """The file."""
        return self.module.parent / self.folder / f"{self.module.stem}.jsonl"

    @property
    def test_file(self) -> str:
        """The module as a command names it."""
        return _relative(self.module, self.root)

    def options(self) -> AnswerOptions:
        """Say it in a run's words."""
        match self.mode:
            case "live":
                return AnswerOptions()
            case "replay":
                return AnswerOptions(replay=self.path)
            case _:
                return AnswerOptions(record=self.path, missing=self.mode == "missing")

    def recorded(self) -> Mapping[str, Mapping[str, JsonValue]] | None:
        """Return what it tells of its models' machine, in a replay. Raises CassetteMissError if it is not there."""
        if self.mode == "replay" and not self.path.exists():
            raise CassetteMissError(f"there is no cassette {_relative(self.path, self.root)} to replay")
        return self.options().recorded()

    def missing(self, prepared: Prepared, repeats: range) -> list[str]:
        """Name the answers that it lacks of what was prepared: the question, and the repeat after the first."""
        player = CassettePlayer(self.path)
        asked = (
            (ready, question.asker, question.request)
            for name, ready in prepared.models.items()
            for question in questions_of(prepared, name)
        )
        return [
            repr(shorten(trial.example.text, _SHOWN)) + (f", repeat {trial.repeat + 1}" if trial.repeat else "")
            for ready, trial, request in asked
            if isinstance(request, Request)
            and trial.repeat in repeats
            and player.find(request_key(ready.digest, request, trial.repeat), ready.digest) is None
        ]

    def explained(
        self, error: CassetteMissError, missing: Sequence[str], prepared: Prepared | None
    ) -> CassetteMissError:
        """Say of a miss how many there are, what changed, and how to record them."""
        told = error.message
        if prepared is not None and missing:
            more = f" and {len(missing) - 1:,} more" if missing[1:] else ""
            causes = (cause.words for cause in check_cassette(prepared, self.path).causes)
            changes = "".join(f"\n  changed: {words}" for words in causes if not words.startswith(NEW_EXAMPLES))
            told = f"the cassette {_relative(self.path, self.root)} has no answer to {missing[0]}{more}{changes}"
        return CassetteMissError(
            told,
            fix=f"record what is missing, where the model can be asked: pytest {self.test_file} --llm=missing",
        )


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
