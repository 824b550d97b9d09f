"""Models that are programs on this machine: one call per command, or a server that is started."""
