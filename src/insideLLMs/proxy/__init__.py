"""A command behind a loopback proxy: its calls to models are recorded, and answered again from the recording."""
