"""Judges the checks themselves: what they would let through, and which sentences of a prompt none of them notices."""
