"""The pytest plug-in: tests that ask language models. `hooks` is what pytest loads; it imports the rest when used."""
