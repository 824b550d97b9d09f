"""Commands as models, in a folder with one that tells what it was given."""

import json

from insideLLMs.core.types import Example, Request
from insideLLMs.execute.adapt import with_variables
from insideLLMs.providers.commands.exec_model import ExecModel
from support.processes import PYTHON

TELLS = """
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "env": dict(os.environ), "stdin": sys.stdin.read(), "cwd": os.getcwd()}))
"""
CASE = Example(
    id="1", input="What is asked", fields={"customer": {"id": 7}, "tags": ["x", 1], "lang": "de", "nul": "a\0b"}
)


def model(folder, *command, **args):
    return ExecModel(list(command) or [PYTHON, "tells.py", "{{ prompt }}"], experiment_folder=folder, **args)


def answer(asked, example=CASE, prompt=None):
    asked.check_example(example)
    request = with_variables(Request.of(prompt or example.input), asked.variables, example)
    return asked.ask(request)


def told(folder, *arguments, **args):
    return json.loads(answer(model(folder, PYTHON, "tells.py", *arguments, **args)).text)


def shell(folder, script, **args):
    return model(folder, "sh", "-c", script, "sh", "{{ prompt }}", **args)


def folder_of(path):
    (path / "tells.py").write_text(TELLS)
    return path
