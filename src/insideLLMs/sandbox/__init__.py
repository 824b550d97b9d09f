"""Running programs that nobody has read: in a process of their own, with nothing to reach and little to use."""

from insideLLMs.sandbox.run import Ended, Execution, Isolation, Limits, Sandbox, isolation

__all__ = ["Ended", "Execution", "Isolation", "Limits", "Sandbox", "isolation"]
