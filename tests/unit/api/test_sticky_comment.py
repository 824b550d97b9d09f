"""One comment per name: found by its marker, written again, by us alone; the token goes nowhere else."""

import pytest

from insideLLMs.api.sticky_comment import write_comment
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.report.ci.pull_request import SIZE_LIMIT, CommentFrame, read_marker
from support.comment_server import CommentServer

MARKER = "<!-- insidellms:support -->"
TEXT = f"{MARKER}\n## passed\n"
TOKEN = "canary-token-0123456789"


@pytest.fixture
def server():
    with CommentServer() as running:
        yield running


def on_github(server, **changes):
    return {
        "GITHUB_ACTIONS": "true", "GITHUB_API_URL": server.url, "GITHUB_REPOSITORY": "acme/bots",
        "GITHUB_REF": "refs/pull/7/merge", "GITHUB_TOKEN": TOKEN, **changes,
    }  # fmt: skip


def on_gitlab(server, **changes):
    return {
        "GITLAB_CI": "true", "CI_API_V4_URL": server.url, "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7",
        "GITLAB_TOKEN": TOKEN, **changes,
    }  # fmt: skip


@pytest.mark.parametrize("ci", [on_github, on_gitlab])
def test_a_second_run_writes_the_same_comment_again(server, ci):
    server.say("looks good to me")
    server.say("<!-- insidellms:other -->\n## passed\n")
    assert write_comment(TEXT, ci(server)) == "written"
    assert write_comment(f"{MARKER}\n## failed\n", ci(server)) == "written again"
    assert [one["body"] for one in server.comments[2:]] == [f"{MARKER}\n## failed\n"]


def test_it_is_found_behind_many_comments(server):
    for number in range(230):
        server.say(f"comment {number}")
    server.say(f"{MARKER}\nold")
    assert write_comment(TEXT, on_github(server)) == "written again"
    assert len(server.comments) == 231


@pytest.mark.parametrize(("ci", "who"), [(on_github, {"user": {"type": "User"}}), (on_gitlab, {"author": {"id": 8}})])
def test_a_comment_of_somebody_else_with_our_marker_is_left_alone(server, ci, who):
    server.say(f"{MARKER}\nmine", **who)
    assert write_comment(TEXT, ci(server)) == "written"
    assert server.comments[0]["body"] == f"{MARKER}\nmine"


def test_without_a_pull_request_nothing_is_written(server):
    assert write_comment(TEXT, on_github(server, GITHUB_REF="refs/heads/main")) is None
    assert write_comment(TEXT, on_gitlab(server, CI_MERGE_REQUEST_IID="")) is None
    assert server.requests == []


@pytest.mark.parametrize("code", [401, 403, 404, 500])
@pytest.mark.parametrize("ci", [on_github, on_gitlab])
def test_a_refusal_is_an_error_without_the_token(server, ci, code):
    server.refuses = code
    with pytest.raises(InsideLLMsError, match=f"HTTP {code}") as caught:
        write_comment(TEXT, ci(server))
    assert TOKEN not in f"{caught.value} {caught.value.__cause__}"


def test_a_redirect_does_not_take_the_token_elsewhere(server):
    with CommentServer() as other:
        server.redirects_to = f"{other.url}/repos"
        with pytest.raises(InsideLLMsError, match="HTTP 302"):
            write_comment(TEXT, on_github(server))
        assert other.requests == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set"),
        ({"GITHUB_API_URL": "http://api.example.com"}, "not an https address"),
        ({"GITHUB_API_URL": "ftp://127.0.0.1"}, "not an https address"),
        ({"GITHUB_ACTIONS": ""}, "neither GitHub Actions nor GitLab CI"),
    ],
)
def test_what_is_missing_is_said(server, change, says):
    with pytest.raises(InsideLLMsError, match=says):
        write_comment(TEXT, on_github(server, **change))


@pytest.mark.parametrize("text", ["", "## passed", f" {MARKER}", "<!-- insidellms: -->", "<!-- other:x -->"])
def test_a_text_without_a_marker_is_refused(server, text):
    with pytest.raises(InsideLLMsError, match="does not begin with a marker"):
        write_comment(text, on_github(server))


@pytest.mark.parametrize("name", ["support", "a b/c", "x --> <img src=x>", "--!>", "é", "", "n" * 500, "a\nb"])
def test_every_name_makes_a_marker_that_is_read_back_and_cannot_be_left(name):
    marker = CommentFrame(name=name).marker
    assert read_marker(f"{marker}\ntext") == marker
    assert marker.count("-->") == 1
    assert "\n" not in marker


def test_a_comment_has_its_link_and_stays_below_githubs_limit():
    frame = CommentFrame(name="n" * 500, details_url="https://github.com/acme/bots/actions/runs/42")
    whole = frame.around("x" * SIZE_LIMIT)
    assert whole.endswith("(https://github.com/acme/bots/actions/runs/42)\n")
    assert len(whole) < 65_536
    for url in ("javascript:alert(1)", "https://x) [y](https://z", "https://x\n", ""):
        assert CommentFrame(name="a", details_url=url).around("text").rstrip().endswith("text")
