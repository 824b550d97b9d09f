"""Types, protocols, canonical JSON, errors: what every stage speaks."""
