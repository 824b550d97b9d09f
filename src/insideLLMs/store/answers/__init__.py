"""Answers that are kept to be given again without a call: the cache, and cassettes of requests and of HTTP calls."""
