"""Runs and comparisons as pages that open from disk, offline, with every example in them."""

from insideLLMs.report.viewer.diff_page import write_diff_page
from insideLLMs.report.viewer.run_page import write_run_page

__all__ = ["write_diff_page", "write_run_page"]
