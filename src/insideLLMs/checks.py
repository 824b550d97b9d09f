"""Every registered probe by its name, to check answers in Python: ``contains(any=["14 days"])``.

What stands here is what the registry has, other people's plug-ins too; the stub beside it types the built-in ones.
"""

import functools
from collections.abc import Callable
from typing import Any

from insideLLMs.core.arguments import nearest
from insideLLMs.plugins import probe_registry
from insideLLMs.probes.answer_parts import make_reading_part


def __getattr__(name: str) -> Callable[..., Any]:
    """Return what makes the check of this name."""
    if name.startswith("_"):
        raise AttributeError(name)
    if name not in probe_registry:
        near = nearest(name, probe_registry.list())
        raise AttributeError(f"there is no check {name!r}" + (f"; did you mean {near!r}?" if near else ""))
    return functools.partial(_make, name)


def _make(name: str, /, **args: Any) -> Any:
    make = functools.partial(probe_registry.get, name)
    return make_reading_part(probe_registry.get_factory(name), args, make=make)


def __dir__() -> list[str]:
    """List the checks."""
    return probe_registry.list()
