"""The shell of a page: the policy that forbids all loading, the style, the program, and the data around it."""

import base64
import functools
import hashlib
import html
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import orjson

from insideLLMs.core.types import JsonValue
from insideLLMs.report.safe_text import printable
from insideLLMs.report.viewer.tables import Chunks, script_element

FORMAT = "insidellms/page/1"
_SERVED_STYLE = "served.css"


@functools.cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8").strip()


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@functools.cache
def content_policy() -> str:
    """Return the Content-Security-Policy of our pages: only our program runs, and nothing is loaded or sent."""
    style, program = _digest(_asset("viewer.css")), _digest(_asset("viewer.js"))
    return (
        f"default-src 'none'; script-src 'sha256-{program}'; style-src 'sha256-{style}'; "
        "base-uri 'none'; form-action 'none'"
    )


def page(
    *, title: str, head: Mapping[str, JsonValue], plain: Iterable[str], index: Chunks, bodies: Chunks
) -> Iterator[bytes]:
    """Yield the bytes of a page.

    `head` is what the program reads first, `plain` the HTML that stands there without it. The program stands
    before the bodies, so that it starts while the browser still reads them.
    """
    style, program, policy = _asset("viewer.css"), _asset("viewer.js"), content_policy()
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<div id="app"><main><h1>{escape(title)}</h1>\n'
    ).encode()
    yield from (piece.encode() for piece in plain)
    yield b"<noscript><p>The examples are shown by a program in this page, which scripts being off keeps from running."
    yield b"</p></noscript>\n</main></div>\n"
    index.finish()
    bodies.finish()
    parts = {"rows": index.rows, "index_starts": index.starts, "body_starts": bodies.starts}
    yield script_element(
        "head", orjson.dumps({**head, **parts, "format": FORMAT}, option=orjson.OPT_SORT_KEYS), compressed=False
    )
    yield from index.pieces()
    yield f"<script>{program}</script>\n".encode()
    yield from bodies.pieces()
    yield b"</body>\n</html>\n"


def plain_page(*, title: str, body: Iterable[str]) -> bytes:
    """Return a page without a program, which may follow links of its own server and nothing else."""
    style = _asset("viewer.css")
    policy = f"default-src 'none'; style-src 'sha256-{_digest(style)}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{''.join(body)}\n</main>\n</body>\n</html>\n"
    ).encode()


def served_policy(program: str) -> str:
    """Return the policy of a page that `insidellms view` serves: its program may speak with the server and no other."""
    return (
        f"default-src 'none'; script-src 'sha256-{_digest(_asset(program))}'; style-src "
        f"'sha256-{_digest(_asset(_SERVED_STYLE))}'; connect-src 'self'; form-action 'self'; base-uri 'none'"
    )


def served_page(
    *, title: str, body: Iterable[str], program: str, data: Mapping[str, object], refresh_s: int | None = None
) -> bytes:
    """Return a page of the server with a program and its data; `refresh_s` is for a browser without scripts."""
    refresh = f'<noscript><meta http-equiv="refresh" content="{refresh_s}"></noscript>\n' if refresh_s else ""
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{served_policy(program)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"{refresh}<title>{escape(title)}</title>\n<style>{_asset(_SERVED_STYLE)}</style>\n</head>\n<body>\n"
        f'<div id="top"></div><main id="main">\n<h1>{escape(title)}</h1>\n{"".join(body)}\n</main>\n'
    )
    block = script_element("data", orjson.dumps(data, option=orjson.OPT_SORT_KEYS), compressed=False)
    return b"%s%s<script>%s</script>\n</body>\n</html>\n" % (head.encode(), block, _asset(program).encode())


def table(caption: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield an HTML table of texts."""
    yield f"<table><caption>{escape(caption)}</caption><thead><tr>"
    yield from (f'<th scope="col">{escape(column)}</th>' for column in columns)
    yield "</tr></thead><tbody>\n"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n"
    yield "</tbody></table>\n"


def escape(text: str) -> str:
    """Make text safe in HTML, control and direction characters spelt out."""
    return html.escape(printable(text))
