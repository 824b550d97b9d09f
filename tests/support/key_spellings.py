"""A key in every spelling in which servers send one back."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

KEYS = ("ABSKQmVkcm9ja0FQSUtleS+CANARY/7f3a9c1d==", "sk-proj-CANARY_0123456789abcdef", "xai.a+b/c=d&e<f>gh")


def escaped(key):
    """Write it as PHP, .NET and gson write JSON."""
    return json.dumps(key)[1:-1].replace("/", "\\/").replace("+", "\\u002B").replace("=", "\\u003d")


def numbered(key, form):
    return "".join(form.format(ord(char)) for char in key)


SPELLINGS = {
    "plain": str,
    "JSON": escaped,
    "JSON in JSON": lambda key: json.dumps(escaped(key)),
    "all escaped": lambda key: numbered(key, "\\u{:04x}"),
    "upper case": str.upper,
    "lower case": str.lower,
    "backwards": lambda key: key[::-1],
    "backwards escaped": lambda key: key[::-1].replace("/", "\\/"),
    "Base64": lambda key: base64.b64encode(key.encode()).decode(),
    "Base64 of the header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "Base64 of headers": lambda key: base64.b64encode(f"authorization: Bearer {key}\r\n".encode()).decode(),
    "Base64 for URLs": lambda key: base64.urlsafe_b64encode(f"a{key}".encode()).decode(),
    "Base64 in JSON": lambda key: escaped(base64.b64encode(f"ab{key}".encode()).decode()),
    "URL": lambda key: quote(key, safe=""),
    "URL in a URL": lambda key: quote(quote_plus(key), safe=""),
    "URL, all of it": lambda key: numbered(key, "%{:02X}"),
    "hex": lambda key: key.encode().hex(),
    "HEX": lambda key: key.encode().hex().upper(),
    "HTML": html.escape,
    "HTML by number": lambda key: numbered(key, "&#{};"),
    "HTML by hex number": lambda key: numbered(key, "&#x{:X};"),
    "HTML by name": lambda key: key.replace("/", "&sol;").replace("+", "&plus;").replace("=", "&equals;"),
    "UTF-16": lambda key: key.encode("utf-16-le").decode("latin-1"),
    "UTF-16, big end first": lambda key: key.encode("utf-16-be").decode("latin-1"),
}
