"""zstd: in the standard library from Python 3.14 on, before that in the extra `zstd`; imported where it is used."""

import importlib
import sys
from typing import Any

NAME = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
INSTALL = "pip install 'insidellms[zstd]'"


def zstd_module() -> Any:  # Any: one of two modules, of which one is always missing
    """Return the module. Raises ImportError."""
    return importlib.import_module(NAME)


def zstd_faults() -> tuple[type[Exception], ...]:
    """Return what reading a damaged file raises; the module's own class only where that is in use."""
    module = sys.modules.get(NAME)
    return (EOFError,) if module is None else (EOFError, module.ZstdError)
