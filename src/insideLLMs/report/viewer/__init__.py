"""Runs and comparisons as pages that open from disk, offline, with every example in them."""
