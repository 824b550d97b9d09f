"""References to environment variables: where they are read, and how they are expanded."""

import pytest

from insideLLMs.config.secrets import expand_references, is_secret_key
from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import ConfigError


def test_references_are_expanded_where_values_may_be_secret():
    args = {
        "headers": {"X-Team": "${TEAM}", "X-Both": ["a ${TEAM} b ${KEY}"]},
        "base_url": "http://${TEAM}/v1",
        "nested": {"api_key": "${KEY}", "n": 3},
        "model_name": "literal ${TEAM}",
    }
    assert expand_references(args, {"TEAM": "t", "KEY": "k"}) == {
        "headers": {"X-Team": "t", "X-Both": ["a t b k"]},
        "base_url": "http://t/v1",
        "nested": {"api_key": "k", "n": 3},
        "model_name": "literal ${TEAM}",
    }
    assert args["base_url"] == "http://${TEAM}/v1"


def test_every_variable_that_is_undefined_or_empty_is_named():
    with pytest.raises(ConfigError) as caught:
        expand_references({"base_url": "${A}${B}", "headers": {"x": "${C}"}}, {"B": "", "C": " "})
    assert [problem.message for problem in caught.value.problems] == [
        "the environment variable A is not defined",
        "the environment variable B is empty",
        "the environment variable C is empty",
    ]


def test_an_expanded_value_remembers_how_it_was_written():
    expanded = expand_references({"headers": {"X-Route": "to ${A}", "X-Plain": "b"}}, {"A": "here"})["headers"]
    assert expanded == {"X-Route": "to here", "X-Plain": "b"}
    assert expanded["X-Route"].written == "to ${A}"
    assert not isinstance(expanded["X-Plain"], FromEnvironment)


def test_what_a_variable_holds_is_not_expanded_again():
    assert expand_references({"base_url": "${A}"}, {"A": "${B}"}) == {"base_url": "${B}"}


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "apikey",
        "API-Key",
        "x-api-key",
        "auth_token",
        "token",
        "aws_secret_access_key",
        "client_secret",
        "password",
        "Authorization",
    ],
)
def test_names_of_secrets_are_known(key):
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key", ["max_tokens", "api_key_env", "key", "tokenizer", "keywords", "secretary", "passwords_checked"]
)
def test_names_that_only_sound_secret_are_told_apart(key):
    assert not is_secret_key(key)
