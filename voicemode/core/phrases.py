"""The few words that speakable text adds to a message, in the languages we can write them in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Phrases", "phrases_for"]


@dataclass(frozen=True, slots=True)
class Phrases:
    """``{}`` is where the number or name goes. The defaults are English."""

    code_line: str = "A code block of one line"
    code_lines: str = "A code block of {} lines"
    in_language: str = " in {}"
    """Which programming language; follows ``code_lines``."""
    some_code: str = "some code"
    """Stands for a code span too long to listen to."""
    link: str = "link to {}"
    image: str = "image"
    port: str = "port {}"
    home: str = "home"
    """The "~" of a path."""
    done: str = "done"
    todo: str = "to do"
    yes: str = "yes"
    no: str = "no"
    dot: str = "dot"
    slash: str = "slash"
    dash: str = "dash"
    at: str = "at"
    equals: str = "equals"
    not_equals: str = "is not equal to"
    less: str = "less than"
    greater: str = "greater than"
    plus: str = "plus"
    star: str = "star"
    logical_and: str = "and"
    logical_or: str = "or"
    pipe: str = "pipe"
    to: str = "to"
    """An arrow."""


_ENGLISH = Phrases()

_BY_LANGUAGE = {
    "en": _ENGLISH,
    "de": Phrases(
        code_line="Ein Codeblock mit einer Zeile",
        code_lines="Ein Codeblock mit {} Zeilen",
        some_code="etwas Code",
        link="Link zu {}",
        image="Bild",
        home="Home",
        done="erledigt",
        todo="offen",
        yes="ja",
        no="nein",
        dot="Punkt",
        slash="Schrägstrich",
        dash="Strich",
        at="at",
        equals="gleich",
        not_equals="ungleich",
        less="kleiner als",
        greater="größer als",
        star="Stern",
        logical_and="und",
        logical_or="oder",
        to="nach",
    ),
    "fr": Phrases(
        code_line="Un bloc de code d'une ligne",
        code_lines="Un bloc de code de {} lignes",
        in_language=" en {}",
        some_code="du code",
        link="lien vers {}",
        home="home",
        done="fait",
        todo="à faire",
        yes="oui",
        no="non",
        dot="point",
        dash="tiret",
        at="arobase",
        equals="égale",
        not_equals="différent de",
        less="inférieur à",
        greater="supérieur à",
        star="étoile",
        logical_and="et",
        logical_or="ou",
        to="vers",
    ),
    "es": Phrases(
        code_line="Un bloque de código de una línea",
        code_lines="Un bloque de código de {} líneas",
        in_language=" en {}",
        some_code="algo de código",
        link="enlace a {}",
        image="imagen",
        port="puerto {}",
        done="hecho",
        todo="pendiente",
        yes="sí",
        dot="punto",
        slash="barra",
        dash="guion",
        at="arroba",
        equals="igual a",
        not_equals="distinto de",
        less="menor que",
        greater="mayor que",
        plus="más",
        star="asterisco",
        logical_and="y",
        logical_or="o",
        to="a",
    ),
}


def phrases_for(language: str) -> Phrases:
    """The phrases of ``language`` (BCP 47); English ones where we have no others: silence would hide what was left out."""
    return _BY_LANGUAGE.get(language.replace("_", "-").split("-")[0].lower(), _ENGLISH)
