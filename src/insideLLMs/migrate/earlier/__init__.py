"""Experiment files of the earlier insideLLMs -> experiments of this one."""
