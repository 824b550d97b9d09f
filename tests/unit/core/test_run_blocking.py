"""The sync door: in plain code, inside a running loop, and interrupted."""

import asyncio
import signal
import subprocess
import sys
import textwrap

import pytest

from insideLLMs.core.run_blocking import run_blocking
from insideLLMs.runner import ProbeRunner
from support.users_code import Ask, Echo

PROGRAM = """
import asyncio, os, sys
from insideLLMs import Model, Probe, ProbeRunner

class Slow(Model):
    async def agenerate(self, prompt, **kwargs):
        if prompt == "3":
            print("hanging", flush=True)
            await asyncio.Event().wait()
        return prompt

class Ask(Probe):
    async def run(self, model, data, **kwargs):
        return await model.agenerate(data["prompt"])

def run(**options):
    prompts = [{"id": str(n), "prompt": str(n)} for n in range(8)]
    return ProbeRunner(Slow("slow"), Ask()).run(prompts, concurrency=1, run_dir=sys.argv[1], **options)
"""


def test_it_works_inside_a_running_loop():
    async def notebook():
        return ProbeRunner(Echo(), Ask()).run(["a"])

    assert asyncio.run(notebook())[0]["output"] == "A"


def test_errors_of_the_work_reach_the_caller_in_both_ways():
    async def fail():
        raise LookupError("here")

    async def notebook():
        run_blocking(fail())

    with pytest.raises(LookupError, match="here"):
        run_blocking(fail())
    with pytest.raises(LookupError, match="here"):
        asyncio.run(notebook())


@pytest.mark.parametrize("call", ["run()", "asyncio.run(notebook())"])
def test_an_interrupted_run_raises_and_leaves_a_directory_that_can_be_resumed(tmp_path, call):
    program = PROGRAM + textwrap.dedent(f"""
        async def notebook():
            run()
        try:
            {call}
        except KeyboardInterrupt:
            print("interrupted", sorted(os.listdir(sys.argv[1])))
        """)
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", program, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert out.startswith("interrupted ['.insidellms-run', 'journal.jsonl'")
    assert "never retrieved" not in err
    assert "Traceback" not in err
    assert "resume=True" in err


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_what_user_code_raises_is_its_own_also_where_nobody_pressed_ctrl_c(kind):
    program = textwrap.dedent(f"""
        from insideLLMs import Probe, ProbeRunner, DummyModel
        class Interrupts(Probe):
            {kind} run(self, model, data):
                raise KeyboardInterrupt
        print({{str(result["status"]) for result in ProbeRunner(DummyModel(), Interrupts()).run(["a", "b", "c"])}})
        """)
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout == "{'error'}\n", done.stderr
