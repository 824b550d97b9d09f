"""Checks of the arguments that users write under a model's `args:`."""

from collections.abc import Mapping, Sequence

from insideLLMs.core.errors import ArgumentError


def check_numbers(arguments: Mapping[str, object], ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise ArgumentError naming an argument outside its range; None is no value.

    Where both bounds are of type int, so must the argument be.
    """
    for name, (low, high) in ranges.items():
        value = arguments.get(name)
        if value is None:
            continue
        whole = isinstance(low, int) and isinstance(high, int)
        wanted = int if whole else int | float
        if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            raise ArgumentError(f"{name} is {value!r}; it must be {kind} from {low:g} to {high:g}")


def read_stop(stop: object) -> list[str] | None:
    """Return stop texts as a list. Raises ArgumentError for what is neither text nor a list of texts."""
    if stop is None:
        return None
    texts = [stop] if isinstance(stop, str) else stop
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) and text for text in texts):
        raise ArgumentError(f"stop is {stop!r}; it must be a text or a list of texts, none of them empty")
    return list(texts)


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
