"""Everything before the first call: the part that is run, its members, checks of examples and cassettes, its cost."""
