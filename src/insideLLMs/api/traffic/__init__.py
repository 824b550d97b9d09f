"""A day of traffic -> a set of examples that says what it covers."""
