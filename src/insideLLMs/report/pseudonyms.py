"""Secrets and personal data in texts, each replaced by a pseudonym: the same value by the same one, under one salt."""

import copy
import hashlib
import hmac
import ipaddress
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from urllib.parse import quote

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.key_shapes import KEY_SHAPES
from insideLLMs.core.types import JsonValue

_LETTERS = str.maketrans("0123456789", "ghijklmnop")
"""A pseudonym has no digits, so that nothing in it is taken for a number."""
_DIGEST_LETTERS = 12
_AT_SIGN = r"(?:[@\uff20]|%(?:25){0,3}40|&#0{0,4}64;|&#x0{0,4}40;|&commat;|\\u0040)"
_OF_FILES = r"(?:png|jpe?g|gif|svg|webp|pdf|tgz|gz|js|json|txt|html)\b"
_EMAIL = re.compile(
    rf"[\w%+](?:[\w.%+'-]{{0,62}}[\w+-])?{_AT_SIGN}[^\W_](?:[\w-]{{0,62}}\.)+(?!{_OF_FILES})(?:xn--[\w-]{{2,59}}|[^\W\d_]{{2,63}})"
)
_AT = re.compile(_AT_SIGN)
_IBAN = re.compile(
    r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?:[ \xa0-]?[A-Z0-9]{4}){2,7}(?:[ \xa0-]?[A-Z0-9]{1,3})?(?![A-Z0-9])", re.IGNORECASE
)
_CARD = re.compile(
    r"(?<![\w.])(?:\d{13,19}|(?:\d{4}[ \xa0-]){3}\d{1,4}(?:[ \xa0-]\d{1,3})?|\d{4}[ \xa0-]\d{6}[ \xa0-]\d{4,5})(?!\w)"
)
_CARD_STARTS = re.compile(r"4\d{12}|3[0689]\d{12}|(?:3[47]\d\d|2131|1800)\d{11}|[2-9]\d{15}|[4-6]\d{16,18}", re.ASCII)
"""How numbers of cards begin, by their length: those of times, articles and devices begin otherwise, mostly."""
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_IPV4 = re.compile(r"(?<![\d.])(?<!\b[vV])(?<![vV]ersion )(?<!Chrome/)(?<!==)\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)")
_IPV6 = re.compile(r"(?<![:\w])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![:\w])")
_GROUPED_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+1[ .-]?|1(?:[ .-]|(?=\()))?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"
)
_DATE = re.compile(
    r"(?<![\w+./-])(?<!\+\d )(?<!\+\d\d )(?<!\+\d{3} )"
    r"(?:[0-3]?\d([./ -])[0-3]?\d\1(?:19|20)\d\d|[0-3]?\d([./])[0-3]?\d\2\d\d"
    r"|(?:19|20)\d\d([./ -])[01]?\d\3[0-3]?\d)(?!\w|[./-]\d)"
)
"""A date: where numbers lack a country code, some are valid as those of phones."""
_ABROAD = r"(?<![\w.+-])({}[ -]?)([1-9](?:[ ()/.-]{{0,2}}\d){{7,14}})(?!\w)"
_FROM_ABROAD = re.compile(_ABROAD.format("00"))
"""A phone number with the prefix that most countries dial for a plus."""
_FROM_AMERICA = re.compile(_ABROAD.format("0(?:0|11)"))
"""The same, with that of North America, too: elsewhere 011 may be a city."""
_OF_SECRETS = (
    r"(?:pass(?:word|wd|phrase|code)|api[_-]?key|(?:access|private|secret)[_-]?key|client[_-]?secret|"
    r"(?:access|refresh|id|auth|session|security)[_-]?token|authorization)"
)
_SECRET_NAME = re.compile(rf"(?:^|[_-]|(?<=[a-z\d])(?-i:(?=[A-Z]))){_OF_SECRETS}$", re.IGNORECASE)
_NAMED_SECRET = re.compile(
    rf"{_OF_SECRETS}(?:\\{{0,8}}[\"'])?\s{{0,3}}[:=]\s{{0,3}}"
    r"(?:(?P<mark>[\"'])(?P<quoted>(?:(?!(?P=mark))(?:\\.|[^\\\n])){1,200})(?P=mark)"
    r"|(?P<escaped_mark>\\{1,8}[\"'])(?P<escaped>[^\n]{1,200}?)(?<!\\)(?P=escaped_mark)"
    r"|(?P<plain>[^\s\"'`<>,;&(){}\[\]\\=/$][^\s\"'`<>,;&(){}\[\]\\]{5,200}+)(?![(\[]))"
    r"|[?&](?:token|key|sig|signature|x-amz-(?:signature|credential))=(?P<sent>[^&\s\"'<>#\[\]\\]{16,200}+)",
    re.IGNORECASE,
)
"""A secret by its name within a text: quoted in JSON or code, a word with a digit in settings, a part of a URL."""
_OF_CODE = re.compile(r".*://.*|[^\W\d]\w*(?:\.[^\W\d]\w*)+")
"""An address, or a name of code such as `ed25519.PrivateKey`."""
_PLACEHOLDER = re.compile(r"\$.*|<.*>")
_IN_NAMES = ("passw", "passp", "passc", "key", "secret", "token", "authorization", "sig")
_PSEUDONYM = re.compile(r"\[[a-z]+-[a-p]{12}\]")
_JOINED = re.compile(r"[\w.,/-]\Z")
_FULL_WIDTH = 0xFF01 - ord("!")
_BLANKS = re.compile(r"[\s().-]+")


class Pseudonyms:
    """Replaces what it finds. `words` are further texts to replace; `region` is whose phone numbers lack a prefix.

    Raises InsideLLMsError without the extra.
    """

    def __init__(self, salt: bytes, *, words: Iterable[str] = (), region: str | None = None) -> None:
        self._salt = salt
        self._phones = _phone_finder(region)
        named = {spelling: word.casefold() for word in _listed(words) for spelling in _spellings(word)}
        self._named = {spelling.casefold(): word for spelling, word in named.items()}
        shapes = [r"\s+".join(map(re.escape, spelling.split())) for spelling in sorted(named, key=len, reverse=True)]
        self._words = re.compile("|".join(shapes), re.IGNORECASE) if shapes else None

    def salted(self, salt: bytes) -> "Pseudonyms":
        """Return one that finds the same and gives other names."""
        other = copy.copy(self)
        other._salt = salt
        return other

    def pseudonym(self, kind: str, value: str) -> str:
        """Return the name of a value: the same for the same one, and one that does not lead back to it."""
        digest = hmac.new(self._salt, f"{kind}\n{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"[{kind}-{digest[:_DIGEST_LETTERS].translate(_LETTERS)}]"

    def text(self, text: str) -> str:
        """Return a text without what was found, also behind invisible letters, foreign digits, dashes and spaces."""
        found = self._text(text)
        plain = found if found.isascii() else "".join(map(_plain, found))
        without_hidden = found if plain == found else self._text(plain)
        return found if without_hidden == plain else without_hidden

    def _text(self, text: str) -> str:
        if self._words is not None:
            text = self._words.sub(self._word, text)
        data = text.encode("utf-8", "surrogatepass")
        blanked = KEY_SHAPES.sub(lambda found: self.pseudonym("key", found[0].decode(errors="replace")).encode(), data)
        text = blanked.decode("utf-8", "surrogatepass")
        folded = text.casefold()
        if any(part in folded for part in _IN_NAMES):  # at a tenth of the cost of the search
            text = _NAMED_SECRET.sub(self._secret, text)
        if _AT.search(text):
            text = _EMAIL.sub(lambda found: self.pseudonym("email", _AT.sub("@", found[0]).casefold()), text)
        if not any(letter.isdigit() for letter in text) and "::" not in text:
            return text
        for kind, pattern, is_one in _NUMBERS:
            text = pattern.sub(partial(self._number, kind, is_one), text)
        return _GROUPED_PHONE.sub(partial(self._number, "phone", _always), self._without_phones(text))

    def _word(self, found: re.Match[str]) -> str:
        spelling = " ".join(found[0].split()).casefold()
        return self.pseudonym("word", self._named.get(spelling, spelling))

    def value(self, value: JsonValue) -> JsonValue:
        """Return a JSON value whose texts, keys and numbers have nothing that was found."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            found: dict[str, JsonValue] = {}
            for name, item in value.items():
                shown = self.text(name)
                while shown in found:  # one value in two spellings
                    shown += "'"
                found[shown] = self._named_value(name, item)
            return found
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if isinstance(value, int | float) and value == value // 1 and _CARD.fullmatch(str(int(value))):
            number = str(int(value))
            shown = self.text(number)
            return value if shown == number else shown
        return value

    def _named_value(self, name: str, value: JsonValue) -> JsonValue:
        is_secret = isinstance(value, str) and value and _SECRET_NAME.search(name) and not _PSEUDONYM.fullmatch(value)
        return self.pseudonym("key", str(value)) if is_secret else self.value(value)

    def _secret(self, found: re.Match[str]) -> str:
        kind = found.lastgroup or "quoted"
        value, (start, end) = found[kind], found.span(kind)
        is_word = kind == "plain" and (_OF_CODE.fullmatch(value) or not any(map(str.isdigit, value)))
        if is_word or _PSEUDONYM.fullmatch(value) or _PLACEHOLDER.fullmatch(value):
            return found[0]
        return f"{found[0][: start - found.start()]}{self.pseudonym('key', value)}{found[0][end - found.start() :]}"

    def _number(self, kind: str, is_one: Callable[[str], bool], found: re.Match[str]) -> str:
        if not is_one(found[0]):
            return found[0]
        plain = "".join(map(_plain, _BLANKS.sub("", found[0]))).upper()
        return self.pseudonym(kind, f"+1{plain.lstrip('+')[-10:]}" if kind == "phone" else plain)

    def _without_phones(self, text: str) -> str:
        for start, end, number in reversed(list(self._phones(text))):
            if not _JOINED.search(text[:start]) and not text[end : end + 1].isalnum():
                text = f"{text[:start]}{self.pseudonym('phone', number)}{text[end:]}"
        return text


def _listed(words: Iterable[str]) -> Iterator[str]:
    """Yield the words of a list in one form, without blank ones."""
    for word in words:
        if word.strip():
            yield unicodedata.normalize("NFC", " ".join(word.split()))


def _spellings(word: str) -> Iterator[str]:
    """Yield a word as texts may have it: with accents as letters of their own or not, in JSON and in URLs."""
    for form in ("NFC", "NFD"):
        for cased in (word, word.upper()):
            spelling = unicodedata.normalize(form, cased)
            yield from (spelling, json.dumps(spelling)[1:-1], quote(spelling))


@cache
def _plain(letter: str) -> str:
    """Return what a letter looks like: a digit, dash, space or letter of ASCII, nothing for an invisible one."""
    match unicodedata.category(letter):
        case "Cf":
            return ""
        case "Nd":
            return str(unicodedata.decimal(letter))
        case "Pd":
            return "-"
        case "Zs":
            return " "
    return chr(ord(letter) - _FULL_WIDTH) if "\uff01" <= letter <= "\uff5e" else letter


def _phone_finder(region: str | None) -> Callable[[str], Iterable[tuple[int, int, str]]]:
    """Return what yields where a text has phone numbers, and each in the form of E.164."""
    try:
        import phonenumbers  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InsideLLMsError(
            "the library that finds personal data is not installed", fix="pip install 'insidellms[redact]'"
        ) from error
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise InsideLLMsError(
            f"{region!r} is not a region with phone numbers", fix="give two letters, such as US or DE"
        )

    is_american = region is None or phonenumbers.country_code_for_region(region) == 1
    from_abroad = _FROM_AMERICA if is_american else _FROM_ABROAD

    def find(text: str) -> Iterable[tuple[int, int, str]]:
        dialled = from_abroad.sub(lambda found: f"{'+':>{len(found[1])}}{found[2]}", text)  # of the same length
        prefixes = {found.end(1) - 1: found.start() for found in from_abroad.finditer(text)}
        undated = _DATE.sub(lambda found: "_" * len(found[0]), dialled)
        for found in phonenumbers.PhoneNumberMatcher(undated, region):
            opening = found.raw_string.count("(") > found.raw_string.count(")")
            start = found.start + opening
            yield (
                prefixes.get(start, start),
                found.end,
                phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164),
            )

    return find


def _is_card(found: str) -> bool:
    """Whether the digits are those of a card of that length, pass the check of ISO/IEC 7812 (Luhn), and differ."""
    number = "".join(str(unicodedata.decimal(letter)) for letter in found if letter.isdecimal())
    digits = [int(digit) for digit in reversed(number)]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (
        _CARD_STARTS.fullmatch(number) is not None and len(set(digits)) > 1 and (sum(digits[::2]) + doubled) % 10 == 0
    )


def _is_iban(found: str) -> bool:
    """Whether the check digits of ISO 13616 fit."""
    packed = _BLANKS.sub("", found)
    return int("".join(str(int(letter, 36)) for letter in packed[4:] + packed[:4])) % 97 == 1


def _is_address(found: str) -> bool:
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    is_nobodys = isinstance(address, ipaddress.IPv6Address) and address.is_reserved and not address.is_loopback
    is_mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    return any(letter.isdigit() for letter in found) and (is_mapped or not is_nobodys)  # as in `items[1::2]`


def _always(_: str) -> bool:
    return True


_NUMBERS = (
    ("iban", _IBAN, _is_iban),
    ("card", _CARD, _is_card),
    ("ssn", _SSN, _always),
    ("ip", _IPV4, _is_address),
    ("ip", _IPV6, _is_address),
)
