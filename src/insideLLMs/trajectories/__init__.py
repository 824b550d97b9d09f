"""What an agent did, read from the forms in which frameworks and traces write it."""

from insideLLMs.trajectories.messages import last_text, read_trajectory, with_answer

__all__ = ["last_text", "read_trajectory", "with_answer"]
