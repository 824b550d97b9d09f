"""Tables as data frames, for those who have pandas or polars; neither is needed otherwise."""

from abc import abstractmethod
from importlib import import_module
from typing import Any

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.report.records_table import Table

_PANDAS = {"int64": "Int64", "bool": "boolean", "double": "Float64"}
_POLARS = {"int64": "Int64", "bool": "Boolean", "double": "Float64", "string": "String"}


class Tabular:
    """What has a table, as a data frame: a row a Trial, missing values where there is none, scores as `score_NAME`."""

    __slots__ = ()

    @abstractmethod
    def table(self) -> Table:
        """Return the columns and rows."""

    def to_pandas(self) -> Any:  # a pandas.DataFrame, where pandas is installed
        """Return a pandas DataFrame. Raises InsideLLMsError without pandas."""
        pandas = _load("pandas")
        table = self.table()
        frame = pandas.DataFrame(_columns(table))
        return frame.astype({name: _PANDAS[kind] for name, kind in table.columns.items() if kind in _PANDAS})

    def to_polars(self) -> Any:  # a polars.DataFrame, where polars is installed
        """Return a polars DataFrame. Raises InsideLLMsError without polars."""
        polars = _load("polars")
        table = self.table()
        kinds = {
            name: getattr(polars, _POLARS[kind]) if kind in _POLARS else polars.List(polars.String)
            for name, kind in table.columns.items()
        }
        return polars.DataFrame(_columns(table), schema=kinds)


def _columns(table: Table) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {name: [] for name in table.columns}
    for row in table.rows():
        for column, cell in zip(columns.values(), row, strict=True):
            column.append(cell)
    return columns


def _load(name: str) -> Any:  # a module that may not be installed
    try:
        return import_module(name)
    except ImportError as error:
        raise InsideLLMsError(f"a data frame of {name} needs {name}", fix=f"pip install {name}") from error
