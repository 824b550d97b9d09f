"""Addresses as people paste them -> the base URL that paths are appended to, where they can mean only one thing."""

import re
from ipaddress import ip_address

from yarl import URL

from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import ArgumentError
from insideLLMs.providers.codec import Endpoint

OLLAMA_PORT = 11434


def base_address(given: str, endpoint: Endpoint) -> str:
    """Return the base URL that `given` means, without the operation that some portals show with it.

    An address without a path gets the endpoint's own, where it has the same host or is the user's own server of a
    kind whose paths are fixed; one without a version gets the endpoint's, where every path begins with one. Raises
    ArgumentError for what is no http(s) URL.
    """
    address, mark, query = given.strip().strip("\"'<>").partition("?")
    query = re.sub(r"(?:^|&)alt=sse(?=&|$)", "", query)  # what asks Gemini for a stream
    if endpoint.operations:
        address = re.sub(rf"(?:{endpoint.operations})/*$", "", address.rstrip("/")).rstrip("/")
    if bare_url(address).partition("://")[0] not in {"http", "https"}:
        raise ArgumentError(
            f"base_url is {bare_url(address) or 'not a URL'!r}; it must begin with http:// or https://",
            fix=f"write it as in {endpoint.base_url or 'https://assistant.example.com/ask'}",
        )
    return _with_path(address.rstrip("/"), endpoint) + (mark and query and "?") + query.partition("#")[0]


def _with_path(address: str, endpoint: Endpoint) -> str:
    url, usual = URL(address), URL(endpoint.base_url)
    is_theirs = url.host == usual.host and not is_loopback(address)
    if (is_theirs or endpoint.is_own_server) and usual.path.startswith(url.path.rstrip("/") + "/"):
        return address + usual.path.removeprefix(url.path.rstrip("/")).rstrip("/")
    if endpoint.version and not re.search(rf"{endpoint.version}$", address):
        return address + usual.path
    return address


def azure_address(given: str, deployment: str, api_version: str | None) -> str:
    """Return the base URL of an Azure resource, a deployment, or the target URI that the portal shows.

    Raises ArgumentError if there is none, or if it names another version than `api_version`.
    """
    if not given:
        raise ArgumentError(
            "azure needs the address of your resource",
            fix="set base_url or AZURE_OPENAI_ENDPOINT, e.g. https://NAME.openai.azure.com",
        )
    address, _, query = given.strip().strip("\"'<>").partition("?")
    operation = (
        r"/(?:chat/completions|completions|responses|embeddings)|(?<=/v1)/models|(?<=/openai)/(?:models|deployments)"
    )
    address = re.sub(rf"(?:{operation})?/*$", "", address.rstrip("/"))
    named = URL(f"?{query}").query.get("api-version")
    if named and api_version and named != api_version:
        raise ArgumentError(
            f"base_url has api-version={named}, and api_version is {api_version!r}", fix="leave one of them out"
        )
    version = api_version or named
    suffix = f"?api-version={version}" if version else ""
    if address.endswith(("/openai/v1", "/models")) or "/openai/deployments/" in address:
        return address + suffix
    root = address.removesuffix("/openai")
    return f"{root}/openai/deployments/{deployment}{suffix}" if version else f"{root}/openai/v1"


def ollama_address(host: str) -> str | None:
    """Return $OLLAMA_HOST as a URL: a bare host or IP address, with or without scheme and port.

    Addresses that a server listens at everywhere (0.0.0.0, ::) mean this machine.
    """
    scheme, mark, rest = host.strip().strip("\"'").rpartition("://")
    rest = rest.rstrip("/")
    if not rest:
        return None
    name, colon, port = rest.rpartition(":")
    if _is_ip(rest.strip("[]")) or not colon:
        name, port = rest, ""
    name = name.strip("[]")
    if name in {"", "0.0.0.0", "::"}:  # noqa: S104 - where a server listens, not where to ask
        name = "localhost"
    host_part = f"[{name}]" if ":" in name else name
    if not port and not mark:
        port = str(OLLAMA_PORT)
    return f"{scheme or 'http'}://{host_part}{':' if port else ''}{port}"


def bare_url(url: str) -> str:
    """Return a URL without user, password, query and fragment: what may be shown and stored."""
    try:
        parsed = URL(url)
        # a host in brackets or a port out of range raises only when it is asked for
        return str(parsed.with_user(None).with_query(None).with_fragment(None)) if parsed.host else ""
    except ValueError:
        return ""


def literal_query(url: str) -> str:
    """Return what the user wrote as a URL's query, empty where it came from the environment."""
    return (url.written if isinstance(url, FromEnvironment) else url).partition("?")[2]


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    host = URL(url).host or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
