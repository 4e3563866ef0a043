"""Numbers as people say them: amounts, units, times, dates, versions, ranges, telephone numbers.

Three levels of knowledge: in English everything below; in languages of ``number_words`` what needs no grammar of that
language; elsewhere plain counts, if num2words knows the language. What we cannot say well is left to the engine as digits.

Each rule is one pattern with bounded repetition that can only begin where a number begins, so time grows with length only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from num2words import CONVERTER_CLASSES, num2words

from voicemode.core.number_words import NumberWords, number_words

__all__ = ["say_count", "say_numbers"]

_Say = Callable[[re.Match[str]], str]

_LEFT = r"(?<![\w.])(?<!\w[-:/\\.])"
"""No number inside a word, a version, a date or a path."""
_RIGHT = r"(?!\w|[.:/-][0-9])"
_DASH = r"\s?[-\u2013]\s?"
_SIGN = r"(?P<sign>[-\u2212+](?=[0-9$\u20ac\u00a3\u00a5\u20b9]))?"
_TIME = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?"
_TELEPHONE = (
    r"\+[0-9]{1,3}(?:[ -]\(?[0-9]{1,8}\)?){1,6}|\([0-9]{3}\)\s?[0-9]{3}-[0-9]{4}"
    r"|[0-9]{3}-[0-9]{3}-[0-9]{4}|[0-9]{3}-[0-9]{4}"
)
_VERSIONED = "Python|Node|Node dot js|Java|Ubuntu|Debian|macOS|iOS|Android|Windows|PHP|Ruby|Rust|Go|Django|[Vv]ersion"
"""Names whose "3.11" is a version and no decimal."""
_PLURAL = re.compile(r"\s(?!was|is|has|does|as|its|this|plus|us)[a-z]{1,30}s(?!\w)")
"""Things that are counted, so that 2048 before them is no year."""
_YEAR_BEFORE = re.compile(r"(?:\b[Ii]n|\b[Ss]ince|\b[Uu]ntil|\b[Yy]ear) \Z")

_LONGEST_COUNT = 15
"""Digits beyond which nobody follows a number by ear."""
_LONGEST_PLAIN = 9
"""The same where we cannot tell a count from something else."""
_UNSAFE = frozenset({"am"})
"""num2words 0.5.14 never returns for some Amharic numbers."""
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_FRACTIONS = {"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters"}
_SCALES = {"k": "thousand", "m": "million", "b": "billion", "t": "trillion"}


def say_numbers(text: str, language: str) -> str:
    """Replace the numbers in ``text`` by words of ``language`` (BCP 47); where it is unknown, leave them."""
    if not any(digit in text for digit in "0123456789"):
        return text
    for pattern, say in _rules(language):
        text = pattern.sub(say, text)
    return text


def say_count(number: int, language: str) -> str:
    """A number from 0 in words of ``language``, or in digits where we do not know them."""
    code = _converter(language)
    return (code and _count(number, code)) or str(number)


@lru_cache(maxsize=32)
def _rules(language: str) -> tuple[tuple[re.Pattern[str], _Say], ...]:
    code = _converter(language)
    if code is None:
        return ()
    words = number_words(_primary(language))
    if words is None:
        left, right = r"(?<![-+\u2212,$\u20ac\u00a3\u00a5#])", r"(?!\s?[%\u00b0$\u20ac\u00a3\u00a5]|[.,]\s?\w|[-:/]|\w)"
        plain = rf"{_LEFT}{left}([1-9][0-9]{{0,{_LONGEST_PLAIN - 1}}}|0){right}"
        return ((re.compile(plain), lambda found: _count(int(found[1]), code) or found[1]),)
    english = _primary(language) == "en"
    speaker = _Speaker(words, code, english=english)
    rules = [*(_english_rules() if english else ()), *speaker.names(), *speaker.amounts(), *speaker.bare()]
    return tuple((re.compile(pattern), say) for pattern, say in rules)


def _primary(language: str) -> str:
    return language.replace("_", "-").split("-")[0].lower()


def _converter(language: str) -> str | None:
    """The name num2words has for ``language``, or None."""
    primary = _primary(language)
    region = language.replace("_", "-").split("-")[-1].upper()
    for code in (f"{primary}_{region}", {"nb": "no", "nn": "no"}.get(primary, primary)):
        if code in CONVERTER_CLASSES and code not in _UNSAFE:
            return code
    return None


@lru_cache(maxsize=4096)
def _count(number: int, code: str, kind: str = "cardinal") -> str | None:
    """The words of one number, or None when there are none."""
    if number >= 10**_LONGEST_COUNT:
        return None
    try:
        said = str(num2words(number, lang=code, to=kind))
    except (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError):
        # Its converters fail in many ways for what they do not cover; digits are the answer to all of them.
        return None
    return said.replace(",", "") if code.startswith("en") else said


class _Speaker:
    """The rules of one language whose words we have, as (pattern, callback) in the order they apply."""

    def __init__(self, words: NumberWords, code: str, *, english: bool) -> None:
        self._words, self._code, self._english = words, code, english
        self._group = "," if words.decimal == "." else "."
        group, decimal = re.escape(self._group), re.escape(words.decimal)
        whole = rf"(?:[0-9]{{1,3}}(?:{group}[0-9]{{3}}){{1,4}}|[0-9]{{1,{_LONGEST_COUNT}}})(?![0-9])"
        self._number = rf"{whole}(?:{decimal}[0-9]{{1,20}}(?![0-9]))?"
        self._span = rf"(?P<from>{self._number})(?:{_DASH}(?P<to>{self._number}))?"
        self._per = rf"(?:/(?P<per>{'|'.join(words.per)})(?!\w))?"

    def names(self) -> list[tuple[str, _Say]]:
        """Numbers that name something and count nothing."""
        part, parts = "[0-9]{1,6}", r"[0-9]{1,6}(?:\.[0-9]{1,6})"
        return [
            (r"(?<!\w)[~\u2248]\s?(?=[0-9$\u20ac\u00a3\u00a5])", lambda _: f"{self._words.about} "),
            (rf"{_LEFT}(?:{_TELEPHONE}){_RIGHT}", self._telephone),
            (rf"(?<=localhost):([0-9]{{1,5}}){_RIGHT}", lambda found: f" {self._words.port} {found[1]}"),
            (rf"{_LEFT}([0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}})(?::([0-9]{{1,5}}))?{_RIGHT}", self._address),
            (rf"{_LEFT}()({parts}{{2,7}}){_RIGHT}", self._version),
            (rf"{_LEFT}[vV]()({part}(?:\.{part}){{0,7}}){_RIGHT}", self._version),
            (rf"(?<!\w)((?:{_VERSIONED})\s)({parts}){_RIGHT}", self._version),
            (rf"{_LEFT}({_TIME})(?:{_DASH}({_TIME}))?(?:\s?([AaPp])\.?[Mm](?!\w)\.?)?{_RIGHT}", self._times),
        ]

    def amounts(self) -> list[tuple[str, _Say]]:
        """Numbers of something."""
        coins = "|".join(re.escape(sign) for sign in self._words.money)
        units = "|".join(re.escape(unit) for unit in sorted(self._words.units, key=len, reverse=True) if unit != "m")
        scale = r"(?:\s?(?P<scale>[kKMBT]|m|bn|million|billion|trillion)(?!\w))?" if self._english else "(?P<scale>(?!))?"
        return [
            (rf"(?<!\w){_SIGN}(?P<coin>{coins})\s?{self._span}{scale}{self._per}{_RIGHT}", self._money),
            (rf"{_LEFT}{_SIGN}{self._span}\s?(?P<scale>(?!))?(?P<coin>{coins}){self._per}{_RIGHT}", self._money),
            (rf"{_LEFT}{_SIGN}{self._span}\s?(?P<unit>%)(?P<per>(?!))?{_RIGHT}", self._measure),
            # A lone "5m" may be minutes, meters or millions; with a space it is meters.
            (rf"{_LEFT}{_SIGN}{self._span}(?:\s?(?P<unit>{units})|\s(?P<m>m)){self._per}{_RIGHT}", self._measure),
        ]

    def bare(self) -> list[tuple[str, _Say]]:
        """Numbers that stand alone."""
        # In many languages "5." is an ordinal, which the engine knows better how to inflect.
        right = _RIGHT if self._english else rf"{_RIGHT}(?!\.\s)"
        return [
            (rf"{_LEFT}(?P<from>{self._number}){_DASH}(?P<to>{self._number}){right}", self._range),
            (rf"{_LEFT}(0[0-9]{{1,40}}|[0-9]{{7,}}){right}", self._digits),
            (rf"{_LEFT}(?P<mark>#)?{_SIGN}(?P<number>{self._number}){right}", self._bare),
        ]

    def _say(self, number: str) -> str:
        whole, _, fraction = number.replace(self._group, "").partition(self._words.decimal)
        said = _count(int(whole), self._code) or whole
        return f"{said} {self._words.decimal_word} {self._spell(fraction)}" if fraction else said

    def _spell(self, digits: str) -> str:
        return " ".join(_count(int(digit), self._code) or digit for digit in digits)

    def _sign(self, found: re.Match[str]) -> str:
        sign = found["sign"]
        return f"{self._words.plus if sign == '+' else self._words.minus} " if sign else ""

    def _say_span(self, found: re.Match[str]) -> str:
        begin = self._say(found["from"])
        return f"{begin} {self._words.to} {self._say(found['to'])}" if found["to"] else begin

    def _telephone(self, found: re.Match[str]) -> str:
        text = found.group()
        groups = re.findall("[0-9]+", text)
        if sum(map(len, groups)) < 7 or all(group.endswith("0") for group in groups):
            return text
        spelled = ", ".join(self._spell(group) for group in groups)
        return f"{self._words.plus} {spelled}" if text[0] == "+" else spelled

    def _address(self, found: re.Match[str]) -> str:
        said = f" {self._words.dot} ".join(self._say(part) for part in found[1].split("."))
        return f"{said} {self._words.port} {self._say(found[2])}" if found[2] else said

    def _version(self, found: re.Match[str]) -> str:
        return found[1] + f" {self._words.point} ".join(self._say(part) for part in found[2].split("."))

    def _times(self, found: re.Match[str]) -> str:
        half = f" {found[3].lower()}.m." if found[3] else ""
        said = [self._time(time, half=bool(half)) for time in (found[1], found[2]) if time]
        return f" {self._words.to} ".join(said) + half

    def _time(self, time: str, *, half: bool) -> str:
        hour, minute, second = (*map(int, time.split(":")), 0)[:3]
        if not self._english:
            said = self._words.hour[0] if hour == 1 else f"{self._say(str(hour))} {self._words.hour[1]}"
            return f"{said} {self._say(str(minute))}" if minute else said
        said = self._say(str(hour))
        if minute:
            said = f"{said} {'oh ' if minute < 10 else ''}{self._say(str(minute))}"
        elif not half:
            said = f"{said} o'clock" if 0 < hour <= 12 else f"{said} hundred"
        return f"{said} and {self._say(str(second))} {'second' if second == 1 else 'seconds'}" if second else said

    def _money(self, found: re.Match[str]) -> str:
        (one, many), hundredth = self._words.money[found["coin"]]
        amount, per = found["from"], self._words.per.get(found["per"] or "", "")
        whole, _, fraction = amount.replace(self._group, "").partition(self._words.decimal)
        if found["scale"]:
            said = f"{self._say_span(found)} {_SCALES[found['scale'].strip()[0].lower()]} {many}"
        elif found["to"] or (fraction and (len(fraction) != 2 or hundredth is None)):
            said = f"{self._say_span(found)} {many}"
        else:
            said = one if int(whole) == 1 else f"{self._say(whole)} {many}"
            if fraction and int(fraction) and hundredth:
                cents = hundredth[0] if int(fraction) == 1 else f"{self._say(fraction)} {hundredth[1]}"
                said = f"{said} {self._words.money_joint} {cents}" if int(whole) else cents
        return f"{self._sign(found)}{said}{' ' if per else ''}{per}"

    def _measure(self, found: re.Match[str]) -> str:
        unit = found["unit"] or "m"
        if unit == "K" and len(found["from"]) == 1:
            return found.group()  # "4K" is the name of a resolution.
        if unit == "%":
            said = f"{self._say_span(found)} {self._words.percent}"
        else:
            one, many = self._words.units[unit]
            said = one if found["from"] == "1" and not found["to"] else f"{self._say_span(found)} {many}"
        per = self._words.per.get(found["per"] or "", "")
        return f"{self._sign(found)}{said}{' ' if per else ''}{per}"

    def _range(self, found: re.Match[str]) -> str:
        """Only where it rises: "5-3" is a score."""
        begin, end = (n.replace(self._group, "").replace(",", ".") for n in (found["from"], found["to"]))
        if float(begin) >= float(end):
            return found.group()
        years = [self._year(n) for n in (begin, end)]
        return f" {self._words.to} ".join(y for y in years if y) if all(years) else self._say_span(found)

    def _digits(self, found: re.Match[str]) -> str:
        digits = found[1]
        count = _count(int(digits), self._code) if digits.endswith("000") and len(digits) <= _LONGEST_COUNT else None
        return count if count and digits[0] != "0" else self._spell(digits)

    def _bare(self, found: re.Match[str]) -> str:
        number, mark = found["number"], found["mark"]
        if not (mark or found["sign"]):
            old = _YEAR_BEFORE.search(found.string, max(0, found.start() - 6), found.start()) is not None
            year = None if _PLURAL.match(found.string, found.end()) else self._year(number, old=old)
            if year:
                return year
        lead = f"{self._words.number} " if mark else ""
        return f"{lead}{self._sign(found)}{self._say(number)}"

    def _year(self, number: str, *, old: bool = False) -> str | None:
        """The words of a number that is read as a year, in English; elsewhere years are said like counts."""
        if not self._english or len(number) != 4 or not number.isdigit():
            return None
        return _count(int(number), self._code, "year") if (1100 if old else 1900) <= int(number) < 2100 else None


def _english_rules() -> list[tuple[str, _Say]]:
    date = r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    return [
        (rf"{_LEFT}{date}(?:T(?=[0-9]{{2}}:)|(?!\w|[.:/-][0-9]))", _date),
        (r"(?<=[0-9]:[0-9]{2})Z(?!\w)", lambda _: " UTC"),
        (rf"{_LEFT}((?:19|20)[0-9]0)s(?!\w)", _decade),
        (rf"{_LEFT}([0-9]{{1,9}})(?:st|nd|rd|th)(?!\w)", lambda found: _count(int(found[1]), "en", "ordinal") or found.group()),
        (rf"{_LEFT}([0-9]{{1,6}})/([0-9]{{1,6}})(?!\w|[.:/-][0-9])", _fraction),
    ]


def _date(found: re.Match[str]) -> str:
    day, year = _count(int(found[3]), "en", "ordinal"), _count(int(found[1]), "en", "year")
    return f"{_MONTHS[int(found[2]) - 1]} {day}, {year}" + (" at " if found.group().endswith("T") else "")


def _decade(found: re.Match[str]) -> str:
    said = _count(int(found[1]), "en", "year") or found[1]
    return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"


def _fraction(found: re.Match[str]) -> str:
    """Three of five tests, but neither 24/7 nor 50/50."""
    part, whole = int(found[1]), int(found[2])
    if part >= whole:
        return found.group()
    return _FRACTIONS.get(found.group()) or f"{_count(part, 'en')} out of {_count(whole, 'en')}"
