"""What surrounds numbers in speech: units, money, signs, times; per language, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["NumberWords", "number_words"]

Forms = tuple[str, str]
"""With the number one, the number included ("one kilometer"), and behind any other number ("kilometers")."""


@dataclass(frozen=True, slots=True)
class NumberWords:
    """The words of one language."""

    decimal: str
    """The character between a number's whole and its fraction; the other one of "," and "." groups thousands."""
    decimal_word: str
    """What is said for it."""
    point: str
    """Between the parts of a version."""
    dot: str
    """Between the parts of an IP address."""
    port: str
    minus: str
    plus: str
    percent: str
    to: str
    """Between the ends of a range."""
    number: str
    """For "#5"."""
    about: str
    """For "~5"."""
    hour: Forms
    """For 1:00, and behind any other hour."""
    money_joint: str
    """Between dollars and cents."""
    units: Mapping[str, Forms]
    money: Mapping[str, tuple[Forms, Forms | None]]
    """By sign or code: the currency, and its hundredth or None."""
    per: Mapping[str, str]
    """For "/s" behind a unit or an amount."""


def _plurals(text: str) -> dict[str, Forms]:
    """English units from "sign name, sign name"."""
    pairs = (pair.split(" ", 1) for pair in text.split(", "))
    return {sign: (f"one {name}", f"{name}s") for sign, name in pairs}


def _forms(text: str) -> dict[str, Forms]:
    """Units from "sign: one, many; sign: one, many"."""
    found: dict[str, Forms] = {}
    for entry in text.split("; "):
        sign, _, forms = entry.partition(": ")
        one, _, many = forms.partition(", ")
        found[sign] = (one, many)
    return found


def _money(**coins: str) -> dict[str, tuple[Forms, Forms | None]]:
    """Currencies from name="one, many" or name="one, many; one hundredth, many hundredths"."""
    found: dict[str, tuple[Forms, Forms | None]] = {}
    for name, forms in coins.items():
        whole, _, part = forms.partition("; ")
        one, _, many = whole.partition(", ")
        cent, _, cents = part.partition(", ")
        for sign in _SIGNS[name]:
            found[sign] = ((one, many), (cent, cents) if part else None)
    return found


_SIGNS = {"dollar": ("$", "USD"), "euro": ("€", "EUR"), "pound": ("£", "GBP"), "yen": ("¥", "JPY"), "rupee": ("₹", "INR")}

_ENGLISH = NumberWords(
    decimal=".",
    decimal_word="point",
    point="point",
    dot="dot",
    port="port",
    minus="minus",
    plus="plus",
    percent="percent",
    to="to",
    number="number",
    about="about",
    hour=("one o'clock", "o'clock"),
    money_joint="and",
    units=_plurals(
        "km kilometer, cm centimeter, mm millimeter, µm micrometer, nm nanometer, m meter, kg kilogram, g gram, mg milligram, "
        "ms millisecond, µs microsecond, us microsecond, ns nanosecond, s second, sec second, min minute, h hour, hr hour, "
        "KB kilobyte, kB kilobyte, MB megabyte, GB gigabyte, TB terabyte, PB petabyte, KiB kibibyte, MiB mebibyte, "
        "GiB gibibyte, TiB tebibyte, kbit kilobit, Mbit megabit, Gbit gigabit, px pixel, W watt, kW kilowatt, MW megawatt, "
        "kWh kilowatt hour, V volt, mV millivolt, mA milliampere, mAh milliampere hour, dB decibel, ml milliliter, "
        "L liter, lb pound, oz ounce, mi mile, yd yard, ° degree, x time"
    )
    | _forms(
        "hrs: one hour, hours; lbs: one pound, pounds; ft: one foot, feet; Hz: one hertz, hertz; "
        "kHz: one kilohertz, kilohertz; MHz: one megahertz, megahertz; GHz: one gigahertz, gigahertz; "
        "°C: one degree Celsius, degrees Celsius; "
        "°F: one degree Fahrenheit, degrees Fahrenheit; "
        "kbps: one kilobit per second, kilobits per second; Mbps: one megabit per second, megabits per second; "
        "Gbps: one gigabit per second, gigabits per second; mph: one mile per hour, miles per hour; "
        "fps: one frame per second, frames per second; "
        "rpm: one turn per minute, turns per minute; k: one thousand, thousand; K: one thousand, thousand; "
        "M: one million, million"
    ),
    money=_money(
        dollar="one dollar, dollars; one cent, cents",
        euro="one euro, euros; one cent, cents",
        pound="one pound, pounds; one penny, pence",
        yen="one yen, yen",
        rupee="one rupee, rupees; one paisa, paise",
    ),
    per={unit: f"per {unit}" for unit in ("minute", "hour", "day", "week", "month", "year", "user")}
    | {"s": "per second", "min": "per minute", "h": "per hour", "mo": "per month"},
)

_GERMAN = NumberWords(
    decimal=",",
    decimal_word="Komma",
    point="Punkt",
    dot="Punkt",
    port="Port",
    minus="minus",
    plus="plus",
    percent="Prozent",
    to="bis",
    number="Nummer",
    about="etwa",
    hour=("ein Uhr", "Uhr"),
    money_joint="und",
    units=_forms(
        "km: ein Kilometer, Kilometer; m: ein Meter, Meter; cm: ein Zentimeter, Zentimeter; mm: ein Millimeter, Millimeter; "
        "kg: ein Kilogramm, Kilogramm; g: ein Gramm, Gramm; ms: eine Millisekunde, Millisekunden; s: eine Sekunde, Sekunden; "
        "min: eine Minute, Minuten; h: eine Stunde, Stunden; KB: ein Kilobyte, Kilobyte; kB: ein Kilobyte, Kilobyte; "
        "MB: ein Megabyte, Megabyte; GB: ein Gigabyte, Gigabyte; TB: ein Terabyte, Terabyte; Hz: ein Hertz, Hertz; "
        "kHz: ein Kilohertz, Kilohertz; MHz: ein Megahertz, Megahertz; GHz: ein Gigahertz, Gigahertz; "
        "°C: ein Grad Celsius, Grad Celsius; °: ein Grad, Grad; W: ein Watt, Watt; kW: ein Kilowatt, Kilowatt; "
        "V: ein Volt, Volt; dB: ein Dezibel, Dezibel"
    ),
    money=_money(
        euro="ein Euro, Euro; ein Cent, Cent",
        dollar="ein Dollar, Dollar; ein Cent, Cent",
        pound="ein Pfund, Pfund; ein Penny, Pence",
    ),
    per={"s": "pro Sekunde", "min": "pro Minute", "h": "pro Stunde", "Tag": "pro Tag", "Monat": "pro Monat"},
)

_FRENCH = NumberWords(
    decimal=",",
    decimal_word="virgule",
    point="point",
    dot="point",
    port="port",
    minus="moins",
    plus="plus",
    percent="pour cent",
    to="à",
    number="numéro",
    about="environ",
    hour=("une heure", "heures"),
    money_joint="et",
    units=_forms(
        "km: un kilomètre, kilomètres; m: un mètre, mètres; cm: un centimètre, centimètres; mm: un millimètre, millimètres; "
        "kg: un kilogramme, kilogrammes; g: un gramme, grammes; ms: une milliseconde, millisecondes; s: une seconde, secondes; "
        "min: une minute, minutes; h: une heure, heures; ko: un kilooctet, kilooctets; Mo: un mégaoctet, mégaoctets; "
        "Go: un gigaoctet, gigaoctets; KB: un kilooctet, kilooctets; MB: un mégaoctet, mégaoctets; "
        "GB: un gigaoctet, gigaoctets; Hz: un hertz, hertz; kHz: un kilohertz, kilohertz; MHz: un mégahertz, mégahertz; "
        "GHz: un gigahertz, gigahertz; °C: un degré, degrés; "
        "°: un degré, degrés; W: un watt, watts; V: un volt, volts; "
        "dB: un décibel, décibels"
    ),
    money=_money(
        euro="un euro, euros; un centime, centimes",
        dollar="un dollar, dollars; un cent, cents",
        pound="une livre, livres; un penny, pence",
    ),
    per={"s": "par seconde", "min": "par minute", "h": "par heure", "jour": "par jour", "mois": "par mois"},
)

_SPANISH = NumberWords(
    decimal=",",
    decimal_word="coma",
    point="punto",
    dot="punto",
    port="puerto",
    minus="menos",
    plus="más",
    percent="por ciento",
    to="a",
    number="número",
    about="unos",
    hour=("una hora", "horas"),
    money_joint="con",
    units=_forms(
        "km: un kilómetro, kilómetros; m: un metro, metros; cm: un centímetro, centímetros; mm: un milímetro, milímetros; "
        "kg: un kilogramo, kilogramos; g: un gramo, gramos; ms: un milisegundo, milisegundos; s: un segundo, segundos; "
        "min: un minuto, minutos; h: una hora, horas; KB: un kilobyte, kilobytes; MB: un megabyte, megabytes; "
        "GB: un gigabyte, gigabytes; Hz: un hercio, hercios; kHz: un kilohercio, kilohercios; MHz: un megahercio, megahercios; "
        "GHz: un gigahercio, gigahercios; °C: un grado, grados; °: un grado, grados; W: un vatio, vatios; "
        "V: un voltio, voltios; dB: un decibelio, decibelios"
    ),
    money=_money(
        euro="un euro, euros; un céntimo, céntimos",
        dollar="un dólar, dólares; un centavo, centavos",
        pound="una libra, libras; un penique, peniques",
    ),
    per={"s": "por segundo", "min": "por minuto", "h": "por hora", "día": "por día", "mes": "por mes"},
)

_BY_LANGUAGE = {"en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH, "es": _SPANISH}


def number_words(language: str) -> NumberWords | None:
    """The words of ``language``, a lowercase primary subtag such as "en"; None where we have none."""
    return _BY_LANGUAGE.get(language)
