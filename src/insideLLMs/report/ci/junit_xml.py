"""The XML of a JUnit report: suites, cases in them, and texts as XML can hold them."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from insideLLMs.report.safe_text import printable

# What XML 1.0 does not allow even as a reference (production 2, Char); printable() spells most of them already.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class JUnitSuite:
    """A suite: its name, its lines of XML, and how many of its cases failed or have no answer."""

    name: str
    lines: Sequence[str]
    tests: int
    failures: int = 0
    errors: int = 0

    @property
    def text(self) -> str:
        """Return it as XML."""
        counts = f'tests="{self.tests}" failures="{self.failures}" errors="{self.errors}"'
        return "\n".join((f"  <testsuite name={attribute(self.name)} {counts}>", *self.lines, "  </testsuite>"))


def junit_document(suites: Sequence[JUnitSuite]) -> str:
    """Return the whole file. There must be a suite."""
    totals = (sum(each) for each in zip(*((one.tests, one.failures, one.errors) for one in suites), strict=True))
    counts = " ".join(f'{name}="{total}"' for name, total in zip(("tests", "failures", "errors"), totals, strict=True))
    body = "\n".join(suite.text for suite in suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="insidellms" {counts}>\n{body}\n</testsuites>\n'


def element_text(text: str) -> str:
    """Return a text as it stands between tags."""
    return html.escape(_ILLEGAL.sub("\ufffd", printable(text, keep_newlines=True)), quote=False)


def attribute(text: str) -> str:
    """Return a text as it stands in a tag, in quotes."""
    return f'"{html.escape(_ILLEGAL.sub(chr(0xFFFD), printable(text)))}"'
