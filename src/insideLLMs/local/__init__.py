"""Models that run in this process from cached weights; none of their packages' own code runs."""
