"""`insidellms sign`: vouch for a sealed run with a key."""

import os
import stat
import sys
from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import LOCAL, TO_WRITE
from insideLLMs.core.errors import ExitCode
from insideLLMs.remote.url import RemoteUrl


@click.command("sign")
@click.argument("run", metavar="RUN", required=False, type=TO_WRITE)
@click.option("--key", type=LOCAL, help="Your private key (PEM or OpenSSH), e.g. ~/.ssh/id_ed25519.")
@click.option("--new-key", type=LOCAL, help="Write a new ed25519 key to this file, and FILE.pub.")
@click.option(
    "--passphrase-env",
    metavar="NAME",
    default="INSIDELLMS_KEY_PASSPHRASE",
    show_default=True,
    help="The environment variable with the key's passphrase; without it, a terminal asks.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(
    run: Path | RemoteUrl | None, *, key: Path | None, new_key: Path | None, passphrase_env: str, as_json: bool
) -> int:
    """Sign every file of RUN with a private key, into signatures.dsse.json.

    Others check it with your public key: insidellms verify RUN --key FILE. Several people can sign one run. Needs the
    extra: pip install 'insidellms[sign]'.
    """
    if (run is None) != (key is None) or (run is None and new_key is None):
        raise click.UsageError("Give RUN with --key KEY, or --new-key FILE.")
    tell = console.note if as_json else console.out
    done: dict[str, object] = {}
    if new_key is not None:
        from insideLLMs.store.integrity.signing_keys import new_key as write_new_key  # noqa: PLC0415 - an extra

        public = write_new_key(new_key, os.environ.get(passphrase_env))
        done |= {"new_key": str(new_key), "public_key": str(public)}
        tell(f"{new_key}: keep it to yourself; give others {public}")
    if run is not None and key is not None:
        key_id, count = _sign(run, key, passphrase_env)
        done |= {"run": str(run), "key_id": key_id, "signatures": count}
        tell(f"{run}: signed with key id {key_id[:12]}; {count} signature{'s'[: count - 1]}")
    if as_json:
        console.out_json(done)
    return ExitCode.OK


def _sign(place: Path | RemoteUrl, key: Path, passphrase_env: str) -> tuple[str, int]:
    """Sign, and return the key's id and how many signatures the run has."""
    from insideLLMs.store.integrity.signatures import sign  # noqa: PLC0415
    from insideLLMs.store.integrity.signing_keys import read_signer  # noqa: PLC0415
    from insideLLMs.store.integrity.verification import open_intact  # noqa: PLC0415
    from insideLLMs.store.remote.run import local_run  # noqa: PLC0415 - slow
    from insideLLMs.store.remote.signatures import sign_at  # noqa: PLC0415

    def passphrase() -> str | None:
        given = os.environ.get(passphrase_env)
        if given is None and sys.stdin.isatty():
            given = click.prompt(f"Passphrase of {key}", hide_input=True, err=True)
        return given

    signer = read_signer(key, passphrase)
    if key.stat().st_mode & stat.S_IROTH:
        console.warn(f"every user of this machine can read {key}: make it yours alone with chmod 600")
    path = place if isinstance(place, Path) else local_run(str(place), refetch=True)
    run = open_intact(path)
    count = sign(run, signer) if isinstance(place, Path) else sign_at(place, run, signer)
    return signer.public_key.keyid, count
