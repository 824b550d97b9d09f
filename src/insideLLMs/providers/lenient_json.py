"""JSON as servers really send it, decoded once and leniently: an answer that was paid for is read.

Byte order marks, comments before the body, NaN, half a surrogate pair, half a UTF-8 character and a charset of old
are understood; what cannot be read of a text becomes U+FFFD, and what is no JSON number becomes null. All that we
write stays strict.
"""

import codecs
import json
import re

import orjson

_CHARSETS = (
    "iso8859-1 iso8859-15 cp1250 cp1251 cp1252 koi8-r ascii utf-16 utf-16-le utf-16-be utf-32 gbk gb2312 gb18030 big5"
    " shift_jis euc_jp euc_kr"
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHARSET = re.compile(r"charset=\"?([\w.:-]{1,40})", re.IGNORECASE)
_COMMENTS = re.compile(r"\A(?:\s*:[^\n]*\n)+")
_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
"""A whole surrogate pair, half of one, or any other escape."""


def read_json(data: bytes, content_type: str = "", *, keep_halves: bool = False) -> object:
    """Decode a JSON value. Raises ValueError for what is none.

    `keep_halves` leaves half a surrogate pair in place, where the other half may come in the next piece.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = _COMMENTS.sub("", decode_text(data, content_type)).strip("\ufeff\0 \t\r\n")
    if not keep_halves and "\\u" in text:
        text = _ESCAPES.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
    try:
        return json.loads(text, strict=False, parse_constant=lambda _: None, parse_float=_number)
    except RecursionError:
        raise ValueError("the JSON nests too deep") from None


def write_json(value: object) -> bytes:
    """Write what `read_json` gave; halves of a pair that have come together are one character again.

    Raises ValueError for what nests too deep.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        try:
            return json.dumps(value).encode()
        except RecursionError:
            raise ValueError("the JSON nests too deep") from None


def decode_text(data: bytes, content_type: str = "") -> str:
    """Decode a text: by its byte order mark, as UTF-8, or in the charset that its content type names."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if data[:2] in {b"{\0", b"[\0", b'"\0'}:
        return data.decode("utf-16-le", "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode(_charset(content_type), "replace")


def _charset(content_type: str) -> str:
    named = _CHARSET.search(content_type)
    try:
        name = codecs.lookup(named[1]).name if named else "utf-8"
    except LookupError:
        return "utf-8"
    return name if name in _CHARSETS.split() else "utf-8"


def _number(text: str) -> float | None:
    number = float(text)
    return number if abs(number) != float("inf") else None
