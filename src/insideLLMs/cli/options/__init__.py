"""Options of commands: those that belong together, once each, however many commands have them."""
