"""git diff and pytest for the behaviour of language models."""

__version__ = "0.1.0"
