"""git diff and pytest for the behaviour of language models."""
