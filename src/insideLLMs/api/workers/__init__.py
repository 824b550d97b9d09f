"""A run in several processes of this machine, or on a cluster."""
