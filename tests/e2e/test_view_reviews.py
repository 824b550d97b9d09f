"""Examples that wait for review are accepted and rejected in the browser, and no other byte of their file changes."""

import json
import re
import threading
import urllib.error
import urllib.request

import pytest

from insideLLMs.api.view.example_reviews import ReviewFile
from insideLLMs.core.errors import DatasetError
from support.command import insidellms, write_files
from support.view_server import serving, viewing

LINES = [
    '{"id": "a",  "input": "Where is it?", "review": "pending", "traffic": {"answer": "Here.", "weight": 1.50}}',
    "",
    (
        '{"id": "b", "messages": [{"role": "user", "content": "<b>"}], '
        '"review": "rejected", "traffic": {"answer": 3, "weight": 2}}'
    ),
    '{"id": "c", "question": "not from traffic", "score": 1e5, "review": "A film to love"}',
    '{"id": "d", "input": {"x": 1}, "review": "accepted", "traffic": {"weight": 1}}',
]
DRAWN = '"review": "pending", "traffic": {"weight": 1}'


@pytest.fixture
def path(tmp_path):
    write_files(tmp_path, {"examples.jsonl": "\n".join(LINES) + "\n"})
    return tmp_path / "examples.jsonl"


@pytest.fixture
def server(path):
    with serving(path.parent, person="ann", reviews=ReviewFile(path)) as server:
        yield server


def page(server):
    with urllib.request.urlopen(server.url + "review", timeout=30) as answer:
        return json.loads(re.search(r'(?s)id="data">(.*?)</script>', answer.read().decode())[1])


def send(server, name, verdict, token=None):
    body = {"answer": name, "verdict": verdict, "note": "", "drawn": "failed", "shown": []}
    headers = {
        "Content-Type": "application/json",
        "Origin": server.url.rstrip("/"),
        "X-Insidellms-Token": token or server.token,
    }
    request = urllib.request.Request(server.url + "review", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_examples_with_a_review_are_shown_with_the_answer_of_traffic(server):
    shown = {one["example"]: one for one in page(server)["answers"]}
    assert {name: one["verdict"] for name, one in shown.items()} == {"a": "open", "b": "fail", "d": "pass"}
    assert shown["a"]["response"] == {"text": "Here."}
    assert shown["b"]["response"] == {"value": {"answer": 3, "weight": 2}}
    assert shown["d"]["input"] == '{"x":1}'


@pytest.mark.parametrize(
    ("verdict", "review"), [("pass", "accepted"), ("fail", "rejected"), ("skip", "pending"), ("open", "pending")]
)
def test_a_review_changes_its_row_and_no_other_byte(server, path, verdict, review):
    assert send(server, "a", verdict) == 200
    first, *others = path.read_text().split("\n")
    assert json.loads(first) == {**json.loads(LINES[0]), "review": review}
    assert others == [*LINES[1:], ""]


def test_reviews_come_from_the_page_alone_and_are_of_examples_of_the_file(server, path):
    assert send(server, "a", "pass", token="guess") == 403
    assert send(server, "c", "pass") == 409
    assert send(server, "nowhere", "pass") == 409
    assert path.read_text() == "\n".join(LINES) + "\n"


def test_the_values_of_a_reviewed_row_stay_as_they_are_spelled(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id":"a","x":1.50,"y":[1e5, "caf\\u00e9"],"review":"pending","traffic":{"weight":1}}\r\n')
    assert ReviewFile(path).save("a", "pass")
    assert (
        path.read_bytes()
        == b'{"id":"a","x":1.50,"y":[1e5, "caf\\u00e9"],"review":"accepted","traffic":{"weight":1}}\r\n'
    )


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ('"a"', "has an id that another has, too"),
        ("7", "has no id that is a text"),
        ("null", "has no id that is a text"),
    ],
)
def test_one_decision_is_of_one_example(name, fault, tmp_path):
    path = tmp_path / "x.jsonl"
    before = f'{{"id":"a",{DRAWN}}}\n{{"id":{name},{DRAWN}}}\n'
    path.write_text(before)
    with pytest.raises(DatasetError, match=f"x.jsonl:2: {fault}"):
        ReviewFile(path).save("a", "pass")
    assert path.read_text() == before


def test_a_row_that_a_review_would_shorten_is_refused(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(before := f'{{"id":"a",{DRAWN},"note":1,"note":2}}\n')
    with pytest.raises(DatasetError, match=r"x\.jsonl:1: has the key 'note' twice"):
        ReviewFile(path).save("a", "pass")
    assert path.read_text() == before


def test_a_file_that_is_broken_meanwhile_stays_as_it_is(server, path):
    path.write_text("{")
    assert send(server, "a", "pass") == 409
    assert path.read_text() == "{"


def test_reviews_at_the_same_time_all_arrive(server, path):
    path.write_text("".join(f'{{"id": "e{n}", {DRAWN}}}\n' for n in range(24)))
    senders = [threading.Thread(target=send, args=(server, f"e{n}", "pass")) for n in range(24)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert {json.loads(line)["review"] for line in path.read_text().splitlines()} == {"accepted"}


def test_a_file_without_reviews_is_an_error_that_says_so(tmp_path):
    write_files(tmp_path, {"plain.jsonl": '{"id": "a", "review": "A film to love"}\n'})
    done = insidellms("view", "plain.jsonl", "--port", 0, cwd=tmp_path)
    assert (done.code, "no example in plain.jsonl was drawn from traffic" in done.err) == (1, True)


def test_the_address_that_is_printed_opens_the_review(path):
    with viewing(path.parent, place="examples.jsonl") as (_, address):
        assert address.endswith("/review")
