"""A run through a provider's batch endpoint, or through files that somebody sends: chunks, rounds, waiting."""
