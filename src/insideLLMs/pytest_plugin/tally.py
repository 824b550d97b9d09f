"""What the tests of a session asked, counted by each process and added up for the terminal's summary."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields

from insideLLMs.core.prices import dollars


@dataclass(slots=True)
class CallTally:
    """Counts of answers: `asked` of a model, `replayed` from a cassette; `missing` names those that one lacks.

    Tokens are those of the asked. `unpriced` answers have a cost that is not known. `modules` are those of the tests
    that lacked an answer; `notes` are said as they stand, and `problems` fail the session.
    """

    mode: str = ""
    asked: int = 0
    retries: int = 0
    failed: int = 0
    replayed: int = 0
    missing: list[str] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    modules: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked, found or said."""
        return not (self.asked or self.replayed or self.missing or self.notes or self.problems)

    def add(self, counted: "Mapping[str, object]") -> None:
        """Add the counts of another process, as `plain` writes them."""
        other = CallTally(**counted)  # type: ignore[arg-type] # a worker's own `plain`
        for one in fields(self):
            ours, theirs = getattr(self, one.name), getattr(other, one.name)
            setattr(self, one.name, ours or theirs if one.name == "mode" else ours + theirs)

    def plain(self) -> dict[str, object]:
        """Return the counts as plain values, which pass between processes."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield the lines of the summary."""
        paid = [dollars(self.cost_usd)] * bool(self.cost_usd)
        unknown = [f"{self.unpriced:,} answer{'s' * (self.unpriced > 1)} of unknown price"] * bool(self.unpriced)
        cost = " and ".join(paid + unknown) or "free"
        yield (
            f"--llm={self.mode}: {self.asked:,} asked ({self.failed:,} failed, {self.retries:,} retries), "
            f"{self.replayed:,} from cassettes, {self.input_tokens:,} tokens in, {self.output_tokens:,} out"
            + (f", {cost}" if self.asked else "")
        )
        if self.missing:
            where, count = " ".join(sorted(set(self.modules))), len(set(self.missing))
            yield f"cassettes lack {count:,} answer{'s' * (count > 1)}; to record them: pytest --llm=missing {where}"
        yield from self.notes
        yield from self.problems
