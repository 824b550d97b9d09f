"""Two answers beside each other: how deep they differ, where they part, and what of them is volatile."""
