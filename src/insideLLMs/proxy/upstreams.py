"""Where calls go: the providers that are known, those that the user names, and the variables that lead a command here.

The local address of an upstream is ``http://127.0.0.1:PORT/NAME``, followed by the path that its clients expect in a
base URL. That path is recorded, and not what stands in its place at a gateway: a recording is the same behind either.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from insideLLMs.core.errors import OptionError
from insideLLMs.providers.addresses import bare_url

PROXY_VARIABLE = "INSIDELLMS_PROXY_URL"
RESERVED = frozenset({"case", "process"})
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PLACE = re.compile(r"[a-z0-9][a-z0-9_-]*(?:/[\w.~/-]*)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_ADDRESSES = re.compile(r"URL|URI|BASE|HOST|ENDPOINT|ADDR|API|LLM|MODEL|SERVER", re.IGNORECASE)
"""What a variable with an address is called: a cassette may not set PATH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A provider: its address, the path that stands in its base URL, and the variables that hold that and the key.

    One that is `usual` is set for every command; the others where the user's environment or the recording has them.
    """

    name: str
    url: str
    path: str = ""
    variables: tuple[str, ...] = ()
    key_variable: str = ""
    usual: bool = False

    def target(self, path: str) -> str:
        """Return where a path below the local address leads."""
        if self.path and (path == self.path or path.startswith((f"{self.path}/", f"{self.path}?"))):
            return self.url + path.removeprefix(self.path)
        return self.url.removesuffix(self.path) + path


KNOWN = (
    Upstream(
        name="openai",
        url="https://api.openai.com/v1",
        path="/v1",
        variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        key_variable="OPENAI_API_KEY",
        usual=True,
    ),
    Upstream(
        name="anthropic",
        url="https://api.anthropic.com",
        variables=("ANTHROPIC_BASE_URL",),
        key_variable="ANTHROPIC_API_KEY",
        usual=True,
    ),
    Upstream(
        name="gemini",
        url="https://generativelanguage.googleapis.com",
        variables=("GOOGLE_GEMINI_BASE_URL", "GEMINI_BASE_URL"),
        key_variable="GEMINI_API_KEY",
        usual=True,
    ),
    Upstream(name="azure", url="", variables=("AZURE_OPENAI_ENDPOINT",), key_variable="AZURE_OPENAI_API_KEY"),
    Upstream(name="cohere", url="https://api.cohere.com", variables=("CO_API_URL",), key_variable="CO_API_KEY"),
    Upstream(name="groq", url="https://api.groq.com", variables=("GROQ_BASE_URL",), key_variable="GROQ_API_KEY"),
    Upstream(name="ollama", url="http://127.0.0.1:11434", variables=("OLLAMA_HOST",)),
)


def upstreams_of(given: Iterable[str], environ: Mapping[str, str]) -> dict[str, Upstream]:
    """Return the upstreams of a recording: as ``NAME=URL``, by the user's own variables, or as they are usual.

    Raises OptionError.
    """
    named = dict(_parse(text) for text in given)
    found = {}
    for known in KNOWN:
        variable = next((name for name in known.variables if environ.get(name, "").strip()), "")
        theirs = _whole(environ[variable].strip(), known) if variable else known.url if known.usual else ""
        url = named.pop(known.name, "") or (theirs and _checked(theirs, f"{known.name}, as {variable} has it,"))
        if url:
            found[known.name] = replace(known, url=url)
    return found | {name: Upstream(name=name, url=url) for name, url in named.items()}


def upstreams_recorded(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, Upstream]:
    """Return the upstreams that a replay stands in for: also where the user's variables lead, as nothing may leave."""
    known = {each.name: each for each in KNOWN}
    led = {each.name for each in KNOWN if each.usual or any(environ.get(name) for name in each.variables)}
    wanted = led | set(names)
    return {name: known.get(name, Upstream(name=name, url="")) for name in sorted(wanted)}


def variables_of(
    upstreams: Iterable[Upstream], proxy_url: str, more: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that lead a command to the proxy, and keep its calls from other proxies."""
    found = {name: f"{proxy_url}/{each.name}{each.path}" for each in upstreams for name in each.variables}
    found |= {name: f"{proxy_url}/{place}" for name, place in more.items()}
    for name in ("NO_PROXY", "no_proxy"):
        found[name] = ",".join(filter(None, (environ.get(name), "127.0.0.1", "localhost")))
    return {**found, PROXY_VARIABLE: proxy_url}


def parse_variables(given: Iterable[str]) -> dict[str, str]:
    """Parse ``VARIABLE=UPSTREAM/PATH``. Raises OptionError."""
    found = {}
    for text in given:
        name, mark, place = text.partition("=")
        if not mark or not _VARIABLE.fullmatch(name) or not _PLACE.fullmatch(place):
            raise OptionError(
                f"--variable {text!r} is not VARIABLE=UPSTREAM/PATH", fix="e.g. --variable SHOP_LLM_URL=openai/v1"
            )
        if not _OF_ADDRESSES.search(name):
            raise OptionError(
                f"the name of the variable {name} does not look like that of an address",
                fix="name one with URL, BASE, HOST or ENDPOINT in it",
            )
        found[name] = place.rstrip("/")
    return found


def _parse(text: str) -> tuple[str, str]:
    name, mark, url = text.partition("=")
    if not mark or not _NAME.fullmatch(name) or name in RESERVED:
        raise OptionError(f"--upstream {bare_url(text) or name!r} is not NAME=URL", fix="e.g. openai=https://HOST/v1")
    return name, _checked(url, name)


def _whole(address: str, known: Upstream) -> str:
    """Return an address with the scheme and the port that ollama's variable may lack."""
    if "://" in address or not known.url.startswith("http://"):
        return address
    return f"http://{address}" if ":" in address else f"http://{address}:{known.url.rpartition(':')[2]}"


def _checked(url: str, name: str) -> str:
    given = url.strip().rstrip("/")
    bare = bare_url(given).rstrip("/")
    if bare and ("@" in given.partition("//")[2].partition("/")[0] or "?" in given):
        raise OptionError(
            f"the address of {name} has a password or a query", fix="leave them out; the command sends the key"
        )
    if bare.partition("://")[0] not in {"http", "https"}:
        raise OptionError(f"the address of {name} is not an http(s) URL", fix="write it as in https://HOST/v1")
    return bare
