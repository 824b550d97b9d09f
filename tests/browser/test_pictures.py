"""The screenshots of the documentation are of pages as they are drawn now: their text is kept beside them."""

import pytest

from support.command import insidellms
from support.documents import ROOT, UPDATE

IMAGES = ROOT / "docs" / "images"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    insidellms("init", "tour", cwd=folder)
    folder /= "tour"
    experiment = folder / "experiment.yaml"
    insidellms("run", "experiment.yaml", "--run-dir", "before", cwd=folder)
    experiment.write_text(experiment.read_text().replace("makes 42", "makes 41"))
    insidellms("run", "experiment.yaml", "--run-dir", "after", cwd=folder)
    insidellms("diff", "before", "after", "--html", "changes.html", cwd=folder)
    return folder


@pytest.mark.parametrize(("name", "page"), [("run-page", "before/report.html"), ("diff-page", "changes.html")])
def test_a_screenshot_shows_what_the_page_shows_now(name, page, folder, visit):
    tab = visit((folder / page).read_bytes(), color_scheme="light", viewport={"width": 1200, "height": 760})
    text = tab.locator("body").inner_text()
    if UPDATE:
        tab.screenshot(path=IMAGES / f"{name}.png")
        (IMAGES / f"{name}.txt").write_text(text)
    assert (IMAGES / f"{name}.txt").read_text() == text, "run the tests once with INSIDELLMS_UPDATE_DOCS=1"
    assert (IMAGES / f"{name}.png").read_bytes().startswith(b"\x89PNG")
