"""Runs, pools and cassettes at az:// and gs:// URLs: what test_urls.py shows of S3 in many cases, once.

az:// is tested against Azurite, gs:// against a server that answers as Google documents it.
"""

import pytest

from insideLLMs.cli.main import run_command
from insideLLMs.core.errors import RemoteError
from insideLLMs.remote import copies
from insideLLMs.remote.objects import Expect, Objects
from insideLLMs.remote.url import parse_place
from support.azure_store import KEY, AzureStore, program
from support.command import write_files
from support.google_store import GoogleStore

pytest.importorskip("obstore", reason="obstore is not installed: pip install 'insidellms[stores]'")
STORES = (
    pytest.param(
        AzureStore,
        id="azure",
        marks=pytest.mark.skipif(program() is None, reason="Azurite is not installed: npm install -g azurite"),
    ),
    pytest.param(GoogleStore, id="google"),
)

EXPERIMENT = {
    "e.yaml": 'model: {type: dummy}\nprobe: {type: contains, args: {any: ["yes"]}}\ndataset: {path: q.jsonl}\n',
    "q.jsonl": [{"id": f"e{number}", "prompt": f"yes {number}"} for number in range(12)],
}


@pytest.fixture(scope="module", params=STORES)
def store(request):
    with request.param() as store:
        yield store


@pytest.fixture
def here(store, tmp_path, monkeypatch, capsys):
    """Run a command in this process, as on machines of several names."""
    write_files(tmp_path, EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    for name, value in store.env.items():
        monkeypatch.setenv(name, value)

    def run(*args, machine="one", code=0):
        monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path / machine))
        copies.forget()
        found = run_command([*map(str, args)])
        told = "".join(capsys.readouterr())
        assert found == code, (args, told)
        assert KEY not in told
        return told

    return run


def test_a_run_a_pool_and_a_cassette_go_through_the_store(store, here):
    run, pool, cassette = store.at("runs/a"), store.at("pool"), store.at("c.jsonl")
    here("run", "e.yaml", "--run-dir", "local")
    here("run", "e.yaml", "--run-dir", run, "--record", cassette)
    here("diff", "local", run, "--fail-on", "changes", machine="two")
    here("verify", run, machine="two")
    here("run", "e.yaml", "--run-dir", store.at("runs/b"), "--replay", cassette, machine="two")
    assert "runs/a" in here("runs", "list", store.at("runs"), machine="two")
    here("baseline", "accept", run, "--pool", pool, "--why", "first", machine="two")
    here("baseline", "accept", store.at("runs/b"), "--pool", pool, "--why", "second")
    here("diff", "local", "--pool", pool, "--fail-on", "changes")


def test_writes_under_a_condition_are_those_of_one_writer(here, store):
    objects = Objects(parse_place(store.at("one")))
    first = objects.put("x", b"one", expect=Expect.NOTHING)
    assert objects.put("x", b"two", expect=Expect.NOTHING) is None
    assert objects.put("x", b"two", expect=first) is not None
    assert objects.put("x", b"three", expect=first) is None
    assert objects.get("x").data == b"two"


def test_a_bucket_that_is_not_there_is_named(here, store):
    scheme = store.at("").partition(":")[0]
    with pytest.raises(RemoteError, match="there is no bucket 'nowhere'"):
        Objects(parse_place(f"{scheme}://nowhere/runs")).put("x", b"one")
