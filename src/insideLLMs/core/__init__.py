"""Types, protocols, canonical JSON, errors: what every stage speaks."""

import logging

logging.getLogger("insideLLMs").addHandler(logging.NullHandler())  # silent unless the application wants to hear
