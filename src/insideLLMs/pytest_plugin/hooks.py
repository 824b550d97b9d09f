"""What pytest loads: the options, marks and fixtures of tests that ask models, and when they act.

Nothing of the engine is imported before a test asks for it, so that a session without such tests pays nothing.
"""

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from insideLLMs.core.types import Example
    from insideLLMs.pytest_plugin.answers import Llm, LlmAnswer
    from insideLLMs.pytest_plugin.experiments import LlmRun
    from insideLLMs.pytest_plugin.session import AskingTest, LlmSession
    from insideLLMs.pytest_plugin.tally import CallTally

_session = pytest.StashKey["LlmSession"]()
_place = pytest.StashKey["AskingTest"]()
_tally = pytest.StashKey["CallTally"]()
_shared = pytest.StashKey[Path]()
_KEY = "insidellms"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("llm", "tests that ask language models (insidellms)")
    group.addoption(
        "--llm",
        choices=("replay", "missing", "record", "live"),
        help="Where answers come from: replay (cassettes alone, the default where CI is set), missing (ask what "
        "cassettes lack, the default elsewhere), record (ask all, and record it), live (ask all, record nothing).",
    )
    group.addoption("--llm-model", metavar="FILE", help="A file with the `type` and `args` of the model to ask.")
    group.addoption("--llm-accept", action="store_true", help="Accept the runs of llm_run as baselines.")
    group.addoption("--llm-inconclusive", choices=("fail", "skip"), help="What an inconclusive gate does to its test.")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    config.addinivalue_line(
        "markers",
        "llm(repeats=1, at_least=1.0, model=None): the test asks a model, and a share of its repeats must pass.",
    )
    config.addinivalue_line(
        "markers", "llm_dataset(path, template=None, system=None, model=None, **dataset): a test for each example."
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each example of a marked test's dataset."""
    if metafunc.definition.get_closest_marker("llm_dataset"):
        from insideLLMs.pytest_plugin.cases import give_cases  # noqa: PLC0415 - see above

        give_cases(metafunc)


@pytest.fixture
def llm(request: pytest.FixtureRequest) -> "Llm":
    """Ask the model of the test: ``llm("How do I get a refund?", system=SYSTEM)`` returns its answer."""
    from insideLLMs.pytest_plugin.answers import Llm  # noqa: PLC0415 - see above

    return Llm(partial(_session_of(request.config).ask_now, place=_place_of(request.node)))


@pytest.fixture
def case(request: pytest.FixtureRequest) -> "Example":
    """Return the example of the dataset that the test is about, with `input`, `expected` and `fields`."""
    if not hasattr(request, "param"):
        pytest.fail("`case` and `answer` need @pytest.mark.llm_dataset(PATH)", pytrace=False)
    example: Example = request.param
    return example


@pytest.fixture
def answer(request: pytest.FixtureRequest, case: "Example") -> "LlmAnswer":
    """Return the model's answer to the example; those of all selected examples are asked for together."""
    from insideLLMs.pytest_plugin.marks import dataset_mark  # noqa: PLC0415

    session, place, mark = _session_of(request.config), _place_of(request.node), dataset_mark(request.node)
    assert mark is not None  # which gave the case
    with _plainly():
        return session.answer_case(request.node, mark, case, place)


@pytest.fixture
def llm_run(request: pytest.FixtureRequest, tmp_path: Path) -> "Callable[[str], LlmRun]":
    """Run an experiment file: ``llm_run("evals/support.yaml").assert_no_regression("evals/baselines")``."""
    from insideLLMs.pytest_plugin.experiments import run_experiment  # noqa: PLC0415 - see above

    return lambda experiment: run_experiment(experiment, _session_of(request.config), request.path, tmp_path)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Name the test to the proxy that records or replays what it asks, where there is one."""
    proxy_url = os.environ.get("INSIDELLMS_PROXY_URL")
    if not proxy_url:
        return (yield)
    from insideLLMs.pytest_plugin.recorded_cases import named_case  # noqa: PLC0415 - see above

    with named_case(proxy_url, item.nodeid):
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test as often as its mark says."""
    __tracebackhide__ = True
    if pyfuncitem.get_closest_marker("llm") is None:
        return None
    from insideLLMs.pytest_plugin.repeats import run_repeats  # noqa: PLC0415 - see above

    place = _place_of(pyfuncitem)
    place.runs = True
    if len(place.repeats) == 1:
        return None
    run_repeats(pyfuncitem, place, _session_of(pyfuncitem.config))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that passed without asking what its mark promises."""
    found = yield
    if item.get_closest_marker("llm") is not None:
        place = item.stash.get(_place, None)
        if place is None or not place.runs or not place.answers:
            pytest.fail("marked llm, but it asked nothing: ask with `llm`, or take `answer`", pytrace=False)
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what was asked and answered where a test failed."""
    report = yield
    place = item.stash.get(_place, None)
    if report.failed and place is not None and place.answers:
        report.sections.append(("questions and answers", "\n\n".join(answer.in_words() for answer in place.answers)))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Finish the cassettes, and hand what a worker counted to the controller."""
    config = session.config
    found = config.stash.get(_session, None)
    if found is not None:
        found.close()
        _tally_of(config).add(found.tally.plain())
    output = getattr(config, "workeroutput", None)
    if output is not None and found is not None:
        output[_KEY] = found.tally.plain()
    if _tally in config.stash and config.stash[_tally].problems and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was asked, what it cost, and what is missing."""
    tally = terminalreporter.config.stash.get(_tally, None)
    if tally is not None and not tally.is_empty:
        terminalreporter.section("language models")
        for line in tally.lines():
            terminalreporter.line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the workers shared."""
    if _shared in config.stash:
        shutil.rmtree(config.stash[_shared], ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # xdist's, which has no types
    """Name a folder that the workers of a run share; the first that needs it makes it."""
    config = node.config
    if _shared not in config.stash:
        config.stash[_shared] = Path(tempfile.gettempdir(), f"insidellms-{uuid.uuid4().hex}")
    node.workerinput[_KEY] = str(config.stash[_shared])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # as above
    """Add up what a worker counted."""
    counted = getattr(node, "workeroutput", {}).get(_KEY)
    if counted:
        _tally_of(node.config).add(counted)


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """Fail a test with what is wrong and how to fix it, and no traceback of ours."""
    from insideLLMs.core.errors import InsideLLMsError  # noqa: PLC0415 - see above

    try:
        yield
    except InsideLLMsError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _tally_of(config: pytest.Config) -> "CallTally":
    from insideLLMs.pytest_plugin.tally import CallTally  # noqa: PLC0415 - see above

    return config.stash.setdefault(_tally, CallTally())


def _session_of(config: pytest.Config) -> "LlmSession":
    """Return the session of this process. Fails the test where the settings are wrong."""
    from insideLLMs.pytest_plugin.session import LlmSession  # noqa: PLC0415
    from insideLLMs.pytest_plugin.settings import read_settings  # noqa: PLC0415

    if _session not in config.stash:
        shared = getattr(config, "workerinput", {}).get(_KEY)
        with _plainly():
            config.stash[_session] = LlmSession(read_settings(config), None if shared is None else Path(shared))
    return config.stash[_session]


def _place_of(item: pytest.Item) -> "AskingTest":
    """Return where a test stands. Fails it where its marks are wrong."""
    from insideLLMs.pytest_plugin.session import place_of  # noqa: PLC0415

    if _place not in item.stash:
        with _plainly():
            item.stash[_place] = place_of(item, _session_of(item.config).settings)
    return item.stash[_place]
