"""Records and tables without secrets and personal data, each row with the hash of the record that it was made of."""

from collections.abc import Iterator, Sequence

import msgspec

from insideLLMs.compare.sides import RunView
from insideLLMs.core import canonical
from insideLLMs.core.merkle import leaf_hash
from insideLLMs.core.types import JsonValue
from insideLLMs.report.pseudonyms import Pseudonyms
from insideLLMs.report.records_table import Row, Table

_DIGESTS = ("key", "example_digest")


def redact_line(line: bytes, pseudonyms: Pseudonyms) -> bytes:
    """Return a line of `records.jsonl`: itself where nothing was found, else with `redacted_from`, its leaf hash."""
    record = msgspec.json.decode(line)
    redacted = pseudonyms.value(_without_telling_tokens(record, pseudonyms))
    redacted.update({name: record[name] for name in _DIGESTS})
    if redacted == record:
        return line
    return canonical.line({**redacted, "redacted_from": leaf_hash(line).hex()})


def _without_telling_tokens(record: dict[str, JsonValue], pseudonyms: Pseudonyms) -> dict[str, JsonValue]:
    """Drop the log probabilities of an answer whose tokens, put together, spell out what is replaced elsewhere."""
    response = record["response"]
    if response is None or not response.get("logprobs"):
        return record
    spelt = "".join(token["token"] for token in response["logprobs"])
    if pseudonyms.text(spelt) == spelt:
        return record
    kept = {name: value for name, value in response.items() if name != "logprobs"}
    return {**record, "response": kept}


def redact_table(table: Table, runs: Sequence[RunView], pseudonyms: Pseudonyms) -> Table:
    """Return a table with its texts redacted; that of one run has the leaf hash of each record, too."""

    def rows() -> Iterator[Row]:
        for row in table.rows():
            yield tuple(pseudonyms.value(cell) for cell in row)

    if len(runs) > 1:
        return Table(columns=table.columns, rows=rows)

    def hashed_rows() -> Iterator[Row]:
        for row, line in zip(rows(), runs[0].records(), strict=True):
            yield (*row, leaf_hash(line).hex())

    return Table(columns={**table.columns, "redacted_from": "string"}, rows=hashed_rows)
