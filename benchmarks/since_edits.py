"""Is any stale answer or score ever reused? A thousand random edits, each run since the one before and run whole.

    python benchmarks/since_edits.py              # 1,000 edits, some six minutes
    python benchmarks/since_edits.py --quick      # 100 edits, under a minute

The model of the run and the judge are stubs that count their calls; what they answer is a digest of all that they are
set to and are sent, so that a stale answer differs. Edits concern parameters, system prompts, templates, prompts,
questions, expected answers, ids, order, repeats, tools and options of requests, probes, their code, judges and rubrics,
and files that a model of users' own code reads without saying so. After each edit the records of the run since the last
one are held against those of a whole run: they must be equal but for their marks. Calls must be as many as requests
that are new, where nothing has hidden inputs.

Exits 1 if a record differs, or a call too many or too few was made.
"""

import argparse
import asyncio
import copy
import hashlib
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from insideLLMs.api.run import RunOptions, arun
from insideLLMs.api.since.baseline import open_baseline
from insideLLMs.api.since.rounds import RunSince, SinceOptions
from insideLLMs.config.load import read_experiment
from insideLLMs.core import canonical
from insideLLMs.core.types import Response, expand
from insideLLMs.plugins import model_registry
from insideLLMs.providers.provider_model import ProviderModel

CALLS: Counter[str] = Counter()


class Stub(ProviderModel):
    """Answers with a digest of its settings and of what it is sent; as a judge with a grade made of that."""

    provider = "stub"
    __module__ = "insideLLMs.providers.stub"  # as one of ours, whose identity covers what it does

    def __init__(self, model_name: str = "stub", *, temperature: float = 0.0, judge: bool = False) -> None:
        super().__init__(model_name, model_name)
        self.settings = {"model_name": model_name, "temperature": temperature, "judge": judge}

    def identity(self):
        return {"type": "stub", **self.settings}

    async def respond(self, request, *, repeat=0):
        CALLS["judge" if self.settings["judge"] else "model"] += 1
        digest = hashlib.sha256(canonical.line([self.settings, expand(request), repeat])).hexdigest()
        grade = int(digest[:2], 16) % 5 + 1
        return Response(text=f'{{"reason": "{digest}", "score": {grade}}}' if self.settings["judge"] else digest)


PROBE = """
from insideLLMs import PromptProbe, Scores

class Own(PromptProbe):
    def request(self, example):
        return example.request({options})

    def score(self, example, response):
        return Scores.of(response.text[{place}] in "01234567")
"""
HIDDEN = """
from pathlib import Path

def answer(prompt):
    return Path({file!r}).read_text() + prompt
"""


class World:
    """An experiment with its files, which can be edited at random."""

    def __init__(self, folder, source):
        self.folder, self.source = folder, source
        self.rows = [{"id": f"e{i}", "question": f"q{i}", "expected": str(i)} for i in range(5)]
        self.model = {"type": "stub", "id": "m", "args": {"model_name": "a"}, "system": "s0"}
        self.prompts = [{"id": f"p{i}", "template": f"{i}: {{{{ question }}}}"} for i in range(2)]
        self.contains, self.rubric, self.judge = "a", "Is it {{ question }}?", {"model_name": "j", "judge": True}
        self.repeats, self.probe = 1, {"options": "", "place": 0}
        self.hidden, self.has_hidden, self.number = "x", False, 0

    def edit(self):
        """Make one edit, or none; return its kind."""
        kind = self.source.choice([name for name in dir(self) if name.startswith("edit_")])
        self.number += 1
        getattr(self, kind)()
        return kind.removeprefix("edit_")

    def edit_nothing(self):
        pass

    def edit_parameter(self):
        self.model["args"]["temperature"] = self.number / 1e4

    def edit_model(self):
        self.model["args"]["model_name"] = self.source.choice("abc")

    def edit_system(self):
        self.model["system"] = f"s{self.source.randrange(3)}"

    def edit_template(self):
        self.source.choice(self.prompts)["template"] = f"{self.number}: {{{{ question }}}}"

    def edit_spelling_of_template(self):
        self.source.choice(self.prompts)["template"] = "0: {{question}}"

    def edit_prompts(self):
        if len(self.prompts) > 2:
            self.prompts.pop(self.source.randrange(len(self.prompts)))
        else:
            self.prompts.append({"id": f"p{self.number}", "template": f"n{self.number}: {{{{ question }}}}"})

    def edit_question(self):
        self.source.choice(self.rows)["question"] = f"q{self.source.randrange(99)}"

    def edit_expected(self):
        self.source.choice(self.rows)["expected"] = str(self.number)

    def edit_id(self):
        self.source.choice(self.rows)["id"] = f"n{self.number}"

    def edit_order(self):
        self.source.shuffle(self.rows)

    def edit_rows(self):
        if len(self.rows) > 5:
            self.rows.pop(self.source.randrange(len(self.rows)))
        else:
            self.rows.append({"id": f"r{self.number}", "question": f"q{self.number}", "expected": "1"})

    def edit_repeats(self):
        self.repeats = 3 - self.repeats

    def edit_probe(self):
        self.contains = self.source.choice("abcdef")

    def edit_tools(self):
        name = self.source.choice(["look_up", "search"])
        self.probe["options"] = f"tools=[{{'type': 'function', 'function': {{'name': '{name}'}}}}]"

    def edit_options(self):
        self.probe["options"] = f"max_tokens={self.source.randrange(1, 9)}"

    def edit_scorer_code(self):
        self.probe["place"] = self.source.randrange(9)

    def edit_rubric(self):
        self.rubric = f"Is it {{{{ question }}}} as in {self.source.randrange(4)}?"

    def edit_judge(self):
        self.judge["model_name"] = self.source.choice("jkl")

    def edit_hidden_file(self):
        self.hidden = f"h{self.number} "

    def edit_hidden_model(self):
        self.has_hidden = not self.has_hidden

    def write(self):
        """Write the files; return the experiment's."""
        (self.folder / "hidden.txt").write_text(self.hidden)
        (self.folder / "own_model.py").write_text(HIDDEN.format(file=str(self.folder / "hidden.txt")))
        (self.folder / "own.py").write_text(PROBE.format(**self.probe))
        hidden = {"type": "callable", "id": "h", "args": {"function": "own_model.py:answer"}}
        judge = {"judges": {"type": "stub", "args": dict(self.judge)}, "rubric": self.rubric, "threshold": 3}
        experiment = {
            "name": "edits",
            "models": [self.model, *([hidden] if self.has_hidden else [])],
            "prompts": self.prompts,
            "probes": [
                {"type": "contains", "args": {"any": [self.contains]}},
                {"type": "own.py:Own", "id": "own"},
                {"type": "judge", "args": judge},
            ],
            "datasets": [{"name": "d", "format": "inline", "examples": self.rows}],
            "repeats": self.repeats,
            "execution": {"telemetry": False},
        }
        path = self.folder / "e.json"
        path.write_text(json.dumps(experiment))
        return path


def run(file, target, since=None):
    """Run the experiment, whole or since another; return the records and the calls."""
    CALLS.clear()
    experiment = read_experiment(file, overrides={}).experiment
    options = RunOptions(run_dir=target, overwrite=True)
    if since is not None:
        rounds = RunSince(SinceOptions(baseline=open_baseline(since), today="2026-01-01", say=print, canary=0.0))
        options = RunOptions(run_dir=target, overwrite=True, rounds=rounds.rounds, begin=rounds.begin)
    asyncio.run(arun(experiment, folder=file.parent, options=options))
    records = [json.loads(line) for line in (target / "records.jsonl").read_bytes().splitlines()]
    return records, dict(CALLS)


def asked(records):
    """Return what the model of the run was asked, as often as it was."""
    own = (r for r in records if r["model"] == "m" and "shared_with" not in r)
    return Counter((r["prompt"], r["repeat"], json.dumps([r["request"], r["response"]])) for r in own)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 edits")
    parser.add_argument("--edits", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    edits = args.edits or (100 if args.quick else 1_000)
    model_registry.register("stub", Stub)
    kinds: Counter[str] = Counter()
    stale, miscounted, paid, whole = 0, 0, Counter(), Counter()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        world = World(folder, random.Random(args.seed))
        before, _ = run(world.write(), folder / "a")
        last, other = folder / "a", folder / "b"
        for number in range(edits):
            had_hidden = copy.copy(world.has_hidden)
            kind = world.edit()
            kinds[kind] += 1
            file = world.write()
            since, calls = run(file, folder / "since", last)
            full, all_calls = run(file, other)
            plain = [{name: value for name, value in record.items() if name != "since"} for record in since]
            if plain != full:
                stale += 1
                first = next(
                    (pair for pair in zip(plain, full, strict=False) if pair[0] != pair[1]), (len(plain), len(full))
                )
                print(f"edit {number} ({kind}): a record differs from the whole run's: {first}", file=sys.stderr)
            new = sum((asked(full) - asked(before)).values())
            if calls.get("model", 0) != new and not (had_hidden or world.has_hidden):
                miscounted += 1
                print(f"edit {number} ({kind}): {calls.get('model', 0)} calls, {new} new requests", file=sys.stderr)
            paid.update(calls)
            whole.update(all_calls)
            before, last, other = full, other, last
    print(f"{edits:,} edits: {', '.join(f'{kind} {count}' for kind, count in sorted(kinds.items()))}")
    for who in ("model", "judge"):
        print(f"calls of the {who}: {paid[who]:,} of {whole[who]:,}")
    print(f"runs with a stale answer or score: {stale}; with another number of calls than new requests: {miscounted}")
    return 1 if stale or miscounted else 0


if __name__ == "__main__":
    sys.exit(main())
