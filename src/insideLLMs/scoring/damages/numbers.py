"""Another number in place of one that matters, in the same form: 1,000 stays grouped, 3.5 % a share, a date a date."""

import re

from insideLLMs.core.types import Response
from insideLLMs.scoring.damages.answer import IntactAnswer

_NUMBER = re.compile(r"\d+(?:[.,:/\-’']\d+)*")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})((?::\d{2})?)")
_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fourteen",
          "fifteen", "twenty", "thirty", "forty", "fifty", "sixty", "ninety")  # fmt: skip
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)


def change_number(answer: IntactAnswer) -> Response | None:
    """Change one number wherever the answer has it: one that is expected if there is one, else one not asked about."""
    found = list(dict.fromkeys(_NUMBER.findall(answer.text)))
    if not found:
        return _change_word(answer)
    expected, asked = set(_NUMBER.findall(answer.references)), set(_NUMBER.findall(answer.question))
    matter = [one for one in found if one in expected] or [one for one in found if one not in asked] or found
    number = answer.choose(matter, "number")
    return answer.saying(replaced(answer.text, number, other_number(number, answer)))


def replaced(text: str, number: str, other: str) -> str:
    """Replace a number where it stands whole."""
    return _NUMBER.sub(lambda found: other if found.group() == number else found.group(), text)


def other_number(number: str, answer: IntactAnswer) -> str:
    """Return another number of the same form, further away than any tolerance: its first digit is another one."""
    date, clock = _DATE.fullmatch(number), _CLOCK.fullmatch(number)
    if date and 1 <= int(date[3]) <= 31:
        return f"{date[1]}-{date[2]}-{(int(date[3]) + 8) % 28 + 1:02}"
    if clock and int(clock[1]) < 24:
        return f"{(int(clock[1]) + 5) % 24:0{len(clock[1])}}:{clock[2]}{clock[3]}"
    first = int(number[0])
    return answer.choose([digit for digit in "123456789" if abs(int(digit) - first) > 1], number) + number[1:]


def _change_word(answer: IntactAnswer) -> Response | None:
    found = list(dict.fromkeys(_WORD.findall(answer.text)))
    if not found:
        return None
    word = answer.choose(found, "number")
    other = answer.choose([one for one in _WORDS if one != word.lower()], word)
    other = other.capitalize() if word[0].isupper() else other
    return answer.saying(re.sub(rf"\b{word}\b", other, answer.text))
