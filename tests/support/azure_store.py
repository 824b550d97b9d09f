"""Azurite, Microsoft's emulator of Azure's blob storage, on this machine, where it is installed: npm i -g azurite."""

import base64
import datetime as dt
import hashlib
import hmac
import http.client
import os
import shutil
import subprocess

ACCOUNT = "devstoreaccount1"
KEY = base64.b64encode(b"the key of the tests, which Azurite is told").decode()
_VERSION = "2021-08-06"


def program():
    """Return the program; None where it is not installed."""
    return shutil.which(os.environ.get("INSIDELLMS_TEST_AZURITE", "azurite-blob"))


class AzureStore:
    """The server, with one container; `env` is what a user sets to reach it."""

    container = "evals"

    def __enter__(self):
        options = ["--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        self._process = subprocess.Popen(
            [program(), *options],
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        listens = next(line for line in self._process.stdout if "successfully listens on" in line)
        self.url = listens.strip().rpartition(" ")[2]
        assert self._make_container() == 201
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.communicate()

    @property
    def env(self):
        return {
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": self.url,
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        }

    def at(self, key):
        return f"az://{self.container}/{key}"

    def _make_container(self):
        """Make the container by the shared key, as its documentation signs requests; return the status."""
        date = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"x-ms-date": date, "x-ms-version": _VERSION}
        resource = f"/{ACCOUNT}/{ACCOUNT}/{self.container}\nrestype:container"
        signed = "\n".join(["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in headers.items()), resource])
        digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        headers |= {"Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}", "Content-Length": "0"}
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        connection.request("PUT", f"/{ACCOUNT}/{self.container}?restype=container", headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status
