"""Experiments that were written for other tools -> experiments of this one."""
