"""Laws of the plan: every trial has one number, numbers follow the records' order, identities follow content."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core.errors import NothingToDoError
from insideLLMs.core.experiment import DatasetSpec, ExecutionSpec, Experiment, ModelSpec, ProbeSpec, PromptSpec
from insideLLMs.core.types import Example, Message, Outcome, ResultStatus
from insideLLMs.plan import Selection, make_plan, record_of

names = st.lists(st.text("abcXYZ-é/1", min_size=1, max_size=4), min_size=1, max_size=3, unique=True)


def experiment(models, probes, datasets, repeats=1, **changes):
    return Experiment(
        name="x",
        models=tuple(ModelSpec(type="m", id=name) for name in models),
        probes=tuple(ProbeSpec(type="p", id=name, datasets=tuple(datasets)) for name in probes),
        datasets=tuple(DatasetSpec(name=name, format="inline") for name in datasets),
        repeats=repeats,
        **changes,
    )


def plan_of(spec, counts, *, identity=None, sha256="0" * 64):
    return make_plan(
        spec,
        selections={name: Selection(sha256=sha256, count=count, rule={}) for name, count in counts.items()},
        model_identities={model.id: identity or {} for model in spec.models},
        probe_identities={probe.id: {} for probe in spec.probes},
    )


@given(names, st.just([]) | names, names, names, st.integers(1, 3), st.integers(1, 4))
def test_numbers_are_the_order_of_the_records(models, prompts, probes, datasets, repeats, count):
    prompts = tuple(PromptSpec(id=name, template="{{ input }}") for name in prompts)
    spec = experiment(models, probes, datasets, repeats, prompts=prompts)
    plan = plan_of(spec, dict.fromkeys(datasets, count))
    ids = sorted(f"e{i}" for i in range(count))
    trials = []
    for group in plan.groups:
        for rank, name in enumerate(ids):
            example = Example(id=name, input="?")
            for subject in plan.subjects:
                for repeat in range(repeats):
                    index = plan.index_of(group, rank, subject, repeat)
                    trial = plan.trial(group, index, example, example.digest())
                    assert (trial.subject, trial.repeat, plan.subject_at(index)) == (subject, repeat, subject)
                    trials.append(trial)
    assert sorted(trial.index for trial in trials) == list(range(plan.total))
    outcome = Outcome(status=ResultStatus.SKIPPED)
    keys = [record_of(trial, outcome).sort_key for trial in sorted(trials, key=lambda trial: trial.index)]
    assert keys == sorted(keys)


def test_the_run_id_is_about_behaviour_and_nothing_else():
    base = plan_of(experiment(["m"], ["p"], ["d"]), {"d": 3})
    slower = experiment(["m"], ["p"], ["d"], execution=ExecutionSpec(concurrency=1, timeout_s=1.0))
    assert plan_of(slower, {"d": 3}).run_id == base.run_id
    others = [
        plan_of(experiment(["m"], ["p"], ["d"], repeats=2), {"d": 3}),
        plan_of(experiment(["n"], ["p"], ["d"]), {"d": 3}),
        plan_of(experiment(["m"], ["q"], ["d"]), {"d": 3}),
        plan_of(experiment(["m"], ["p"], ["d"]), {"d": 3}, identity={"temperature": 1}),
        plan_of(experiment(["m"], ["p"], ["d"]), {"d": 3}, sha256="1" * 64),
    ]
    assert len({plan.run_id for plan in [base, *others]}) == 6


def test_a_trials_key_is_about_content_not_names():
    example = Example(id="a", input="?")
    renamed = Example(id="b", input="?")
    edited = Example(id="a", input="!")
    plan = plan_of(experiment(["m"], ["p"], ["d"]), {"d": 1})
    keys = [plan.trial(plan.groups[0], 0, one, one.digest()).key for one in (example, renamed, edited)]
    assert keys[0] == keys[1] != keys[2]
    other = plan_of(experiment(["n"], ["q"], ["d"]), {"d": 1})
    assert other.trial(other.groups[0], 0, example, example.digest()).key == keys[0]


def test_a_prompts_content_is_part_of_every_identity_and_its_spelling_is_not():
    def planned(**prompt):
        return plan_of(experiment(["m"], ["p"], ["d"], prompts=(PromptSpec(id="v1", **prompt),)), {"d": 1})

    plain, asked = plan_of(experiment(["m"], ["p"], ["d"]), {"d": 1}), Message(role="user", content="{{ input }}?")
    plans = [plain, planned(template="{{ input }}"), planned(template="{{ input }}?"), planned(system="Be brief.")]
    assert len({plan.run_id for plan in plans}) == len({plan.answers_id for plan in plans}) == 4
    assert len({plan.subject_digests for plan in plans}) == 4
    assert planned(messages=(asked,)).run_id == plans[2].run_id
    assert plain.subject_digests == (plain.digests["model:m"],)


@pytest.mark.parametrize("count", [0])
def test_nothing_to_do_is_an_error(count):
    with pytest.raises(NothingToDoError, match="selects no examples"):
        plan_of(experiment(["m"], ["p"], ["d"]), {"d": count})
