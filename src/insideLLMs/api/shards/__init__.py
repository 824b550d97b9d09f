"""A run in several shares: asked by several processes of this machine, and merged into one run."""
