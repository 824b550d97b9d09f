"""Applications of the user's own as models: functions and HTTP endpoints, what they get and what is read of answers."""
