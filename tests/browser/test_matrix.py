"""A run of several models or prompts in real browsers: the matrix of its examples."""

import pytest
from playwright.sync_api import expect

from support.compared_runs import record
from support.viewer_pages import MANIFEST, run_page

SUBJECTS = [(model, prompt) for model in ("big", "small") for prompt in ("v1", "v2")]
TWO_BY_TWO = {
    **MANIFEST,
    "models": [{"id": "big"}, {"id": "small"}],
    "prompts": [
        {"id": "v1", "messages": [{"role": "user", "content": "{{ input }}"}]},
        {"id": "v2", "system": "Be kind."},
    ],
}


@pytest.fixture(scope="module")
def subjects_page():
    """40 examples; small fails every third with v1, and one call of big timed out."""
    records = [
        record(
            f"q{number:02}",
            probe=probe,
            model=model,
            prompt_id=prompt,
            passed=(model, prompt) != ("small", "v1") or number % 3 > 0,
            status="timeout" if (model, prompt, number) == ("big", "v2", 4) else "success",
            text=f"{model} with {prompt} says {number}",
        )
        for probe in ("logic", "tone")
        for number in range(40)
        for model, prompt in SUBJECTS
    ]
    return run_page(records, manifest=TWO_BY_TWO, plain_limit_bytes=1000)


def test_the_matrix_shows_every_example_of_every_subject_by_shape_and_word(subjects_page, visit):
    tab = visit(subjects_page)
    grid = tab.get_by_role("grid", name="Examples and subjects")
    expect(grid.locator("thead")).to_contain_text("big")
    expect(grid.locator("thead .name")).to_have_text(["v1", "v2", "v1", "v2"])
    expect(grid.locator("thead .rate")).to_have_text(["100%", "100%", "65%", "100%"])
    line = grid.get_by_role("row", name="q03")
    expect(line.locator(".mark")).to_have_text(["✓", "✓", "✕", "✓"])
    expect(line.get_by_role("link", name="small · v1: fail")).to_have_count(1)
    expect(grid.get_by_role("link", name="big · v2: timeout")).to_have_count(1)


def test_the_matrix_narrows_to_examples_where_subjects_differ(subjects_page, visit):
    tab = visit(subjects_page)
    expect(tab.locator(".matrixbar [role=status]")).to_have_text("They differ in 15 of 40 examples.")
    tab.keyboard.press("d")
    expect(tab.locator(".matrix tbody th")).to_have_count(15)
    expect(tab.get_by_label("Only examples where they differ")).to_be_checked()
    tab.locator(".matrixbar").get_by_label("Probe").select_option("tone")
    expect(tab.locator(".matrix tbody th")).to_have_count(15)


def test_the_matrix_is_walked_by_keyboard_and_opens_answers_side_by_side(subjects_page, visit):
    tab = visit(subjects_page)
    tab.get_by_role("grid", name="Examples and subjects").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        tab.keyboard.press(key)
    expect(tab.get_by_role("heading", level=1)).to_have_text("q03")
    cards = tab.locator(".strip .card")
    expect(cards).to_have_count(4)
    expect(cards.locator("h3")).to_contain_text(["big · v1", "big · v2", "small · v1", "small · v2"])
    expect(cards.nth(2)).to_have_attribute("aria-current", "true")
    expect(cards.nth(3).get_by_role("group", name="Answer", exact=True)).to_have_text("small with v2 says 3")
    tab.keyboard.press("h")
    expect(tab.locator(".strip .current h3")).to_contain_text("big · v2")
    tab.keyboard.press("l")
    expect(tab.locator(".strip .current h3")).to_contain_text("small · v1")
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("grid", name="Examples and subjects")).to_be_focused()


def test_a_long_matrix_makes_only_the_rows_in_sight_and_its_heads_stay(visit):
    records = [
        record(f"q{number:04}", model=model, passed=number % 7 > 0) for number in range(500) for model in "abcdefghijkl"
    ]
    manifest = {**MANIFEST, "models": [{"id": name} for name in "abcdefghijkl"]}
    tab = visit(run_page(records, manifest=manifest))
    assert tab.locator(".matrix tbody th").count() < 80
    tab.locator(".matrixframe").scroll_into_view_if_needed()
    tab.locator(".matrixframe").evaluate("frame => frame.scrollTo(0, frame.scrollHeight)")
    last = tab.locator(".matrix tbody th", has_text="q0499")
    expect(last).to_be_in_viewport()
    expect(tab.locator(".matrix thead .name").first).to_be_in_viewport()


def test_the_matrix_fits_a_phone(subjects_page, visit):
    tab = visit(subjects_page, viewport={"width": 390, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.locator(".matrixframe").scroll_into_view_if_needed()
    tab.locator(".matrixframe").evaluate("frame => frame.scrollTo(1000, 0)")
    expect(tab.locator(".matrix tbody th").first).to_be_in_viewport()


def test_the_texts_of_the_prompts_can_be_read(subjects_page, visit):
    tab = visit(subjects_page)
    tab.get_by_text("Texts of the prompts").click()
    expect(tab.get_by_role("group", name="system message")).to_have_text("Be kind.")
