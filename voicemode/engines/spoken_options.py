"""How people say the answers that are expected of them: "Option 2 (recommended)" is spoken "option two". Pure."""

from __future__ import annotations

import re

__all__ = ["MAX_OPTIONS", "MAX_WORDS", "spoken_forms"]

MAX_OPTIONS = 200
"""Of one question; a grammar with more is slower than dictation and as unsure."""
MAX_WORDS = 12
"""Of one option; nobody repeats a longer one word by word."""

_SAME = {"yes": ("yeah", "yep", "yup"), "no": ("nope", "nah"), "okay": ("ok",), "ok": ("okay",)}
"""Words that mean the same answer and no other."""

_SYMBOLS = {"%": " percent ", "&": " and ", "+": " plus ", "@": " at ", "#": " number ", "=": " equals "}
_YEARS = range(1100, 2100)
"""Numbers that are said in pairs: "twenty twenty six"."""

_BRACKETED = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?:(st|nd|rd|th)\b)?")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def spoken_forms(option: str) -> tuple[tuple[str, ...], ...]:
    """The ways to say ``option`` in English, each as lower-case words; empty when there is nothing to say in it."""
    plain = option.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    forms = dict.fromkeys((_words(plain), _words(_BRACKETED.sub(" ", plain))))
    forms |= dict.fromkeys((word,) for form in tuple(forms) if len(form) == 1 for word in _SAME.get(form[0], ()))
    return tuple(form for form in forms if 0 < len(form) <= MAX_WORDS)


def _words(text: str) -> tuple[str, ...]:
    for symbol, spoken in _SYMBOLS.items():
        text = text.replace(symbol, spoken)
    return tuple(_WORD.findall(_NUMBER.sub(_number, _THOUSANDS.sub("", text))))


def _number(found: re.Match[str]) -> str:
    # Only numbers need it, and it loads 50 languages.
    from num2words import num2words

    number, ordinal = found.groups()
    digits = number.partition(".")[0]
    if len(digits) > 6 or (digits.startswith("0") and len(digits) > 1):
        return " ".join(f" {num2words(int(digit))} " for digit in number if digit.isdigit())  # telephone numbers, codes
    value = float(number) if "." in number else int(number)
    manner = "cardinal"
    if isinstance(value, int):
        manner = "ordinal" if ordinal else "year" if value in _YEARS else "cardinal"
    # the model is American: "one hundred seventy"
    return f" {num2words(value, to=manner).replace('-', ' ').replace(',', '').replace(' and ', ' ')} "
