"""Read by the type checker, never run: the checks have the types of their probes."""

from typing import assert_type

from insideLLMs import ContainsProbe, EqualsProbe
from insideLLMs.checks import contains, equals

assert_type(contains(any=["x"]), ContainsProbe)
assert_type(equals(), EqualsProbe)
assert_type(contains(any=["x"], of="sources"), ContainsProbe)
contains(anyy=["x"])  # type: ignore[call-overload] # a promise, too: this is refused
