"""Runs, journals, pools and roots at a URL: read through copies on this machine, written under one lock."""
