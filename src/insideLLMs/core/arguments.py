"""Checks of what users pass to probes and models; each error names the argument, its value and what it must be.

`owner` is the probe that is named in front; the config adds the line of a model's argument itself.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TypeGuard

from insideLLMs.core.errors import ArgumentError


def refuse(owner: str, argument: str, value: object, wanted: str) -> ArgumentError:
    """Make the error for an argument that cannot be taken."""
    where = f"probe {owner}: " if owner else ""
    error = ArgumentError(f"{where}{argument} is {value!r}; it must be {wanted}")
    error.argument = argument
    return error


def one_of(owner: str, argument: str, value: object, allowed: Collection[str]) -> None:
    """Raise ArgumentError, with the nearest allowed word, unless `value` is one of `allowed`."""
    if value not in allowed:
        near = nearest(str(value), tuple(allowed))
        hint = f"; did you mean {near!r}?" if near else ""
        raise refuse(owner, argument, value, f"one of {', '.join(allowed)}{hint}")


def non_negative(owner: str, argument: str, value: object) -> float:
    """Return `value` as a float; raise ArgumentError unless it is a finite number of 0 or more."""
    if not _is_number(value) or not math.isfinite(value) or value < 0:
        raise refuse(owner, argument, value, "a finite number of 0 or more")
    return float(value)


def flag(owner: str, argument: str, value: object) -> bool:
    """Return `value`; raise ArgumentError unless it is true or false."""
    if not isinstance(value, bool):
        raise refuse(owner, argument, value, "true or false")
    return value


def check_numbers(arguments: Mapping[str, object], ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise ArgumentError naming an argument outside its range; None is no value.

    Where both bounds are of type int, so must the argument be.
    """
    for name, (low, high) in ranges.items():
        value = arguments.get(name)
        whole = isinstance(low, int) and isinstance(high, int)
        if value is None or (_is_number(value) and low <= value <= high and (isinstance(value, int) or not whole)):
            continue
        raise refuse("", name, value, f"{'a whole number' if whole else 'a number'} from {low:g} to {high:g}")


def text_list(value: object) -> tuple[str, ...] | None:
    """Return one text or a list of texts as a tuple; None for anything else, or for an empty text among them."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) and text for text in texts):
        return None
    return tuple(texts)


def stop_texts(stop: object) -> list[str] | None:
    """Return stop texts as a list; None is no value. Raises ArgumentError for what is no text or list of texts."""
    texts = text_list(() if stop is None else stop)
    if texts is None:
        raise refuse("", "stop", stop, "a text or a list of texts, none of them empty")
    return None if stop is None else list(texts)


def check_mapping(name: str, value: object, *, texts: bool = False) -> None:
    """Raise ArgumentError unless `value` maps names to values (to texts, if `texts`); None is no value.

    Values are not quoted: they may be secret.
    """
    if value is None:
        return
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ArgumentError(f"{name} is of type {type(value).__name__}; it must map names to values")
    for key, item in value.items():
        if texts and not isinstance(item, str):
            raise ArgumentError(f"{name}[{key!r}] is of type {type(item).__name__}; it must be text", fix="quote it")


def nearest(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that `word` was most likely meant to be, if any is near."""
    import difflib  # noqa: PLC0415 - only for what is misspelt

    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return matches[0] if matches else None


def misspelt(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that `word` misspells: by case and marks, or by a letter or two."""
    import difflib  # noqa: PLC0415 - see above

    folded = {_letters(one): one for one in known}
    near = difflib.get_close_matches(_letters(word), folded, n=1, cutoff=0.85)
    return folded[near[0]] if near else None


def _letters(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
