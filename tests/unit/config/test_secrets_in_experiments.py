"""No file of an experiment may hold a key."""

import pytest

from support.experiment_files import DATA, PROBE, load, problems


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ("{api_key: CANARY}", "api_key"),
        ("{headers: {Authorization: Bearer CANARY}}", "headers.Authorization"),
        ("{headers: {X-Api-Key: CANARY}}", "headers.X-Api-Key"),
        ("{headers: {X-Api-Key: 'CANARY${HOME}'}}", "headers.X-Api-Key"),
        ("{base_url: 'https://user:CANARY@host/v1'}", "base_url"),
        ("{auth: {token: CANARY}}", "auth.token"),
        ("{headers: {X-Auth: CANARY}}", "headers.X-Auth"),
        ("{headers: {X-RapidAPI-Key: CANARY}}", "headers.X-RapidAPI-Key"),
        ("{headers: {X-Team: sk-live-CANARY0123456789abcdef}}", "headers.X-Team"),
        ("{headers: {X-Team: 'Bearer CANARY0123456789abcdef'}}", "headers.X-Team"),
        ("{headers: {X-Team: '${HOME} ghp_CANARY0123456789abcdefghijklmnopqrst'}}", "headers.X-Team"),
        ("{base_url: 'https://host/sk-live-CANARY0123456789abcdef/v1'}", "base_url"),
        ("{env: {TEAM: sk-live-CANARY0123456789abcdef}}", "env.TEAM"),
    ],
)
def test_a_secret_in_a_file_is_refused_and_never_shown(folder, args, field):
    found = problems(folder, f"model: {{type: scripted, args: {args}}}\n" + PROBE + DATA, environ={"HOME": "x"})
    assert any(f"model.args.{field}: holds a secret, which no file may (remove it" in problem for problem in found)
    assert "CANARY" not in "\n".join(found)


def test_a_secret_in_the_wrong_place_is_not_shown_either(folder):
    for text in ("model: {type: scripted, api_key: CANARY}\n", "model: {type: scripted, args: {api_key: 5}}\n"):
        found = problems(folder, text + PROBE + DATA + "api_key: [CANARY]\npassword: CANARY\n")
        assert "CANARY" not in "\n".join(found)
        assert any("keys belong in the environment" in problem or "holds a secret" in problem for problem in found)


def test_headers_and_answers_that_hold_no_key_are_fine(folder):
    headers = "{X-Author: me, X-Team: evals, X-Auth: '${HOME}', Idempotency-Key: a1, X-Key-Version: '2'}"
    args = f"{{model_name: x, headers: {headers}, path: sk-live-QQQQ0123456789abcdef}}"
    assert load(folder, f"model: {{type: scripted, args: {args}}}\n" + PROBE + DATA, environ={"HOME": "x"})


def test_names_that_only_sound_secret_are_fine(folder):
    text = "model: {type: demanding, args: {model_name: x, max_tokens: 5, api_key_env: MY_KEY}}\n"
    assert load(folder, text + "probe: {type: asked, args: {secret: swordfish}}\n" + DATA)


def test_references_are_kept_as_they_are(folder):
    text = "model: {type: demanding, args: {model_name: x, headers: {X-Team: '${TEAM}'}, api_key: '${KEY}'}}\n"
    experiment = load(folder, text + PROBE + DATA, environ={"TEAM": "t", "KEY": "k"})
    assert experiment.models[0].args["headers"] == {"X-Team": "${TEAM}"}
    assert experiment.models[0].args["api_key"] == "${KEY}"
