"""A stranger finds everything: no page is lost, no link is broken, and every block is run, parsed, or says why not."""

import json
import re
import tomllib

import pytest
import yaml

from support.documents import ROOT, UPDATE, blocks, fences
from support.pictures import recording
from support.site import DOCS, pages

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(DOCS.glob("*.md")),
]
RUN = {"console", "python"}
PARSERS = {
    "yaml": lambda code: list(yaml.load_all(code, yaml.CSafeLoader)),
    "toml": tomllib.loads,
    "json": json.loads,
}
GENERATED = {"commands.md"}
_LINK = re.compile(r"(?<!\\)\[(?:[^][]|\[[^]]*\])*\]\(([^)\s]+)\)")


def anchors(path):
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken_links(path):
    for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", path.read_text())):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        there = path.parent / name if name else path
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            yield target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_page_and_a_heading(path):
    assert list(broken_links(path)) == []


def test_a_broken_link_would_be_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One thing\n[a](page.md#one-thing) [b](page.md#other) [c](gone.md) ![d](gone.png)\n")
    assert list(broken_links(page)) == ["page.md#other", "gone.md", "gone.png"]


def test_every_page_is_in_the_navigation():
    assert sorted(pages()) == sorted(path.name for path in DOCS.glob("*.md"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_is_run_or_parsed_or_says_why_not(path):
    if path.name in GENERATED:
        return
    for fence in fences(path):
        if fence.language in PARSERS:
            PARSERS[fence.language](fence.code)
        else:
            assert fence.language in RUN or fence.title or fence.reason, f"{path.name}: {fence.code[:60]}"


def test_the_recording_shows_the_tour_of_the_readme():
    path = DOCS / "images" / "tour.svg"
    shown = recording(blocks(ROOT / "README.md", "console")[0])
    if UPDATE:
        path.write_text(shown)
    assert path.read_text() == shown, "run the tests once with INSIDELLMS_UPDATE_DOCS=1"
