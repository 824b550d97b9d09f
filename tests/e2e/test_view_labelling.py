"""Who may store a label through `insidellms view`, and what an address may ask for."""

import json
import re
import urllib.error
import urllib.request

import pytest

from insideLLMs.store.labels import LABELS, read_labels
from support.command import insidellms, write_files
from support.tables import imported, row
from support.view_server import serving, viewing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("labelling")
    for name in ("run", "<b>other"):
        imported(root, name, [row(f"e{n}", n % 2, output=f"answer {n % 4}") for n in range(8)])
    return root


@pytest.fixture
def server(folder):
    (folder / "run" / LABELS).unlink(missing_ok=True)
    with serving(folder, person="ann") as server:
        yield server


def fetch(server, path, data=None, **headers):
    request = urllib.request.Request(server.url + path, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def sample(server, query="drawn=random&count=50", run="run"):
    """Return what the labelling page gets."""
    status, page = fetch(server, f"runs/{run}/label?{query}")
    assert status == 200, page
    return json.loads(re.search(r'(?s)id="data">(.*?)</script>', page)[1])


def send(server, label, *, path="runs/run/labels", without=(), **headers):
    own = {"Content-Type": "application/json", "Origin": server.url.rstrip("/"), "X-Insidellms-Token": server.token}
    given = {**own, **headers}
    body = label if isinstance(label, bytes) else json.dumps(label).encode()
    return fetch(server, path, body, **{name: value for name, value in given.items() if name not in without})


def said(answer, **given):
    return {"answer": answer, "verdict": "pass", "note": "", "drawn": "random", "shown": [], **given}


def stored(folder, run="run"):
    return read_labels(folder / run / LABELS)


def test_a_label_is_stored_under_the_name_of_who_started_the_server(server, folder):
    first = sample(server)["answers"][0]
    assert send(server, said(first["answer"], note="so so"))[0] == 200
    (label,) = stored(folder)
    assert (label.by, label.verdict, label.note, label.example_id) == ("ann", "pass", "so so", first["example"])
    again = sample(server)["answers"][0]
    assert (again["verdict"], again["note"], again["counts"]) == ("pass", "so so", True)


@pytest.mark.parametrize(
    ("headers", "without"),
    [
        ({}, ("X-Insidellms-Token",)),
        ({"X-Insidellms-Token": "guess"}, ()),
        ({"X-Insidellms-Token": "é"}, ()),
        ({}, ("Origin",)),
        ({"Origin": "null"}, ()),
        ({"Origin": "https://evil.example"}, ()),
        ({"Origin": "http://127.0.0.1:1"}, ()),
        ({"Content-Type": "text/plain"}, ()),
        ({"Content-Type": "application/x-www-form-urlencoded"}, ()),
        ({"Host": "evil.example:80", "Origin": "http://evil.example:80"}, ()),
    ],
)
def test_no_other_page_can_store_a_label(server, folder, headers, without):
    answer = sample(server)["answers"][0]["answer"]
    headers = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    assert send(server, said(answer), without=without, **headers)[0] == 403
    assert stored(folder) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"{",
        b"[]",
        {"verdict": "perhaps"},
        {"by": "bob"},
        {"drawn": "all"},
        {"note": None},
        {"shown": "all"},
        {"note": "x" * 200_000},
    ],
)
def test_what_is_no_label_is_refused(server, folder, wrong):
    answer = sample(server)["answers"][0]["answer"]
    assert send(server, wrong if isinstance(wrong, bytes) else said(answer, **wrong))[0] == 400
    assert stored(folder) == ()


@pytest.mark.parametrize(
    ("path", "status"),
    [("runs/nowhere/labels", 404), ("runs/..%2Frun/labels", 404), ("runs/run/records.jsonl", 404), ("", 404)],
)
def test_labels_go_to_a_run_of_the_folder_only(server, folder, path, status):
    answer = sample(server)["answers"][0]["answer"]
    assert send(server, said(answer), path=path)[0] == status
    assert stored(folder) == ()


def test_a_label_is_of_an_answer_that_a_page_has_shown(server, folder):
    status, told = send(server, said("a" * 64))
    assert (status, "reload this page" in told) == (409, True)
    other = sample(server, run="%3Cb%3Eother")["answers"][0]["answer"]
    assert send(server, said(other))[0] == 409
    assert stored(folder) == stored(folder, "<b>other") == ()


def test_a_file_of_labels_that_cannot_be_written_is_said_and_not_hidden(server, folder):
    answer = sample(server)["answers"][0]["answer"]
    (folder / "run" / LABELS).write_text("no label\n")
    status, told = send(server, said(answer))
    assert (status, "line 1: not a label" in told) == (409, True)
    assert fetch(server, "runs/run/label")[0] == 409
    assert (folder / "run" / LABELS).read_text() == "no label\n"


@pytest.mark.parametrize(
    "query", ["drawn=all", "count=0", "count=1001", "count=x", "show=all", "x=1", f"seed={'1' * 101}"]
)
def test_an_address_that_names_no_sample_is_refused(server, query):
    status, page = fetch(server, f"runs/run/label?{query}")
    assert (status, "There is no such sample" in page) == (400, True)


def test_everybody_gets_the_same_answers_in_the_same_order_and_equal_ones_once(server):
    queries = ("drawn=random&count=50", "drawn=random&count=50&show=verdict", "drawn=random&count=5", "seed=2")
    orders = [[one["answer"] for one in sample(server, query)["answers"]] for query in queries]
    assert orders[0] == orders[1]
    assert orders[2] == orders[0][:5]
    assert orders[3] != orders[0]
    assert set(orders[3]) == set(orders[0])
    assert len(orders[0]) == 8


def test_those_that_failed_are_those_that_failed(server):
    assert {one["example"] for one in sample(server, "drawn=failed")["answers"]} == {"e0", "e2", "e4", "e6"}
    assert sample(server, "drawn=disagree")["answers"] == []


def test_what_two_models_say_alike_is_one_answer_and_a_jury_that_differs_can_be_chosen(server, folder):
    def judged(name, bad):
        return {"type": "dummy", "id": name, "args": {"name": name, "responses": {"maybe": bad, "yes": '{"score": 5}'}}}

    args = {"responses": {"q1": "maybe", "q": "yes"}}
    judges = [judged("kind", '{"score": 5}'), judged("strict", '{"score": 1}'), judged("harsh", '{"score": 1}')]
    experiment = {
        "models": [{"type": "dummy", "id": name, "args": args} for name in ("secret-one", "secret-two")],
        "probe": {"type": "judge", "id": "tone", "args": {"judges": judges, "rubric": "Is it <b>clear</b>?"}},
        "dataset": {"format": "inline", "examples": [{"id": f"q{n}", "question": f"q{n}?"} for n in range(4)]},
    }
    write_files(folder, {"jury.json": json.dumps(experiment)})
    assert insidellms("run", "jury.json", "--run-dir", "jury", cwd=folder).code == 0
    every = sample(server, run="jury")
    assert sorted(one["example"] for one in every["answers"]) == ["q0", "q1", "q2", "q3"]
    assert every["rubrics"] == {"tone": "Is it <b>clear</b>?"}
    assert "secret" not in json.dumps(every)
    assert [one["example"] for one in sample(server, "drawn=disagree", run="jury")["answers"]] == ["q1"]


def test_names_of_runs_and_people_are_text(server):
    server.person = "<i>ann"
    server.token = "</script>"
    for path in ("runs/%3Cb%3Eother/label", "runs/%3Cb%3Eother/label?drawn=random"):
        page = fetch(server, path)[1]
        assert not {"<b>other", "<i>ann"} & set(re.findall(r"<[bi]>\w+", page))
    assert page.count("</script>") == 2


def test_no_page_of_a_run_has_the_token(server):
    for path in ("", "runs/run/", "diff?baseline=run&candidate=%3Cb%3Eother", "runs/run/label"):
        assert server.token not in fetch(server, path)[1]


def test_copies_of_runs_at_a_url_are_not_labelled(folder, server):
    answer = sample(server)["answers"][0]["answer"]
    server.person = None
    status, page = fetch(server, "runs/run/label?drawn=random")
    assert (status, "labels in a copy would be lost" in page) == (409, True)
    assert send(server, said(answer))[0] == 409
    assert stored(folder) == ()


def test_a_run_that_cannot_be_read_is_not_labelled(folder, server):
    unfinished = folder / "unfinished"
    unfinished.mkdir(exist_ok=True)
    for name in (".insidellms-run", "journal.jsonl"):
        (unfinished / name).write_text("")
    status, page = fetch(server, "runs/unfinished/label?drawn=random")
    assert (status, "unfinished" in page) == (409, True)


def test_of_a_run_the_address_that_is_printed_opens_the_run(folder):
    with viewing(folder, place="run") as (_, address), urllib.request.urlopen(address, timeout=30) as page:
        assert address.endswith("/runs/run/")
        assert "<title>Run run</title>" in page.read().decode()


def test_a_name_to_label_as_must_be_one(folder):
    for name in ("", "  ", "x" * 201):
        done = insidellms("view", ".", "--port", 0, "--as", name, cwd=folder)
        assert (done.code, "--as needs a name" in done.err) == (1, True)
