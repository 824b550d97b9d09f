"""Logs of other tools, as the tools themselves wrote them, and what is known of them."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "foreign_logs"


@dataclass(frozen=True)
class ForeignLog:
    """A pair of logs. `changed` are words of the ids that went from pass to fail, under the probe with the verdict."""

    tool: str
    file: str
    probe: str
    examples: int
    changed: frozenset
    repeats: int = 1
    failed: int = 0
    subjects: int = 1
    companions: tuple = ()

    def path(self, side):
        return FOLDER / side / self.file


SUMS = frozenset({'"n":"1"', '"n":"3"'})
LOGS = (
    ForeignLog("inspect_ai", "inspect.eval", "includes", 10, frozenset({"q2", "q5", "q7"}), repeats=2, failed=1),
    ForeignLog("inspect_ai", "inspect.json", "includes", 3, frozenset({"q1"})),
    ForeignLog(
        "lm_eval", "lm_eval_samples.jsonl", "has_answer", 20, frozenset({"14", "15", "16"}),
        companions=("lm_eval_results.json",),
    ),
    ForeignLog("promptfoo", "promptfoo.json", "assertions", 6, SUMS, failed=1, subjects=2),
    ForeignLog("promptfoo", "promptfoo.jsonl", "assertions", 5, SUMS, repeats=2, failed=1, subjects=2),
    ForeignLog("openai_evals", "openai_evals.jsonl", "match", 12, frozenset({"sums.test.3", "sums.test.8"})),
    ForeignLog("deepeval", "deepeval.json", "Exact Match", 8, frozenset({"2 plus 2", "6 plus 6"})),
    ForeignLog(
        "pydantic_evals", "pydantic_evals.json", "EqualsExpected", 6, frozenset({"sum 1", "sum 4"}), repeats=2, failed=1
    ),
    ForeignLog(
        "phoenix", "phoenix.json", "right", 8, frozenset({"RGF0YXNldEV4YW1wbGU6Mg==", "RGF0YXNldEV4YW1wbGU6NQ=="}),
        repeats=2, failed=1,
    ),
    ForeignLog("garak", "garak.report.jsonl", "dan.DAN", 8, frozenset({"The quick brown", "Liberté"}), repeats=2),
    ForeignLog("otlp", "otlp.jsonl", "right", 5, frozenset({"Italy", "Peru"}), failed=1),
    ForeignLog("langfuse", "langfuse.json", "right", 8, frozenset({"item-2", "item-6"})),
)  # fmt: skip
