"""Every built-in probe is documented; its laws and its run by name are in test_probe_laws and test_probes_by_name."""

import re

import pytest

from insideLLMs.core.protocols import Probe
from insideLLMs.plugins import PROBES, probe_registry
from support.documents import ROOT

TABLES = (ROOT / "docs" / "probes.md").read_text().partition("\n### ")[0]
ROWS = re.findall(r"^\| (`.+?) \|", TABLES, re.MULTILINE)
DOCUMENTED = {name for row in ROWS for name in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_has_a_row_in_its_document(name):
    assert name in DOCUMENTED


def test_the_document_has_no_row_for_a_probe_that_is_not_there():
    assert set(PROBES) >= DOCUMENTED


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_says_in_a_sentence_what_it_does_and_which_scores_it_gives(name):
    factory = probe_registry.get_factory(name)
    assert issubclass(factory, Probe)
    assert len(probe_registry.info(name)["doc"]) < 120
    assert factory.score_ranges or name in {"function", "record"}
