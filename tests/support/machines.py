"""Commands in this process, as on machines of several names: each has its own cache and its own copies of URLs."""

from insideLLMs.cli.main import run_command
from insideLLMs.remote import copies
from support.command import Done
from support.object_store import SECRET


def commands_of_machines(store, folder, monkeypatch, capsys):
    """Return what runs a command in `folder`, on a machine of a name, and holds its exit code against `code`.

    No output may have the store's secret, or name the place of a copy: a copy is called by its URL.
    """
    monkeypatch.chdir(folder)

    def run(*args, machine="one", code=0):
        for name, value in store.machine(folder / machine).items():
            monkeypatch.setenv(name, value)
        copies.forget()
        capsys.readouterr()
        done = Done(run_command([*map(str, args)]), *capsys.readouterr())
        assert done.code == code, (args, done.out, done.err)
        assert SECRET not in done.out + done.err
        assert str(folder / machine) not in done.out + done.err, "a copy is called by its URL"
        return done

    return run
