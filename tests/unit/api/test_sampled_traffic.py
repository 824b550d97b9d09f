"""Examples drawn from traffic: the same every time, folded, weighted, and honest about what they cover."""

import json
import random
import sys

import pytest

from insideLLMs.api.traffic.coverage import JUDGED
from insideLLMs.api.traffic.sampling import SampleOptions, draw_sample
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.scoring.constraints import language
from support.traces import batch, call, span

TOPICS = [f"{thing} that is {state}" for thing in ("invoice", "shoe", "parcel", "voucher", "account", "letter")
          for state in ("late", "broken", "lost", "wrong", "open", "double", "torn", "blocked")]  # fmt: skip


def request(number, question, answer="Done.", route="/ask", failed=False, said=None, **attributes):
    trace = f"{number + 1:032x}"
    broken = {"status": {"code": 2, "message": "boom"}} if failed else {}
    outer = span(trace=trace, start=number + 1, attributes={"http.route": route, **attributes}, **broken)
    answered = {"attributes": {"gen_ai.output.messages": "[]"}, **broken} if failed else {}
    if said is not None:
        answered = {"attributes": {"gen_ai.input.messages": json.dumps(said)}}
    return [outer, call(question, answer, trace=trace, start=number + 1, **answered)]


def written(tmp_path, *requests, name="day.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(batch(*spans)) + "\n" for spans in requests))
    return path


def drawn(tmp_path, *paths, to="examples.jsonl", **options):
    sampled = draw_sample(paths, tmp_path / to, SampleOptions(**options))
    return sampled, [json.loads(line) for line in (tmp_path / to).read_text().splitlines()]


def day(size=300, seed=1, failing=0.05):
    """Return requests of which a few questions make up most, some fail, and one in fifty is of a rare route."""
    rng = random.Random(seed)
    return [
        request(
            number,
            f"My {TOPICS[min(int(rng.expovariate(0.1)), 47)]}, order {rng.randint(1000, 99999)}: what now?",
            route="/rare" if number % 50 == 0 else "/ask",
            failed=rng.random() < failing,
        )
        for number in range(size)
    ]


def test_the_same_traffic_and_seed_give_the_same_bytes_and_another_seed_others(tmp_path):
    path = written(tmp_path, *day())
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        drawn(tmp_path, path, to=name, examples=20, seed=seed)
    one, two, three = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


def test_neither_the_order_of_requests_nor_their_files_change_what_is_drawn(tmp_path):
    requests = day(300)
    whole = drawn(tmp_path, written(tmp_path, *requests), examples=20)[1]
    random.Random(2).shuffle(requests)
    halves = [written(tmp_path, *requests[half::2], name=f"{half}.jsonl") for half in (0, 1)]
    assert drawn(tmp_path, *halves, examples=20)[1] == whole


def test_questions_that_are_the_same_are_one_example_with_their_number(tmp_path):
    asked = ["Where is order 4711?", "where is  order 99812", "WHERE IS ORDER 1234 ?!", "What is 2+2?", "What is 2*2?"]
    asked += ["Please cancel my order now", "Please do not cancel my order now"]
    _, rows = drawn(tmp_path, written(tmp_path, *(request(n, text) for n, text in enumerate(asked))), examples=50)
    counts = {row["input"]: row["traffic"]["requests"] for row in rows}
    assert sorted(counts.values()) == [1, 1, 1, 1, 3]
    assert {text for text, count in counts.items() if count == 1} == set(asked[3:])


def test_questions_that_are_nearly_the_same_are_one_example(tmp_path):
    long = "How can I send back the blue shoes that I bought in your shop in the main street last week"
    asked = [request(0, f"{long}?"), request(1, f"Hello, {long}?"), request(2, "Do you ship to Peru?")]
    sampled, rows = drawn(tmp_path, written(tmp_path, *asked))
    assert sorted(row["traffic"]["weight"] for row in rows) == [1.0, 2.0]
    assert (sampled.requests, sampled.examples, sampled.coverage.same) == (3, 2, 1.0)


def test_chats_that_end_alike_are_not_the_same(tmp_path):
    chats = [[{"role": "user", "content": topic}, {"role": "assistant", "content": "Sure?"},
              {"role": "user", "content": "Yes."}] for topic in ("Delete it all", "Send me the invoice")]  # fmt: skip
    _, rows = drawn(tmp_path, written(tmp_path, *(request(n, "", said=chat) for n, chat in enumerate(chats))))
    assert [row["messages"][0]["content"] for row in rows] in (
        ["Delete it all", "Send me the invoice"],
        ["Send me the invoice", "Delete it all"],
    )


def test_weights_sum_up_to_the_traffic_and_correct_what_was_over_represented(tmp_path):
    """Every tenth request fails, with questions of its own; half of what is drawn is to have failed."""
    requests = [
        request(n, f"{TOPICS[n % 40]} again and {TOPICS[n % 7]}, please help", failed=False)
        if n % 10
        else request(n, f"Nothing works: {TOPICS[n % 48]} crash {n % 13}", failed=True)
        for n in range(400)
    ]
    path, shares = written(tmp_path, *requests), []
    for seed in range(4):
        sampled, rows = drawn(tmp_path, path, examples=24, seed=seed, failed=0.5)
        weights = {row["input"]: row["traffic"]["weight"] for row in rows}
        assert sum(weights.values()) == pytest.approx(sampled.requests, abs=0.1)
        assert sum(text.startswith("Nothing") for text in weights) >= 8
        shares.append(sum(weight for text, weight in weights.items() if text.startswith("Nothing")) / sampled.requests)
    assert shares == [pytest.approx(0.1, abs=1e-3)] * 4


def test_rare_requests_are_drawn_in_proportion_unless_more_are_wanted(tmp_path):
    path = written(tmp_path, *[request(n, f"{TOPICS[n % 48]} {n % 9} {n % 7}") for n in range(900)],
                   *[request(900 + n, f"{TOPICS[n]} seldom", route="/rare") for n in range(18)])  # fmt: skip
    sampled, rows = drawn(tmp_path, path, examples=50, by=("route",))
    assert sum(row["traffic"]["stratum"]["route"] == "/rare" for row in rows) <= 3
    sampled, rows = drawn(tmp_path, path, examples=50, by=("route",), at_least=10)
    rare = [row["traffic"]["weight"] for row in rows if row["traffic"]["stratum"]["route"] == "/rare"]
    assert len(rare) >= 8
    assert sum(rare) < 40
    assert sampled.strata_drawn == 2


def test_a_sample_says_what_it_does_not_cover(tmp_path):
    usual = [request(n, f"Where is my parcel today, order {5000 + n}?") for n in range(90)]
    strange = [request(90 + n, f"{TOPICS[n]} zebra {n} quagga", route="/zoo") for n in range(10)]
    sampled, _ = drawn(tmp_path, written(tmp_path, *usual, *strange), examples=1, by=("route",))
    covers = sampled.coverage
    assert (covers.similar, covers.judged, covers.interval) == (0.9, 100, (0.9, 0.9))
    assert covers.gaps[0].stratum == {"route": "/zoo"}
    assert covers.gaps[0].share == pytest.approx(0.1)
    assert "zebra" in covers.gaps[0].questions[0]


def test_coverage_of_much_traffic_is_judged_on_a_part_with_an_interval(tmp_path):
    path = written(tmp_path, *(request(n, TOPICS[n % 48]) for n in range(JUDGED + 50)))
    sampled, _ = drawn(tmp_path, path, examples=5)
    low, high = sampled.coverage.interval
    assert (sampled.coverage.judged, low < sampled.coverage.similar < high) == (JUDGED, True)


def test_what_the_application_answered_is_never_what_is_expected(tmp_path):
    spans = request(0, "Why?", "Because.", **{"session.id": "s-1", "user.id": "u-991"})
    _, [row] = drawn(tmp_path, written(tmp_path, spans))
    assert row.keys() == {"id", "input", "cluster", "review", "traffic"}
    assert (row["review"], row["traffic"]["answer"], row["traffic"]["trace"]) == ("pending", "Because.", f"{1:032x}")
    assert row["cluster"] != "s-1"


def test_no_key_and_no_personal_data_reach_the_file_by_whatever_way(tmp_path):
    mail, key, user = "anna.meyer@example.com", "sk-proj-Ab3dEf6hIj9kLm2nOp5q", "anna-meyer"
    spans = request(0, f"I am {mail}", f"Hello {user}, {key}", route=f"/of/{mail}/x", **{"user.id": user})
    more = request(1, "feedback", **{"user.feedback": f"mail {mail}", "authorization": "Bearer canary9f8e7d6c"})
    more[1]["attributes"].append({"key": "tool.note", "value": {"stringValue": "canary9f8e7d6c"}})
    path = written(tmp_path, spans, more)
    for personal in ({}, {"personal_data": None}):
        sampled, _ = drawn(tmp_path, path, by=("route", "feedback", "template"), **personal)
        text = (tmp_path / "examples.jsonl").read_text()
        assert key not in text
        assert "canary9f8e7d6c" not in text
        assert (mail in text, user in text) == ((True, True) if personal else (False, False))
    assert sampled.examples == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"examples": 0}, "at least one example"),
        ({"failed": 1.0}, "not a share"),
        ({"by": ("nothing",)}, "'nothing' is not known"),
        ({"at_least": 30, "examples": 20}, "are more than 20 examples"),
    ],
)
def test_options_that_cannot_be_are_refused(options, says, tmp_path):
    with pytest.raises(InsideLLMsError, match=says) as raised:
        drawn(tmp_path, written(tmp_path, *day(20)), **options)
    assert raised.value.fix
    assert not (tmp_path / "examples.jsonl").exists()


def test_languages_are_told_apart_by_the_extra_and_its_absence_is_said(tmp_path, monkeypatch):
    asked = [
        "Where is my parcel, please?",
        "Wo ist denn mein Paket geblieben?",
        "Où est passé mon colis, s'il vous plaît ?",
    ]
    path = written(tmp_path, *(request(n, text) for n, text in enumerate(asked)))
    _, rows = drawn(tmp_path, path, by=("language",))
    assert {row["traffic"]["stratum"]["language"] for row in rows} == {"en", "de", "fr"}
    monkeypatch.setitem(sys.modules, "lingua", None)
    language._detector.cache_clear()
    with pytest.raises(InsideLLMsError, match="--by language needs a library") as raised:
        drawn(tmp_path, path, by=("language",))
    assert raised.value.fix == "pip install 'insidellms[language]'"


def test_strata_without_end_become_one(tmp_path, monkeypatch):
    monkeypatch.setattr("insideLLMs.api.traffic.strata._MOST_STRATA", 3)
    path = written(tmp_path, *(request(n, f"{TOPICS[n]} now", route=f"/r{min(n, 9)}x") for n in range(12)))
    sampled, _ = drawn(tmp_path, path, by=("route",))
    assert sampled.strata == 4
