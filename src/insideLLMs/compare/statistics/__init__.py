"""Is a difference between runs real? Pure functions of observed values, in the standard library alone."""
