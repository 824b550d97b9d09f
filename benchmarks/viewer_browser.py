"""How soon can a page be used, and does it stay smooth? In Chromium, from disk.

Make a page first: python benchmarks/viewer_page.py --out build/page.html. Then: python benchmarks/viewer_browser.py
build/page.html. Seconds are from the start of loading, as a person would count; frames are those of a scroll
through the whole list in 120 steps.
"""

import json
import re
import shutil
import sys
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SCROLL = """async () => {
  const frames = [];
  let last = performance.now();
  for (let step = 0; step < 120; step++) {
    scrollTo(0, document.body.scrollHeight * step / 120);
    await new Promise((done) => requestAnimationFrame(done));
    frames.push(performance.now() - last);
    last = performance.now();
  }
  frames.sort((a, b) => a - b);
  return [frames[60], frames[114], frames[119]];
}"""


def measure(tab, page: Path, needle: str) -> dict[str, float]:
    """Open the page and use it."""
    figures: dict[str, float] = {}
    started = time.perf_counter()

    def note(name: str) -> None:
        figures[name] = round(time.perf_counter() - started, 2)

    tab.goto(page.resolve().as_uri(), wait_until="commit")
    tab.wait_for_selector("html[data-ready]")
    note("ready_s")
    tab.keyboard.press("j")
    tab.wait_for_selector(".row.current")
    note("first_interaction_s")
    tab.wait_for_load_state("load")
    note("loaded_s")
    figures["heap_mb"] = round(tab.evaluate("performance.memory.usedJSHeapSize") / 1e6)
    started = time.perf_counter()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("article section")
    note("open_example_s")
    tab.keyboard.press("Escape")
    names = ("frame_median_ms", "frame_95_ms", "frame_worst_ms")
    figures.update(zip(names, (round(frame, 1) for frame in tab.evaluate(SCROLL)), strict=True))
    figures["rows_in_document"] = tab.locator(".trials .body .row").count()
    started = time.perf_counter()
    tab.fill("#search", needle)
    expect(tab.locator("output")).to_have_text(re.compile(r"^[\d,]+ of [\d,]+$"), timeout=60_000)
    tab.wait_for_url(re.compile("q="))
    expect(tab.locator("output")).to_have_text(re.compile(r"^[\d,]+ of [\d,]+$"), timeout=60_000)
    note("search_s")
    figures["found"] = int(tab.locator("output").inner_text().split()[0].replace(",", ""))
    return figures


def main() -> None:
    """Measure and print as JSON."""
    page = Path(sys.argv[1])
    needle = sys.argv[2] if len(sys.argv) > 2 else "positional argument specifiers"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        found = [measure(browser.new_page(), page, needle) for _ in range(3)]
        browser.close()
    json.dump({"page": page.name, "runs": found}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
