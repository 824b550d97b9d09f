"""Settings from Python: refused by name before anything is spent, keywords over config."""

import dataclasses
import math

import pytest

from insideLLMs.core.errors import InsideLLMsError, OptionError
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.runner import ProbeRunner, RunConfig, compare_runs, run_experiment_from_config
from insideLLMs.runner.run_config import RunKeywords, derive
from support.users_code import Ask, Echo, Matches

BAD = [
    ({"concurrency": 0}, "concurrency is 0"),
    ({"concurrency": -3}, "concurrency is -3"),
    ({"concurrency": 1.5}, "concurrency is 1.5"),
    ({"concurrency": True}, "concurrency is True"),
    ({"concurrency": "4"}, "concurrency is '4'"),
    ({"batch_workers": 0}, "batch_workers is 0"),
    ({"batch_workers": -1}, "batch_workers is -1"),
    ({"timeout": -1}, "timeout is -1"),
    ({"timeout": 0}, "timeout is 0"),
    ({"timeout": math.nan}, "timeout is nan"),
    ({"repeats": 0}, "repeats is 0"),
    ({"max_attempts": 0}, "max_attempts is 0"),
    ({"requests_per_minute": 0}, "requests_per_minute is 0"),
    ({"run_id": "../up", "run_root": "x"}, "run_id is '../up'"),
    ({"run_id": "", "run_root": "x"}, "run_id is ''"),
    ({"run_id": "..", "run_root": "x"}, "run_id is '..'"),
    ({"run_dir": "x", "run_root": "y"}, "run_dir is given together with"),
    ({"resume": True}, "resume is set, but no run directory is named"),
    ({"overwrite": True}, "overwrite is set, but no run directory is named"),
    ({"resume": True, "overwrite": True, "run_dir": "x"}, "resume and overwrite are both set"),
    ({"progress_callback": 3}, "progress_callback is 3"),
    ({"overwrite": "no", "run_dir": "x"}, "overwrite is 'no'; it must be True or False"),
    ({"resume": 1, "run_dir": "x"}, "resume is 1"),
    ({"resume": None, "run_dir": "x"}, "resume is None"),
    ({"stop_on_error": "no"}, "stop_on_error is 'no'"),
    ({"validate_output": "yes"}, "validate_output is 'yes'"),
    ({"return_experiment": "no"}, "return_experiment is 'no'"),
    ({"run_dir": 5}, "run_dir is 5; it must be a path"),
    ({"run_dir": b"x"}, "run_dir is b'x'"),
    ({"run_dir": ""}, "run_dir is ''"),
    ({"run_dir": "a\0b"}, "run_dir is"),
    ({"run_root": True}, "run_root is True"),
    ({"record": 5}, "record is 5"),
    ({"replay": []}, r"replay is \[\]"),
    ({"run_id": 1, "run_root": "x"}, "run_id is 1"),
    ({"probe_options": 5}, "probe_options is 5"),
    ({"probe_options": {1: 2}}, "probe_options is {1: 2}"),
    ({"config": {"repeats": 2}}, "config is {'repeats': 2}; it must be a RunConfig"),
    ({"probe_options": {"temperature": 1}, "prompts": []}, "prompts is empty"),
    ({"prompts": "one text"}, "prompts is one str"),
    ({"prompts": {"prompt": "x"}}, "prompts is one dict"),
]


@pytest.mark.parametrize(("settings", "said"), BAD, ids=[str(settings) for settings, _ in BAD])
def test_a_bad_setting_is_a_value_error_that_names_the_value_before_anything_is_spent(
    settings, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = Echo()
    settings = dict(settings)
    prompts = settings.pop("prompts", ["a"])
    with pytest.raises(ValueError, match=said):
        ProbeRunner(model, Ask()).run(prompts, **settings)
    assert model.calls == 0
    assert list(tmp_path.iterdir()) == []


def test_a_coroutine_function_is_no_progress_callback():
    async def on_progress(current, total): ...

    with pytest.raises(OptionError, match="must be a plain function"):
        RunConfig(progress_callback=on_progress)


def test_a_keyword_wins_over_the_config_and_the_rest_of_the_config_stays():
    derived = derive({"config": RunConfig(concurrency=2, repeats=3), "concurrency": 7}, Ask())
    assert (derived.concurrency, derived.repeats) == (7, 3)


def test_the_keywords_are_the_fields_of_the_config():
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    assert set(RunKeywords.__annotations__) == fields - {"return_experiment"} | {"config"}


def test_batch_workers_is_another_name_for_concurrency():
    assert RunConfig(batch_workers=3).execution(ExecutionSpec()).concurrency == 3
    assert RunConfig(batch_workers=3, concurrency=5).execution(ExecutionSpec()).concurrency == 5


def test_what_is_not_set_leaves_the_limits_as_they_are_and_inf_lifts_the_timeout():
    base = ExecutionSpec(concurrency=9, timeout_s=10, attempt_timeout_s=3)
    assert RunConfig().execution(base) == base
    assert RunConfig(timeout=120.0).execution(base).attempt_timeout_s == 120.0
    assert RunConfig(timeout=math.inf).execution(base).timeout_s is None


def test_other_keywords_reach_the_probe():
    class Options(Ask):
        def run(self, model, data, *, style="plain"):
            return f"{style} {data}"

    (result,) = ProbeRunner(Echo(), Options()).run(["a"], style="loud")
    assert result["output"] == "loud a"


@pytest.mark.parametrize(
    ("probe", "keyword", "said"),
    [
        (Ask(), "concurency", "did you mean 'concurrency'"),
        (Ask(), "time_out", "did you mean 'timeout'"),
        (Matches(), "anything", "'anything' is not a setting of a run"),
    ],
)
def test_a_misspelt_keyword_is_a_type_error_that_names_the_nearest(probe, keyword, said):
    model = Echo()
    with pytest.raises(TypeError, match=said):
        ProbeRunner(model, probe).run(["a"], **{keyword: 5})
    assert model.calls == 0


def test_a_keyword_near_a_setting_can_be_given_as_a_probe_option():
    class Options(Ask):
        def run(self, model, data, **kwargs):
            return str(kwargs)

    (result,) = ProbeRunner(Echo(), Options()).run(["a"], probe_options={"repeat": 2})
    assert result["output"] == "{'repeat': 2}"


@pytest.mark.parametrize(("model", "probe"), [(3, Ask()), (Echo(), 3), (Echo(), object())])
def test_what_is_no_model_or_no_probe_is_refused_at_once(model, probe):
    with pytest.raises(InsideLLMsError, match=r"is not a (model|probe)"):
        ProbeRunner(model, probe)


@pytest.mark.parametrize(
    ("model", "probe", "said"), [(Echo, Ask(), "the model is the class Echo"), (Echo(), Ask, "Ask")]
)
def test_a_class_in_the_place_of_an_instance_is_refused(model, probe, said):
    with pytest.raises(OptionError, match=said) as caught:
        ProbeRunner(model, probe)
    assert "(...)" in caught.value.fix


def test_a_run_is_not_replaced_by_a_text_that_says_no(tmp_path):
    runner = ProbeRunner(Echo(), Ask())
    runner.run(["a"], run_dir=tmp_path / "run")
    before = (tmp_path / "run" / "manifest.json").read_bytes()
    with pytest.raises(OptionError, match="overwrite is 'no'"):
        runner.run(["b"], run_dir=tmp_path / "run", overwrite="no")
    assert (tmp_path / "run" / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: run_experiment_from_config(5), "source is 5"),
        (lambda: run_experiment_from_config(""), "source is ''"),
        (lambda: compare_runs(5, "x"), "baseline is 5"),
        (lambda: compare_runs([], "x"), "baseline is empty"),
        (lambda: compare_runs([None], "x"), "baseline is None"),
    ],
)
def test_a_place_that_is_no_path_is_refused_by_name(call, said):
    with pytest.raises(OptionError, match=said):
        call()
