"""Baseline against candidate: align, classify, count, and decide. Pure; no event loop, no network, no disk."""
