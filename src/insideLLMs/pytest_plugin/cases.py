"""A dataset's examples as tests: read where tests are collected, asked together where the first of them starts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from insideLLMs.core.errors import InsideLLMsError, OptionError
from insideLLMs.core.types import Example
from insideLLMs.pytest_plugin.marks import DatasetMark, dataset_mark, find_path, static_skip
from insideLLMs.runner.load import load_dataset
from insideLLMs.runner.open_model import OpenQuestion

_read = pytest.StashKey[dict[tuple[Path, str], list[Example]]]()


def give_cases(metafunc: pytest.Metafunc) -> None:
    """Make a test of each example. Fails the collection of what promises tests and has none."""
    try:
        mark = dataset_mark(metafunc)
        if mark is None:
            return
        path = find_path(mark.path, metafunc.config.rootpath, metafunc.definition.path)
        if "case" not in metafunc.fixturenames:
            raise OptionError(
                f"{metafunc.definition.name} is marked llm_dataset, but takes neither `case` nor `answer`",
                fix="take them as arguments",
            )
        examples = _examples(path, mark, metafunc.config)
    except InsideLLMsError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    metafunc.parametrize("case", examples, ids=[example.id for example in examples], indirect=True)


def _examples(path: Path, mark: DatasetMark, config: pytest.Config) -> list[Example]:
    read = config.stash.setdefault(_read, {})
    key = path, repr(mark.settings)
    if key not in read:
        read[key] = load_dataset(path, **mark.settings)
    if not read[key]:
        raise OptionError(f"{mark.path} has no examples: there is nothing to test", fix="add rows, or drop the test")
    return read[key]


def question_of(mark: DatasetMark, case: Example) -> OpenQuestion:
    """Return what is asked for an example."""
    return OpenQuestion(example=case, template=mark.template, system=mark.system)


def batch_of(item: pytest.Item, mark: DatasetMark) -> Sequence[OpenQuestion]:
    """Return the questions of all tests that will run and ask what this one asks of the model, in order of the ids."""
    cases = {case.id: case for case in _selected(item, mark)}
    return [question_of(mark, cases[name]) for name in sorted(cases)]


def _selected(item: pytest.Item, mark: DatasetMark) -> Iterator[Example]:
    for other in item.session.items:
        if other.path == item.path and (other is item or not static_skip(other)) and _mark_of(other) == mark:
            assert isinstance(other, pytest.Function)
            if "answer" in other.fixturenames:
                case: Example = other.callspec.params["case"]  # type: ignore[assignment] # as give_cases made it
                yield case


def _mark_of(item: pytest.Item) -> DatasetMark | None:
    return dataset_mark(item) if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
