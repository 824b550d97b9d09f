"""`python -m insideLLMs` is the command `insidellms`."""

from insideLLMs.cli.main import main

main()
