"""git diff and pytest for the behaviour of language models.

The names below load their modules when first asked for, so that importing the package costs nothing.
"""

from importlib import import_module
from pathlib import Path

__version__ = "0.1.0"


def _read_homes() -> dict[str, str]:
    """Return the module of each public name, from the stub that type checkers read (as SPEC 1 of Scientific Python)."""
    import ast  # noqa: PLC0415 - only once a public name is asked for

    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = (node for node in stub.body if isinstance(node, ast.ImportFrom))
    return {alias.asname: str(node.module) for node in imports for alias in node.names if alias.asname}


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    homes = _read_homes()
    if name == "__all__":
        value: object = ["__version__", *sorted(homes)]
    elif name in homes:
        value = getattr(import_module(homes[name]), name)
    else:
        raise AttributeError(f"module 'insideLLMs' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *_read_homes()})
