"""The commands, one module each: arguments and calls."""
