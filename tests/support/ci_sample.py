"""The sample repository with CI files, and git in it."""

import subprocess

from support.documents import ROOT

SAMPLE = ROOT / "examples" / "ci"
WORKFLOW = ".github/workflows/insidellms.yml"
ACTION = ".github/actions/insidellms/action.yml"
GITLAB = ".gitlab/insidellms.yml"


def git(folder, *args):
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")
    done = subprocess.run(["git", *identity, *args], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()
