"""Objects of a real server: conditions, faults, and what is said of them."""

import threading

import pytest

from insideLLMs.core.errors import RemoteError
from insideLLMs.remote.objects import Expect, Objects
from insideLLMs.remote.url import parse_place
from support.object_store import KEY, REGION, SECRET, ObjectStore

REFUSALS = {
    (403, "AccessDenied"): "your credentials may not do that (AccessDenied)",
    (403, "InvalidAccessKeyId"): "does not accept your credentials (InvalidAccessKeyId)",
    (403, "SignatureDoesNotMatch"): "does not accept your credentials (SignatureDoesNotMatch)",
    (400, "ExpiredToken"): "your credentials have expired",
    (301, "PermanentRedirect"): "its bucket is in another region",
    (400, "AuthorizationHeaderMalformed"): "its bucket is in another region",
    (404, "NoSuchBucket"): "there is no bucket",
    (400, "InvalidBucketName"): "that is not the name of a bucket",
    (400, "OutOfRangeInput"): "that is not the name of a bucket",
    (403, "RequestTimeTooSkewed"): "this machine's clock is not the store's",
    (400, "EntityTooLarge"): "the store takes no object of this size (EntityTooLarge)",
    (413, ""): "the store takes no object of this size (413)",
    (403, "QuotaExceeded"): "its quota is used up (QuotaExceeded)",
    (403, "AccountProblem"): "the account at the store is disabled",
    (403, "InvalidObjectState"): "the object is in an archive",
    (405, "MethodNotAllowed"): "does not know this kind of request (MethodNotAllowed)",
    (411, "MissingContentLength"): "does not know this kind of request (MissingContentLength)",
    (400, "KMS.DisabledException"): "the key that encrypts the bucket cannot be used (KMS.DisabledException)",
    (400, "InvalidRequest"): "the store answers 400 (InvalidRequest)",
}


@pytest.fixture
def store(monkeypatch):
    with ObjectStore() as store:
        for name, value in store.env.items():
            monkeypatch.setenv(name, value)
        yield store


@pytest.fixture
def objects(store):
    return Objects(parse_place(store.at("below")))


def test_an_object_is_written_read_and_removed(objects):
    assert objects.get("a") is None
    objects.put("a", b"one")
    assert objects.get("a").data == b"one"
    objects.delete("a")
    objects.delete("a")
    assert objects.get("a") is None


def test_an_empty_and_a_large_object_keep_their_bytes(objects, tmp_path):
    large = bytes(range(256)) * 100_000  # several parts of an upload
    (tmp_path / "large").write_bytes(large)
    objects.put("large", tmp_path / "large")
    objects.put("empty", b"")
    blocks = []
    objects.download("large", blocks.append)
    assert b"".join(blocks) == large
    assert objects.get("empty").data == b""


def test_a_write_under_a_condition_happens_once(objects):
    first = objects.put("a", b"one", expect=Expect.NOTHING)
    assert first is not None
    assert objects.put("a", b"two", expect=Expect.NOTHING) is None
    assert objects.put("a", b"two", expect=first) is not None
    assert objects.put("a", b"three", expect=first) is None
    assert objects.put("gone", b"x", expect=first) is None
    assert objects.get("a").data == b"two"


def test_a_write_whose_answer_was_lost_counts_as_written(store, objects):
    lost = []

    def answered(method, key):
        if method == "PUT" and not lost:
            lost.append(key)
            return ("after",)
        return None

    store.fault = answered
    assert objects.put("a", b"one", expect=Expect.NOTHING) is not None
    assert objects.put("a", b"one", expect=Expect.NOTHING) is None, "the same bytes of somebody else do not"


def test_a_download_of_what_did_not_change_brings_nothing(objects):
    version = objects.put("a", b"one")
    blocks = []
    assert objects.download("a", blocks.append, unless=version) == version
    assert blocks == []
    objects.put("a", b"two")
    assert objects.download("a", blocks.append, unless=version) != version
    assert blocks == [b"two"]


def test_many_who_change_one_object_at_once_all_count(store):
    def add():
        Objects(parse_place(store.at("below"))).change("n", lambda there: str(int(there or b"0") + 1).encode())

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("below/n") == b"6"


def test_a_fault_that_passes_is_not_seen(store, objects):
    faults = [(503, "SlowDown"), (500, "InternalError")]
    store.fault = lambda method, key: faults.pop() if faults else None
    objects.put("a", b"one")
    assert objects.get("a").data == b"one"


@pytest.mark.parametrize(("answer", "told"), REFUSALS.items(), ids=[code for _, code in REFUSALS])
def test_a_refusal_says_what_is_refused_and_how_to_go_on(store, objects, answer, told):
    store.fault = lambda method, key: answer
    uses = (
        lambda: objects.get("a"),
        lambda: objects.download("a", print),
        lambda: objects.put("a", b"x"),
        lambda: objects.put("a", b"x", expect=Expect.NOTHING),
        lambda: objects.change("a", lambda there: b"x"),
        objects.folders,
    )
    for use in uses:
        with pytest.raises(RemoteError) as raised:
            use()
        assert told in raised.value.message
        assert raised.value.fix
        assert raised.value.__cause__ is None, "the library's text is not shown, even in a traceback"
        assert raised.value.__suppress_context__
        assert not [key for key in (KEY, SECRET) if key in str(raised.value)]


FAULTS = {
    (501, "NotImplemented"): "does not know this kind of request (NotImplemented)",
    (503, "SlowDown"): "the store is busy (SlowDown)",
    (429, "TooManyRequests"): "the store is busy (TooManyRequests)",
    (507, "XMinioStorageFull"): "the store has no room left",
    (500, "InternalError"): "the store answers 500 (InternalError)",
    (408, "RequestTimeout"): "no answer came in time (RequestTimeout)",
}


@pytest.mark.parametrize(("answer", "told"), FAULTS.items(), ids=[str(status) for status, _ in FAULTS])
def test_a_fault_that_stays_is_named_with_what_was_done(store, objects, answer, told):
    store.fault = lambda method, key: answer
    uses = {
        "read": lambda: objects.get("a"),
        "written": lambda: objects.put("a", b"x", expect=Expect.NOTHING),
        "removed": lambda: objects.delete("a"),
    }
    for done, use in uses.items():
        with pytest.raises(RemoteError) as raised:
            use()
        assert f"cannot be {done}: " in raised.value.message
        assert told in raised.value.message


def test_the_region_that_a_store_names_is_in_the_fix(store, objects):
    store.fault = lambda method, key: (400, "AuthorizationHeaderMalformed")
    with pytest.raises(RemoteError) as raised:
        objects.get("a")
    assert raised.value.fix == f"set AWS_REGION to {REGION}"


def test_writes_that_meet_are_made_again_and_no_writer_is_taken_for_another(store, objects):
    """A 409 says that two requests met, not that something is there."""
    met = [(409, "ConditionalRequestConflict"), (409, "OperationAborted")]
    store.fault = lambda method, key: met.pop() if met and method == "PUT" else None
    first = objects.put("a", b"one", expect=Expect.NOTHING)
    assert (first is not None, met) == (True, [])
    met += [(409, "ConditionalRequestConflict")]
    assert objects.put("a", b"two", expect=first) is not None
    met += [(409, "ConditionalRequestConflict")]
    assert objects.put("a", b"three", expect=Expect.NOTHING) is None


def test_an_object_that_is_there_is_there_by_the_words_of_azure_too(store, objects):
    store.fault = lambda method, key: (409, "BlobAlreadyExists") if method == "PUT" else None
    before = len(store.requests)
    assert objects.put("a", b"one", expect=Expect.NOTHING) is None
    assert len(store.requests) == before + 1


def test_a_store_that_ignores_conditions_is_no_place_for_two_writers(store, objects, monkeypatch):
    monkeypatch.setattr("insideLLMs.remote.objects._keeping", set())
    objects.put("a", b"one")
    store.ignores_conditions = True
    for expect in (Expect.NOTHING, objects.get("a").version):
        with pytest.raises(RemoteError, match="ignores the conditions of a write"):
            objects.put("b", b"one", expect=expect)
    store.ignores_conditions = False
    assert objects.put("c", b"one", expect=Expect.NOTHING) is not None
    before = len(store.requests)
    assert objects.put("d", b"one", expect=Expect.NOTHING) is not None
    assert len(store.requests) == before + 1, "it is asked once"


def test_a_bucket_that_is_not_there_is_named(store):
    with pytest.raises(RemoteError, match="there is no bucket 'no-such-bucket'"):
        Objects(parse_place("s3://no-such-bucket/x")).get("a")


def test_names_below_a_url_are_listed_and_an_empty_bucket_has_none(store, objects):
    assert Objects(parse_place(store.at(""))).folders() == []
    objects.put("b/1", b"x")
    objects.put("a/1", b"x")
    objects.put("c", b"x")
    assert objects.folders() == ["a", "b"]


@pytest.mark.parametrize(
    ("url", "name", "value"),
    [
        ("s3://bucket/x", "AWS_ACCESS_KEY_ID", "AKIAhunter2\n"),
        ("s3://bucket/x", "AWS_SECRET_ACCESS_KEY", "hunter2\r\n"),
        ("s3://bucket/x", "AWS_SESSION_TOKEN", "hunter2\x1b"),
        ("s3://bucket/x", "AWS_REGION", "hunter2\n"),
        ("s3://bucket/x", "AWS_ENDPOINT_URL", "http://hunter2:9000\n"),
        ("s3://bucket/x", "AWS_ENDPOINT_URL", "hunter2:9000"),
        ("s3://bucket/x", "AWS_ENDPOINT_URL_S3", "http://hunter2:port"),
        ("s3://bucket/x", "AWS_ENDPOINT_URL", "http://"),
        ("s3://bucket/x", "AWS_ENDPOINT_URL", "http://hunter2 9000"),
        ("gs://bucket/x", "STORAGE_EMULATOR_HOST", "not a host hunter2"),
        ("gs://bucket/x", "STORAGE_EMULATOR_HOST", "http://hunter2\n"),
        ("az://container/x", "AZURE_STORAGE_ACCOUNT_NAME", "hunter2\n"),
    ],
)
def test_a_variable_that_no_request_can_carry_is_named_and_not_shown(monkeypatch, store, url, name, value):
    """The library of the stores stops the process there, as after a bug."""
    monkeypatch.setenv(name, value)
    with pytest.raises(RemoteError, match=name) as raised:
        Objects(parse_place(url)).get("")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("end", ["", "/"])
def test_the_address_of_a_store_may_end_with_a_slash(monkeypatch, store, end):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"{store.url}{end}")
    assert Objects(parse_place(store.at("x"))).get("") is None
