"""The local page of a folder of runs: its server, and what it shows and takes."""
