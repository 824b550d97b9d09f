"""A run since another: what is unchanged takes that run's answers, and a share of it is asked again."""
