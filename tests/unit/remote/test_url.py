"""URLs as people write them."""

from pathlib import Path

import pytest

from insideLLMs.core.errors import RemoteError
from insideLLMs.remote.url import RemoteUrl, parse_place


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://bucket/runs/x", "s3://bucket/runs/x"),
        ("s3://bucket/runs/x/", "s3://bucket/runs/x"),
        ("s3://bucket//runs//x", "s3://bucket/runs/x"),
        ("S3://Bucket/Runs/X", "s3://Bucket/Runs/X"),
        ("s3:/bucket/runs/x", "s3://bucket/runs/x"),
        ("gs://my.bucket/a b", "gs://my.bucket/a b"),
        ("az://container/x", "az://container/x"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
    ],
)
def test_a_url_is_read_in_one_spelling(text, url):
    assert str(parse_place(text)) == url
    assert str(parse_place(str(Path(text)))) == url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("s3://", "no bucket"),
        ("s3:///key", "no bucket"),
        ("s3:// /key", "not the name of a bucket"),
        ("s3://b\nc/key", "not the name of a bucket"),
        ("s3://bucket/a/../b", r"`\.\.`"),
        ("s3://bucket/a\\b", "backslash"),
        ("s3://bucket/a\x1bb", "control"),
        ("http://host/data.jsonl", "http:// URLs are not read"),
        ("https://host/data.jsonl", "https:// URLs are not read"),
        ("ftp://host/data.jsonl", "ftp:// URLs are not read"),
        ("abfs://container@account/x", "before its bucket"),
        ("s3a://bucket/x", "s3a:// URLs are not read"),
        ("file://host/x", "path of this machine"),
        ("file:x", "path of this machine"),
        ("s3:bucket/runs/x", "no slashes"),
        ("gs:x", "no slashes"),
        ("file:///runs/x?version=2", "has a `"),
        ("file:///data/q#1.jsonl", "has a `"),
    ],
)
def test_what_is_no_url_of_ours_is_refused_with_what_is(text, told):
    with pytest.raises(RemoteError, match=told) as raised:
        parse_place(text)
    assert raised.value.fix


@pytest.mark.parametrize(
    "text",
    [
        " s3://{}",
        "s3://{} ",
        "s3://{}\n",
        '"s3://{}"',
        "'s3://{}'",
        "./s3://{}",
        "<s3://{}>",
        "s3://s3://{}",
        "=s3://{}",
    ],
)
def test_a_url_with_something_around_it_is_no_path_and_its_key_is_not_shown(text):
    """Else a run would be written to a folder of that name, on a machine that is thrown away."""
    for rest in ("bucket/runs/x", "AKIASECRET:hunter2@bucket/x"):
        with pytest.raises(RemoteError) as raised:
            parse_place(text.format(rest))
        assert "hunter2" not in str(raised.value)


def test_a_file_url_is_a_path():
    assert parse_place("file:///runs/my%20run") == Path("/runs/my run")


def test_a_place_below_a_url_and_its_name():
    root = parse_place("s3://bucket")
    assert isinstance(root, RemoteUrl)
    assert (str(root / "x"), (root / "x").name, root.name) == ("s3://bucket/x", "x", "bucket")
