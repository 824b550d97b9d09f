"""One comment on a pull request or merge request that is written again at each run, found by its hidden marker.

The address and the request's number are those that GitHub Actions and GitLab CI put into the environment. The token is
read from there too, is sent to that address alone, and is in no message.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Literal

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.types import JsonValue
from insideLLMs.report.ci.pull_request import read_marker

_PULL = re.compile(r"refs/pull/(\d+)/")
_TIMEOUT_S = 30.0
_PAGE = 100
_MOST_PAGES = 50
_MOST_BYTES = 32 * 1024 * 1024
Done = Literal["written", "written again"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thread:
    """The comments of one request: where they are listed and changed, and who we are there."""

    comments: str
    comment: str
    headers: Mapping[str, str]
    update: Literal["PATCH", "PUT"]
    user: str | None = None

    def is_ours(self, comment: Mapping[str, JsonValue]) -> bool:
        """Whether a bot of GitHub's, or on GitLab the owner of the token, wrote it: anybody can write a marker."""
        if self.user is None:
            return bool(comment.get("user", {}).get("type") == "Bot")
        return bool(comment.get("author", {}).get("id") == self._ask("GET", self.user)["id"])

    def find(self, marker: str) -> int | None:
        """Return the number of our comment that begins with the marker."""
        ours = (one for one in self._list() if str(one.get("body", "")).startswith(marker) and self.is_ours(one))
        return next((int(one["id"]) for one in ours), None)

    def write(self, number: int | None, body: str) -> None:
        """Write a comment, or a new text in the place of one."""
        if number is None:
            self._ask("POST", self.comments, {"body": body})
        else:
            self._ask(self.update, f"{self.comment}/{number}", {"body": body})

    def _list(self) -> Iterator[dict[str, JsonValue]]:
        for page in range(1, _MOST_PAGES + 1):
            found = self._ask("GET", f"{self.comments}?per_page={_PAGE}&page={page}")
            yield from found
            if len(found) < _PAGE:
                return

    def _ask(self, method: str, url: str, body: Mapping[str, str] | None = None) -> JsonValue:
        data = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Content-Type": "application/json", "User-Agent": "insidellms"}
        request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - checked before
        try:
            with _opener.open(request, timeout=_TIMEOUT_S) as answer:
                return json.loads(answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            may_not = error.code in {401, 403, 404}
            raise InsideLLMsError(
                f"{method} {url} was refused with HTTP {error.code}",
                fix="give the token the right to write comments; on pull requests from forks it has none"
                if may_not
                else "run the job again",
            ) from None
        except (OSError, HTTPException, ValueError) as error:
            raise InsideLLMsError(f"{method} {url} failed: {type(error).__name__}", fix="run the job again") from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token elsewhere."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def write_comment(text: str, environ: Mapping[str, str]) -> Done | None:
    """Write `text`, which begins with a marker, to the request that CI runs for; None where there is none.

    Raises InsideLLMsError for a text without a marker, outside CI, without a token, and where the server refuses.
    """
    marker = read_marker(text)
    thread = _thread(environ)
    if thread is None:
        return None
    number = thread.find(marker)
    thread.write(number, text)
    return "written" if number is None else "written again"


def _thread(environ: Mapping[str, str]) -> _Thread | None:
    if environ.get("GITHUB_ACTIONS"):
        pull = _PULL.match(environ.get("GITHUB_REF", ""))
        base = f"{_address(environ, 'GITHUB_API_URL')}/repos/{_named(environ, 'GITHUB_REPOSITORY')}/issues"
        return None if pull is None else _github(base, pull[1], _named(environ, "GITHUB_TOKEN"))
    if environ.get("GITLAB_CI"):
        number = environ.get("CI_MERGE_REQUEST_IID", "")
        api = _address(environ, "CI_API_V4_URL")
        base = f"{api}/projects/{_named(environ, 'CI_PROJECT_ID')}/merge_requests/{number}/notes"
        headers = {"PRIVATE-TOKEN": _named(environ, "GITLAB_TOKEN")} if number else {}
        return (
            _Thread(comments=base, comment=base, headers=headers, update="PUT", user=f"{api}/user") if number else None
        )
    raise InsideLLMsError("this is neither GitHub Actions nor GitLab CI", fix="run it in a job on a pull request")


def _github(base: str, pull: str, token: str) -> _Thread:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    return _Thread(comments=f"{base}/{pull}/comments", comment=f"{base}/comments", headers=headers, update="PATCH")


def _named(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise InsideLLMsError(f"{name} is not set", fix=f"give the step {name} in its environment")
    return value


def _address(environ: Mapping[str, str], name: str) -> str:
    address = _named(environ, name).rstrip("/")
    if not re.match(r"https://|http://(127\.0\.0\.1|localhost)(:|/|$)", address):
        raise InsideLLMsError(f"{name} is not an https address", fix="a token is sent over TLS only")
    return address
