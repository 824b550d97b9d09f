"""The package is called `insideLLMs`; this module says so to those who write its name in lower case.

It is a module and not a package: where a file system ignores case, a folder `insidellms` would be `insideLLMs` itself.
"""

if __name__ == "__main__":  # python -m insidellms
    from insideLLMs.cli.main import main

    main()

raise ImportError("the package is called insideLLMs: write `import insideLLMs`; in lower case it is only the command")
