"""Baseline against candidate: align, classify, count, and decide. Pure; no event loop and no network."""
