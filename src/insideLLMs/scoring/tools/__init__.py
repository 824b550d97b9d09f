"""Calls of tools: what is expected of them, which of them an agent made, and what their schemas allow."""
