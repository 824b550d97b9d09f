"""What a cassette lacks for an experiment, and what changed since it was recorded; no model is asked.

Each missing answer is held against the recorded exchange that is nearest to it; what differs is the likely cause.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.compare.differences.identities import differences
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Exchange, JsonValue, Request
from insideLLMs.execute.questions import questions_of
from insideLLMs.execute.work import request_key
from insideLLMs.plan import Trial
from insideLLMs.store.answers.cassette import read_cassette

_MOST_EXPLAINED = 500
"""So many missing answers are held against the recording; the others are only counted."""
_SHOWN = 3
NEW_EXAMPLES = "dataset: new or edited examples, such as"
_encode = msgspec.json.Encoder(order="deterministic").encode


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What probably changed, in words, and how many missing answers it explains."""

    words: str
    answers: int


class CassetteCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Of the answers that an experiment `needs`, `missing` are not recorded; `unused` recorded ones it does not ask.

    `first` names the first Trial without an answer. The check is not `whole` where judges and probes that call the
    model themselves decide as they run what they ask; their answers are not counted then.
    """

    needs: int
    missing: int
    unused: int
    causes: tuple[Cause, ...] = ()
    first: str = ""
    whole: bool = True

    @property
    def words(self) -> str:
        """Say how much is missing, and what changed."""
        head = f"it lacks {self.missing:,} of the {self.needs:,} answers that this experiment needs"
        return "\n".join((head, *(f"  {cause.answers:,} × {cause.words}" for cause in self.causes)))


class _Lacking(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is not recorded, the Trial that asks it, and the model that is asked."""

    trial: Trial
    request: Request
    digest: str
    identity: Mapping[str, JsonValue]

    @property
    def subject(self) -> Subject:
        return Subject(self.trial.model, self.trial.prompt)


def check_cassette(prepared: Prepared, path: Path) -> CassetteCheck:
    """Look up what an experiment asks. Raises CassetteError for a file that is no cassette."""
    recording = _Recording(path)
    found: set[str] = set()
    held: set[Subject] = set()
    missing: dict[str, _Lacking] = {}
    whole = not prepared.judges
    for model, ready in prepared.models.items():
        for question in questions_of(prepared, model):
            trial, request = question.asker, question.request
            whole = whole and request is not None
            if question.is_asked_earlier or not isinstance(request, Request):
                continue
            key = request_key(ready.digest, request, trial.repeat, trial if prepared.sharing == "independent" else None)
            if key in recording.keys:
                found.add(key)
                held.add(Subject(model, trial.prompt))
            else:
                identity = prepared.identities[model]
                asked = _Lacking(trial=trial, request=request, digest=ready.digest, identity=identity)
                missing.setdefault(key, asked)
    lacking = tuple(missing.values())
    return CassetteCheck(
        needs=len(found) + len(lacking),
        missing=len(lacking),
        unused=len(recording.keys - found),
        causes=_causes(recording, lacking, held),
        first=name_trial(lacking[0].trial) if lacking else "",
        whole=whole,
    )


def name_trial(trial: Trial) -> str:
    """Name a Trial whose answer is not recorded."""
    subject = Subject(trial.model, trial.prompt).words
    return f"example {trial.example.id!r} ({subject}, probe {trial.probe!r}, repeat {trial.repeat})"


class _Change(NamedTuple):
    """What differs between a missing answer and the recording; each `kind` is shown once, with its first `words`."""

    kind: str
    words: str


def _causes(recording: "_Recording", lacking: Sequence[_Lacking], held: Collection[Subject]) -> tuple[Cause, ...]:
    """Return the likely causes, the most frequent first; the subjects that `held` have recorded answers."""
    told: dict[str, list[str]] = {}
    for one in lacking[:_MOST_EXPLAINED]:
        for change in recording.changes_of(one, is_held=one.subject in held):
            told.setdefault(change.kind, []).append(change.words)
    causes = [Cause(words=_in_short(kind, words), answers=len(words)) for kind, words in told.items()]
    if len(lacking) > _MOST_EXPLAINED:
        causes.append(Cause(words="not looked into", answers=len(lacking) - _MOST_EXPLAINED))
    return tuple(sorted(causes, key=lambda cause: -cause.answers))


def _in_short(kind: str, words: Sequence[str]) -> str:
    if kind != NEW_EXAMPLES:
        return words[0]
    shown = list(dict.fromkeys(words))
    return f"{NEW_EXAMPLES} {', '.join(shown[:_SHOWN])}{', …' if len(shown) > _SHOWN else ''}"


class _Recording:
    """The exchanges of a cassette, found by what a request shares with them."""

    def __init__(self, path: Path) -> None:
        self._exchanges = [entry for entry, _ in read_cassette(path) if isinstance(entry, Exchange)]
        self._identities = {one.model_digest: one.model_identity for one in self._exchanges if one.model_identity}
        self._talks = [_talk(one.request) for one in self._exchanges]
        self._alike: dict[object, Exchange] = {}
        for one in self._exchanges:
            for view in _views(one.model_digest, one.request):
                self._alike.setdefault(view, one)
        self.keys = {one.key for one in self._exchanges}

    def changes_of(self, lacking: _Lacking, *, is_held: bool) -> Iterator[_Change]:
        """Yield the likely causes of a missing answer."""
        old = self._nearest(lacking)
        if old is None or (is_held and old.request.messages != lacking.request.messages):
            yield _Change(NEW_EXAMPLES, repr(lacking.trial.example.id))
            return
        subject = lacking.subject.words
        texts = differences({"template": _talk(old.request)}, {"template": _talk(lacking.request)})
        if texts:
            yield _Change(f"{subject} template", f"{subject}: {texts[0]}")
        identity = self._identities.get(old.model_digest)
        moves = differences(
            _settings(identity or {}, old.request), _settings(lacking.identity if identity else {}, lacking.request)
        )
        if moves:
            yield _Change(f"{subject} {[move.split()[0] for move in moves]}", f"{subject}: {'; '.join(moves[:_SHOWN])}")
        elif old.model_digest != lacking.digest and (identity is None or not texts):
            yield _Change(subject, f"{subject}: the model, its parameters, its address (base_url) or its system prompt")
        elif not texts:
            yield _Change("repeats", _unequal_terms(old, lacking))

    def _nearest(self, lacking: _Lacking) -> Exchange | None:
        """Return what was recorded of the same request, else of the same messages, else of the same example."""
        for view in _views(lacking.digest, lacking.request):
            if view in self._alike:
                return self._alike[view]
        text = lacking.trial.example.text
        alike = (one for one, talk in zip(self._exchanges, self._talks, strict=True) if text in talk)
        return min(alike, key=lambda one: one.model_digest != lacking.digest, default=None)


def _views(digest: str, request: Request) -> tuple[object, ...]:
    """Return what equal or similar requests have in common, the most telling first."""
    whole, talk = _encode(request), _talk(request)
    return (digest, whole), whole, (digest, talk), talk


def _talk(request: Request) -> str:
    return "\n".join(message.text for message in request.messages if message.role != "system")


def _settings(identity: Mapping[str, JsonValue], request: Request) -> dict[str, object]:
    """Return what defines an answer beside the messages of the example."""
    system = "\n".join(message.text for message in request.messages if message.role == "system")
    return {**identity, "system": system, "options": request.options, "variables": request.variables}


def _unequal_terms(old: Exchange, lacking: _Lacking) -> str:
    if old.repeat != lacking.trial.repeat:
        return "repeats: more than were recorded"
    return "independent_answers: each trial has its own answer"
