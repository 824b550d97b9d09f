"""promptfoo's configuration -> an experiment."""
