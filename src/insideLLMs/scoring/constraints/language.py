"""Which language an answer is in: a detector's guess, the same on every machine. Needs the extra `language`."""

import functools
import re
from typing import Any

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import ArgumentError, PluginError
from insideLLMs.scoring.constraints.constraint import Failing, Family, Parameters

_READ_CHARACTERS = 5_000
_LONG_WORD = re.compile(r"\S{41,}")


@functools.cache
def _detector() -> Any:  # of an extra that may be missing
    """Make the detector; imported here because it is an extra, and slow to load (0.5 s, some 80 MB)."""
    try:
        from lingua import LanguageDetectorBuilder  # noqa: PLC0415
    except ImportError as error:
        raise PluginError(
            "the constraint response_language needs a library that is not installed",
            fix="pip install 'insidellms[language]'",
        ) from error
    return LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()


@functools.cache
def _between(one: str, other: str) -> Any:  # as above
    """Make a detector of high accuracy for two languages; for all of them it takes 1 GB."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder  # noqa: PLC0415 - the extra

    codes = [getattr(IsoCode639_1, code.upper()) for code in (one, other)]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()


def detect(text: str, wanted: str) -> str | None:
    """Return the ISO 639-1 code of a text's language; None for a text without one, such as numbers.

    Where a quick look finds another language than `wanted`, a closer one decides between the two.
    """
    read, found = _read(text), most_likely(text)
    return found if found in {None, wanted} else _code(_between(*sorted((str(found), wanted))).detect_language_of(read))


def most_likely(text: str) -> str | None:
    """Return what a quick look finds: the ISO 639-1 code of a text's language. Raises PluginError without the extra."""
    return _code(_detector().detect_language_of(_read(text)))


def _read(text: str) -> str:
    return _LONG_WORD.sub(" ", text[: 4 * _READ_CHARACTERS])[:_READ_CHARACTERS]


def _code(language: Any) -> str | None:  # as above
    return language.iso_code_639_1.name.lower() if language is not None else None


def check_language(parameters: Parameters) -> None:
    """Raise ArgumentError for a language that the detector does not know, PluginError where there is none."""
    _detector()
    from lingua import Language  # noqa: PLC0415 - the extra

    wanted = str(parameters["language"])
    known = sorted(one.iso_code_639_1.name.lower() for one in Language.all())
    if wanted not in known:
        near = nearest(wanted, known)
        raise ArgumentError(
            f"constraint 'response_language': the detector does not know {wanted!r}",
            fix=f"write an ISO 639-1 code, such as {near or 'de'}; known: {', '.join(known)}",
        )


def _response_language(text: str, parameters: Parameters) -> Failing:
    found = detect(text, str(parameters["language"]))
    return None if found == parameters["language"] else f"is in {found or 'no language'}, not {parameters['language']}"


FAMILIES = {
    "response_language": Family(check=_response_language, required={"language": "text"}, confirm=check_language)
}
