"""Which parts of a request count, how a changed one is named, and in which order calls are kept."""

import json
import re

import msgspec
import pytest

from insideLLMs.core.errors import InsideLLMsError, OptionError
from insideLLMs.proxy.asked_calls import AskedCall, RequestReader, key_of
from insideLLMs.proxy.nearest import RecordedCall, unmatched
from insideLLMs.proxy.ordering import in_order
from insideLLMs.proxy.seen_secrets import SeenSecrets
from insideLLMs.proxy.upstreams import parse_variables, upstreams_of, upstreams_recorded, variables_of
from insideLLMs.proxy.volatile import VolatileParts
from insideLLMs.store.answers.wire_cassette import FORMAT, WireAnswer, WireCall, WireHead, WireRequest

OPENAI = upstreams_of([], {})["openai"]


def read(body, *, path="/v1/chat/completions", headers=(), **head):
    reader = RequestReader(SeenSecrets({}), VolatileParts.of(WireHead(format=FORMAT, **head)))
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return reader.read(
        AskedCall(case="c", upstream=OPENAI, method="POST", path=path, headers=tuple(headers), body=data)
    )


def same(one, other, **head):
    return key_of("c", read(one, **head)) == key_of("c", read(other, **head))


def chat(text="Hi", **more):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def called(first, second):
    call = {"id": first, "type": "function", "function": {"name": "f", "arguments": '{"id": "order-1"}'}}
    result = {"role": "tool", "tool_call_id": second, "content": "done"}
    return {"messages": [{"role": "assistant", "tool_calls": [call]}, result]}


SAME = {
    "who asks": (chat(user="a", metadata={"run": 1}), chat(user="b", metadata={"run": 2})),
    "a field that one has not": (chat(safety_identifier="a"), chat()),
    "the order of fields": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "ids of calls": (called("call_1", "call_1"), called("call_9", "call_9")),
    "ids of Anthropic's": (
        {"messages": [{"content": [{"type": "tool_use", "id": "toolu_1"}]}]},
        {"messages": [{"content": [{"type": "tool_use", "id": "toolu_2"}]}]},
    ),
    "ids of responses": ({"input": [{"call_id": "a"}, {"id": "b"}]}, {"input": [{"call_id": "x"}, {"id": "y"}]}),
    "ids of Gemini": (
        {"contents": [{"parts": [{"functionCall": {"id": "a", "name": "f"}}]}]},
        {"contents": [{"parts": [{"functionCall": {"id": "b", "name": "f"}}]}]},
    ),
}
OTHER = {
    "a word": (chat("Hi"), chat("Ho")),
    "a space": (chat("Hi"), chat("Hi ")),
    "a parameter": (chat(temperature=0), chat(temperature=1)),
    "a parameter more": (chat(), chat(seed=None)),
    "the model": (chat(), chat(model="n")),
    "which call a result is of": (called("a", "a"), called("a", "b")),
    "an id among arguments": (
        {"messages": [{"content": [{"type": "tool_use", "id": "t", "input": {"id": "1"}}]}]},
        {"messages": [{"content": [{"type": "tool_use", "id": "t", "input": {"id": "2"}}]}]},
    ),
    "the order of messages": ({"messages": [1, 2]}, {"messages": [2, 1]}),
    "text that is no JSON": (b"a", b"b"),
    "bytes that are no text": (b"\xff\x00", b"\xff\x01"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_differs_each_time_does_not_count(one, other):
    assert same(one, other)


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
def test_whatever_shapes_an_answer_counts(one, other):
    assert not same(one, other)


@pytest.mark.parametrize(
    ("one", "other", "head"),
    [
        (chat(run=1), chat(run=2), {"volatile": ("$.run",)}),
        (chat("It is 2026-11-29T10:00:00Z"), chat("It is 2027-01-01"), {"volatile_text": ("date",)}),
        (chat("at 10:15"), chat("at 23:59:01"), {"volatile_text": ("time",)}),
        (
            chat("7f4df3a2-6f0e-4a39-9d4e-000000000000"),
            chat("00000000-6f0e-4a39-9d4e-0000000000aa"),
            {"volatile_text": ("uuid",)},
        ),
        (b"run 17", b"run 18", {"volatile_text": (r"run \d+",)}),
    ],
    ids=["a field", "a date", "a time", "a uuid", "a pattern"],
)
def test_what_is_declared_volatile_does_not_count(one, other, head):
    assert not same(one, other)
    assert same(one, other, **head)


@pytest.mark.parametrize(
    ("recorded_body", "asked", "head"),
    [
        (chat(run=1), chat(run=2), {"volatile": ("$.run",)}),
        (chat("ticket 1"), chat("ticket 2"), {"volatile_text": (r"ticket \d",)}),
        (b"ticket 1", b"ticket 2", {"volatile_text": (r"ticket \d",)}),
        (called("a", "a"), called("b", "b"), {"volatile": ("$.run",)}),
    ],
    ids=["a field", "a text", "a body that is no JSON", "ids that are numbered already"],
)
def test_what_is_declared_at_a_replay_does_not_count_in_the_recording_either(recorded_body, asked, head):
    kept = WireCall(case="c", request=read(recorded_body), answer=WireAnswer(status=200))
    later = VolatileParts.of(WireHead(format=FORMAT, **head))
    assert later.call(kept).request == read(asked, **head)


DATED = "Today is 2026-11-29. Ticket 5f0c3c1e-1111-4222-8333-abcdefabcdef."


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        (DATED.replace("11-29", "12-01"), "--volatile-text date"),
        (DATED.replace("5f0c", "1234").replace("11-29", "12-01"), "--volatile-text uuid --volatile-text date"),
        (DATED.replace("11-29", "12-01").replace("Today", "To-day"), None),
        (DATED.replace("Today", "To-day"), None),
    ],
)
def test_what_looks_as_if_it_differed_each_time_is_advised_to_be_declared(asked, advice):
    missed = unmatched("c", read(chat(asked)), [recorded(chat(DATED))])
    assert missed.advice == (f"if this differs each time, declare it: {advice}" if advice else "")
    if advice:
        assert missed.in_words().endswith(missed.advice)
        assert same(chat(asked), chat(DATED), volatile_text=tuple(advice.split()[1::2]))


def test_the_boundary_of_a_form_does_not_count():
    def form(boundary):
        body = f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--{boundary}--\r\n'
        return read(body.encode(), headers=[("Content-Type", f"multipart/form-data; boundary={boundary}")])

    assert form("a1b2") == form("c3d4")


@pytest.mark.parametrize(
    "declared", [*({"volatile_text": (text,)} for text in ("(", "x*", "(a+)+b")), {"volatile": ("run",)}]
)
def test_a_declaration_that_makes_no_sense_is_refused(declared):
    with pytest.raises(InsideLLMsError):
        VolatileParts.of(WireHead(format=FORMAT, **declared))


@pytest.mark.parametrize(
    "declared",
    [{"volatile_text": (".+",)}, {"volatile_text": (r"\w+",)}, {"volatile": ("$",)}, {"volatile": ("$..*",)}]
    + [{"volatile": (path,)} for path in ("$.messages", "$.messages[*].content", "$.input", "$.contents", "$.prompt")],
)
def test_a_declaration_that_leaves_nothing_to_compare_is_refused(declared):
    with pytest.raises(InsideLLMsError, match="every replay would be verified"):
        VolatileParts.of(WireHead(format=FORMAT, **declared))


@pytest.mark.parametrize(
    "query", ["key=SECRET-1234", "a=1&api_key=SECRET-1234", "sig=SECRET-1234&b=2", "access_token=SECRET-1234"]
)
def test_keys_in_a_query_are_left_out_of_it_and_of_everything_after(query):
    request = read(chat("SECRET-1234"), path=f"/v1/x?{query}")
    assert "SECRET" not in str(request)
    assert "[redacted]" in str(request)


def test_a_secret_of_the_environment_is_blanked_out_and_a_word_is_not():
    secrets = SeenSecrets({"SHOP_API_KEY": "plain-looking-16", "DB_PASSWORD": "postgres", "HOME": "/home/someone-here"})
    assert (
        secrets.text("plain-looking-16, postgres in /home/someone-here") == "[redacted], postgres in /home/someone-here"
    )


def test_long_data_is_compared_by_its_digest_and_short_data_and_text_are_kept():
    image, text = "data:image/png;base64," + "iVBORw0K" * 512, "What is this? " * 512
    kept = read({"long": image, "short": image[:4096], "text": text}).body
    assert kept["long"].startswith("[4118 letters of data, sha256 ")
    assert (kept["short"], kept["text"]) == (image[:4096], text)


def test_a_key_that_events_hold_in_pieces_is_blanked_out():
    secrets = SeenSecrets({})
    secrets.see([("Authorization", "Bearer my-own-secret-7")], "")
    events = [
        f'data: {{"choices": [{{"delta": {{"content": "{piece}"}}}}]}}\n\n'
        for piece in ("say my-own", "-sec", "ret-7!")
    ]
    kept = secrets.answer(events)
    said = [msgspec.json.decode(event[6:])["choices"][0]["delta"]["content"] for event in kept]
    assert said == ["say [redacted]", "", "!"]
    assert secrets.answer(("data: plain\n\n",)) == ["data: plain\n\n"]


def recorded(body, case="c", number=1, path="/v1/chat/completions"):
    call = WireCall(case=case, request=read(body, path=path), answer=WireAnswer(status=200))
    return RecordedCall(number=number, call=call)


def test_the_nearest_recording_is_of_the_same_case_and_has_the_fewest_differences():
    known = [
        recorded(chat("How do refunds work?"), "other"),
        recorded(chat("Where is my parcel?"), number=1),
        recorded(chat("How do refunds work for shoes?"), number=2),
    ]
    missed = unmatched("c", read(chat("How do refunds work for boots?")), known)
    assert missed.nearest == "call 2 of c"
    assert missed.differences == ("messages[0].content: How do refunds work for [-shoes-]{+boots+}?",)


@pytest.mark.parametrize(("before", "after"), [("one", "two"), (1, 2), ({}, []), (False, {})])
def test_a_body_that_is_one_value_is_compared(before, after):
    missed = unmatched("c", read(after), [recorded(before)])
    assert [told.partition(":")[0] for told in missed.differences] == ["body"]


def test_the_same_request_of_another_case_is_named():
    missed = unmatched("renamed", read(chat()), [recorded(chat(), "first name")])
    assert missed.differences == ("the same request, recorded for another case: first name",)


def test_a_request_to_a_provider_that_was_never_asked_has_no_nearest():
    request = WireRequest(upstream="anthropic", method="POST", path="/v1/messages")
    assert unmatched("c", request, [recorded(chat())]).in_words().endswith("is not recorded, and nothing like it is")


def test_what_was_added_and_removed_is_said_and_a_flood_of_it_is_cut():
    missed = unmatched("c", read(chat(seed=7)), [recorded(chat(top_p=1))])
    assert missed.differences == ("top_p: removed 1", "seed: added 7")
    many = unmatched("c", read(chat(**{f"p{n}": n for n in range(40)})), [recorded(chat())])
    assert many.differences[-1] == "and 28 more differences"


def test_control_characters_of_a_request_do_not_reach_the_terminal():
    missed = unmatched("c\x1b[2J", read(chat("a\x1b[31m")), [recorded(chat("b"), "c\x1b[2J")])
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", missed.in_words())


def wire_call(text, began, ended, said="ok"):
    return WireCall(
        case="c", request=read(chat(text)), answer=WireAnswer(status=200, body=said), began=began, ended=ended
    )


def texts(calls):
    return [(call.request.body["messages"][0]["content"], call.answer.body) for call in calls]


def test_calls_one_after_the_other_stay_in_their_order():
    calls = [wire_call("z", 1, 2), wire_call("a", 3, 4), wire_call("m", 4, 6), wire_call("b", 7, 8)]
    assert [text for text, _ in texts(in_order(calls[::-1]))] == ["z", "a", "m", "b"]


def test_calls_at_once_are_ordered_by_what_they_are():
    one = [wire_call("z", 1, 4), wire_call("a", 2, 3)]
    other = [wire_call("a", 1, 3), wire_call("z", 2, 4)]
    assert texts(in_order(one)) == texts(in_order(other)) == [("a", "ok"), ("z", "ok")]


SUMMARIES = {"z": "Refunds are paid within two weeks.", "y": 'Parcels are sent on the day "of" the order.'}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("turn", [1, -1])
def test_a_call_that_builds_on_the_answers_of_calls_at_once_comes_after_them(turn, streamed):
    def said(text):
        if not streamed:
            body = {"model": "a-model-with-quite-a-long-name", "choices": [{"message": {"content": text}}]}
            return WireAnswer(status=200, body=json.dumps(body))
        pieces = (text[:9], text[9:])
        return WireAnswer(status=200, events=tuple(f"data: {json.dumps({'delta': piece})}\n\n" for piece in pieces))

    asked = list(SUMMARIES)[::turn]
    calls = [
        WireCall(
            case="c",
            request=read(chat(text, model="a-model-with-quite-a-long-name")),
            answer=said(SUMMARIES[text]),
            began=1 + number,
            ended=8 - number,
        )
        for number, text in enumerate(asked)
    ]
    joined = WireCall(
        case="c", request=read(chat("All: " + " ".join(SUMMARIES.values()))), answer=said("Done."), began=10, ended=11
    )
    ordered = [text[:4] for text, _ in texts(in_order([joined, *calls]))]
    assert ordered == ["y", "z", "All:"]


def test_of_equal_calls_a_refusal_stays_before_the_answer_that_followed_it():
    calls = [wire_call("b", 1, 9), wire_call("a", 2, 3, "slow down"), wire_call("a", 4, 5, "an answer")]
    assert texts(in_order(calls)) == [("a", "slow down"), ("a", "an answer"), ("b", "ok")]


def test_equal_calls_at_once_are_ordered_by_their_answers():
    calls = [wire_call("a", 1, 4, "two"), wire_call("a", 2, 3, "one")]
    assert texts(in_order(calls)) == [("a", "one"), ("a", "two")]


def test_the_path_of_a_base_url_is_kept_apart_from_where_it_leads():
    gateway = upstreams_of(["openai=https://gw.example/llm/openai"], {})["openai"]
    assert gateway.target("/v1/chat/completions?a=1") == "https://gw.example/llm/openai/chat/completions?a=1"
    assert OPENAI.target("/v1/models") == "https://api.openai.com/v1/models"
    assert OPENAI.target("/v1beta") == "https://api.openai.com/v1beta"


def test_an_upstream_is_what_the_user_names_or_has_in_the_environment():
    found = upstreams_of(
        ["mine=http://127.0.0.1:1/x"], {"OPENAI_BASE_URL": "https://own/v1/", "OLLAMA_HOST": "http://o:1"}
    )
    urls = {name: upstream.url for name, upstream in found.items()}
    assert urls == {
        "openai": "https://own/v1",
        "anthropic": "https://api.anthropic.com",
        "gemini": "https://generativelanguage.googleapis.com",
        "ollama": "http://o:1",
        "mine": "http://127.0.0.1:1/x",
    }


@pytest.mark.parametrize(
    ("given", "url"),
    [("127.0.0.1:99", "http://127.0.0.1:99"), ("gpu", "http://gpu:11434"), ("https://gpu/o", "https://gpu/o")],
)
def test_the_address_of_ollama_may_be_a_host_alone(given, url):
    assert upstreams_of([], {"OLLAMA_HOST": given})["ollama"].url == url


def test_an_address_in_a_variable_that_makes_no_sense_is_named_by_it():
    with pytest.raises(OptionError, match="the address of groq, as GROQ_BASE_URL has it, is not an http"):
        upstreams_of([], {"GROQ_BASE_URL": "groq.internal"})


def test_the_variables_lead_to_the_proxy_and_around_other_proxies():
    found = variables_of([OPENAI], "http://127.0.0.1:9", {"LLM_URL": "openai/v1"}, {"NO_PROXY": "intranet"})
    assert found["OPENAI_BASE_URL"] == found["OPENAI_API_BASE"] == found["LLM_URL"] == "http://127.0.0.1:9/openai/v1"
    assert found["NO_PROXY"] == "intranet,127.0.0.1,localhost"


@pytest.mark.parametrize(
    "given",
    [
        "openai",
        "openai=ftp://a",
        "case=http://a",
        "UP=http://a",
        "a=http://user:pw@/",
        "a=http://user:pw@h/v1",
        "a=http://h/v1?key=pw",
    ],
)
def test_an_upstream_that_makes_no_sense_is_refused_without_showing_a_password(given):
    with pytest.raises(InsideLLMsError) as caught:
        upstreams_of([given], {})
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("given", ["URL", "1URL=openai", "URL=", "URL=/openai", "URL=openai/a:/tmp"])
def test_a_variable_that_makes_no_sense_is_refused(given):
    with pytest.raises(InsideLLMsError, match="is not VARIABLE=UPSTREAM/PATH"):
        parse_variables([given])


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "NODE_OPTIONS", "PYTHONPATH"])
def test_a_variable_that_is_no_address_is_not_set(name):
    with pytest.raises(InsideLLMsError, match="does not look like that of an address"):
        parse_variables([f"{name}=openai/v1"])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"temperature": 0}, {"temperature": 0.0}, "temperature: 0 -> 0.0"),
        ({"stream": 1}, {"stream": True}, "stream: 1 -> true"),
        ({"a.b": 1}, {"a": {"b": 1}}, '"a.b": removed 1'),
    ],
)
def test_what_differs_in_spelling_alone_is_named(before, after, told):
    assert told in unmatched("c", read(after), [recorded(before)]).differences


def test_a_replay_stands_in_for_every_provider_that_the_environment_names():
    found = upstreams_recorded(["mine"], {"AZURE_OPENAI_ENDPOINT": "https://a.example", "GROQ_BASE_URL": ""})
    assert list(found) == ["anthropic", "azure", "gemini", "mine", "openai"]


def test_of_recordings_that_are_equally_near_the_one_that_was_not_replayed_is_named():
    played, left = recorded(chat("Hello")), recorded(chat("Hello"), number=2)
    played.used = True
    assert unmatched("c", read(chat("Hi")), [played, left]).nearest == "call 2 of c"
