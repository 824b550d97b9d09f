"""A replay as JUnit XML: a case for each recorded case, the verdict, and the command's own end."""

from collections.abc import Sequence

from insideLLMs.proxy.player import ReplayedCase, ReplayVerdict
from insideLLMs.report.ci.junit_xml import JUnitSuite, attribute, element_text, junit_document


def replay_junit(verdict: ReplayVerdict, exit_code: int) -> str:
    """Write JUnit XML: red where a call has no recording, one was not made, or the command failed."""
    cases = [_recorded(case) for case in verdict.cases]
    said = "verified" if verdict.is_verified else "unverified"
    decided = [
        _case("replay", "verdict", "" if verdict.is_verified else f"{said} (exit code 4)", verdict.reasons()),
        _case("replay", "command", f"the command ended with {exit_code}" if exit_code else ""),
    ]
    return junit_document([_suite("recorded cases", cases), _suite("replay", decided)])


def _recorded(case: ReplayedCase) -> str:
    if case.is_left_out:
        skipped = '<skipped message="made no call, as --subset allows"/>'
        return f'    <testcase classname="recorded cases" name={attribute(case.name)}>{skipped}</testcase>'
    return _case("recorded cases", case.name, "not as recorded" if case.reasons else "", case.reasons)


def _case(suite: str, name: str, message: str, told: Sequence[str] = ()) -> str:
    start = f"    <testcase classname={attribute(suite)} name={attribute(name)}"
    if not message:
        return f"{start}/>"
    failure = f'<failure type="failed" message={attribute(message)}>{element_text(chr(10).join(told))}</failure>'
    return f"{start}>{failure}</testcase>"


def _suite(name: str, lines: Sequence[str]) -> JUnitSuite:
    return JUnitSuite(name=name, lines=lines, tests=len(lines), failures=sum("<failure " in line for line in lines))
