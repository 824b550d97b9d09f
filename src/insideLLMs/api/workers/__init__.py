"""The workers of a cluster that ask the models of a run, and what they are sent."""
