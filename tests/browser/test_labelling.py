"""People label answers on keys in a browser: nothing that was shown as saved is lost, whenever the server is killed."""

import contextlib
import functools
import json
import re
import shutil
import signal

import pytest

from insideLLMs.api.view.example_reviews import ReviewFile
from insideLLMs.store.labels import LABELS, latest, read_labels
from support import view_server
from support.command import insidellms
from support.tables import imported, row

SAMPLE = "runs/run/label?drawn=random&count=50"
KEYS = "12" * 20 + "pf" * 3 + "3s1p"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    rows = [row(f"e{n:03}", int(n % 5 > 0), output=f"answer {n}") for n in range(60)]
    return imported(tmp_path_factory.mktemp("labelling"), "run", rows)


@pytest.fixture
def folder(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    return tmp_path


@contextlib.contextmanager
def serving(folder, person="ann"):
    """Serve the runs of `folder` from this process; yields the address."""
    with view_server.serving(folder, person=person) as server:
        yield server.url


@pytest.fixture
def opened(served_tabs):
    return functools.partial(served_tabs, dialogs="accepted")


def stored(folder):
    return read_labels(folder / "run" / LABELS)


def press(tab, keys):
    for key in keys:
        tab.keyboard.press(key)


def saved(tab, count, of=50):
    tab.get_by_text(f"{count} of {of} labelled").wait_for()
    tab.get_by_text("all saved").wait_for()


def test_fifty_answers_are_labelled_by_keyboard_through_a_kill_and_a_second_person_merges(folder, opened, tmp_path):
    with view_server.viewing(folder, "--as", "ann") as (server, address):
        tab = opened(address + SAMPLE)
        press(tab, KEYS[:20])
        saved(tab, 20)
        assert [label.by for label in stored(folder)] == ["ann"] * 20
        press(tab, KEYS[20:24])  # some of these are on their way now
        server.send_signal(signal.SIGKILL)
        server.wait()
        press(tab, "1")
        tab.get_by_role("alert").get_by_text("Not saved.").wait_for()
    kept = len(stored(folder))
    assert 20 <= kept <= 24
    with (folder / "run" / LABELS).open("ab") as file:
        file.write(b'{"answer":"0123')  # as a kill in the middle of writing leaves it
    with view_server.viewing(folder, "--as", "ann") as (_, address):
        tab = opened(address + SAMPLE)
        tab.get_by_text(f"{kept} of 50 labelled").wait_for()
        tab.get_by_role("heading", name=f"Answer {kept + 1} of 50").wait_for()
        press(tab, KEYS[kept:])
        saved(tab, 50)
        tab.get_by_role("link", name="All labelled: see the results").click()
        tab.get_by_text("ann: 48 verdicts").wait_for()
    assert len(latest(stored(folder))) == len(stored(folder)) == 50
    whole = (folder / "run" / LABELS).read_bytes()

    (folder / "run" / LABELS).rename(tmp_path / "ann.jsonl")
    with serving(folder, "bob") as address:
        tab = opened(address + SAMPLE)
        press(tab, KEYS[:40] + "1" * 10)
        saved(tab, 50)
    merged = insidellms("labels", "merge", "run", "ann.jsonl", cwd=folder)
    assert merged.out == "added 50 labels to run\n"
    assert set(whole.splitlines()) < set((folder / "run" / LABELS).read_bytes().splitlines())
    shown = insidellms("labels", "show", "run", cwd=folder).out
    assert "ann and bob: agree on 93.8% of 48 answers" in shown
    assert insidellms("verify", "run", cwd=folder).code == 0


def test_two_people_label_the_same_run_at_the_same_time(folder, opened):
    with serving(folder, "ann") as one, serving(folder, "bob") as other:
        tabs = [opened(address + SAMPLE) for address in (one, other)]
        for key in KEYS[:20]:
            for tab in tabs:
                tab.keyboard.press(key)
        for tab in tabs:
            saved(tab, 20)
    labels = stored(folder)
    assert {by: sum(label.by == by for label in labels) for by in ("ann", "bob")} == {"ann": 20, "bob": 20}
    assert len({label.answer for label in labels}) == 20


def test_arrows_move_undo_takes_back_and_notes_stay_with_their_answer(folder, opened):
    with serving(folder) as address:
        tab = opened(address + SAMPLE)
        press(tab, ["1", "2", "ArrowLeft", "ArrowLeft"])
        tab.get_by_role("heading", name="Answer 1 of 50").wait_for()
        press(tab, "n")
        tab.get_by_role("textbox").fill("<b>not sure</b>")
        press(tab, ["Enter"])
        tab.get_by_text("<b>not sure</b>").wait_for()
        press(tab, ["o", "u", "u"])  # the next open answer; then the note and the fail are taken back
        tab.get_by_role("heading", name="Answer 2 of 50").wait_for()
        saved(tab, 1)
        press(tab, "n")
        press(tab, "123p")  # typed into the note, and no verdicts
        press(tab, ["Escape"])
        saved(tab, 1)
        assert tab.get_by_role("button", name="Undo").is_enabled()
    verdicts = {label.example_id: (label.verdict, label.note) for label in latest(stored(folder)).values()}
    assert sorted(verdicts.values()) == [("open", ""), ("pass", "")]


def test_what_a_person_is_not_to_see_is_not_in_the_page(folder, opened):
    with serving(folder) as address:
        blind = opened(address + SAMPLE).content()
        seeing = opened(address + SAMPLE + "&show=verdict&show=model&show=expected")
        assert '"scores"' not in blind
        assert '"model":"imported"' not in blind
        assert '"scores"' in seeing.content()
        seeing.get_by_role("heading", name="The probe's verdict").wait_for()
        press(seeing, "1")
        saved(seeing, 1)
    assert stored(folder)[0].shown == ("expected", "model", "verdict")


def test_a_dispute_is_decided_without_changing_what_people_said(folder, opened):
    for person, key in (("ann", "1"), ("bob", "2")):
        with serving(folder, person) as address:
            tab = opened(address + "runs/run/label?drawn=random&count=3")
            press(tab, key * 3)
            saved(tab, 3, of=3)
    with serving(folder) as address:
        tab = opened(address + "runs/run/label")
        tab.get_by_role("link", name="Decide them one by one").click()
        tab.get_by_text("0 of 3 labelled").wait_for()
        assert re.sub(r"\s+", " ", tab.locator(".said-by").inner_text()) == "ann pass bob fail"
        press(tab, "222")
        saved(tab, 3, of=3)
    found = insidellms("labels", "show", "run", "--json", cwd=folder).json
    assert (found["undecided"], found["people"]["disputed"]) == (0, [])
    assert found["people"]["pairs"][0]["same"]["value"] == 0.0
    assert found["verdicts"][0]["agreement"]["n"] == 3


def test_examples_are_accepted_and_rejected_on_keys(folder, opened):
    examples = folder / "examples.jsonl"
    rows = [
        {"id": f"e{n}", "input": f"Q{n}", "review": "pending", "traffic": {"answer": "So.", "weight": 1}}
        for n in range(4)
    ]
    examples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with view_server.serving(folder, person="ann", reviews=ReviewFile(examples)) as server:
        tab = opened(server.url + "review")
        assert tab.get_by_role("button", name="Note").count() == 0
        press(tab, "12n1u3")
        saved(tab, 3, of=4)
    reviews = [json.loads(line)["review"] for line in examples.read_text().splitlines()]
    assert reviews == ["accepted", "rejected", "pending", "pending"]


def test_the_page_is_used_without_a_mouse(folder, opened):
    with serving(folder) as address:
        tab = opened(address + "runs/run/label")
        for _ in range(12):
            tab.keyboard.press("Tab")
            if tab.evaluate("document.activeElement.textContent") == "Start":
                break
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        tab.keyboard.press("Enter")
        tab.get_by_text("0 of 50 labelled").wait_for()
        tab.keyboard.press("?")
        assert "I cannot tell" in tab.get_by_role("dialog").inner_text()
        tab.keyboard.press("Escape")
        tab.get_by_role("button", name="Fail").focus()
        tab.keyboard.press("Enter")  # the button that has the focus, once
        saved(tab, 1)
    assert [label.verdict for label in stored(folder)] == ["fail"]
