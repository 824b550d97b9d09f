"""What the console says of a bug: where to report it, as the installed package itself names it."""

from insideLLMs.cli import console


def test_a_bug_is_reported_where_the_package_came_from(capsys):
    console.bug(ZeroDivisionError("oops"))
    said = capsys.readouterr().err
    assert "internal error: ZeroDivisionError: oops" in said
    assert "Please report it where you got insideLLMs from." in said
    assert "http" not in said


def test_a_bug_is_reported_to_the_tracker_that_the_package_names(capsys, tmp_path, monkeypatch):
    folder = tmp_path / "insidellms-9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: insidellms\nVersion: 9\n"
        "Project-URL: Homepage, https://a.example\nProject-URL: Bug Tracker, https://b.example/bugs\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    console.bug(ZeroDivisionError("oops"))
    assert "Please report it: https://b.example/bugs" in capsys.readouterr().err
