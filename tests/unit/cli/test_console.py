"""What the console says of a bug: where to report it, as the installed package itself names it."""

import contextlib
import io

from insideLLMs.cli import console
from insideLLMs.execute.progress import ProgressInfo


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


def test_a_bar_is_drawn_again_a_few_times_a_second_and_when_all_is_done(capsys):
    bar = console._Bar()
    for current in range(1, 1001):
        bar(ProgressInfo(current=current, total=1000, failed=0, resumed=0, elapsed_s=current / 1000))
    drawn = capsys.readouterr().err.split("trials ")[1:]
    assert 8 <= len(drawn) <= 12
    assert " 1/1000" in drawn[0]
    assert " 1000/1000" in drawn[-1]


def test_json_is_printed_where_python_holds_the_output_in_memory():
    """An `io.StringIO` has no encoding."""
    with contextlib.redirect_stdout(io.StringIO()) as held:
        console.out_json({"a": "ü"})
    assert held.getvalue() == '{\n  "a": "ü"\n}\n'
