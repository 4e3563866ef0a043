"""The files of config/phrases are read whole or refused, and what is in them means one thing."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from voicemode.core.commands import Command, is_backchannel, read_command
from voicemode.engines.phrase_files import load_phrases, read_phrases
from voicemode.errors import SettingsError

FOLDER = Path(__file__).parents[2] / "config" / "phrases"
LANGUAGES = sorted(path.stem for path in FOLDER.glob("*.toml"))
COMPLETE = "fillers = ['please']\nbackchannels = ['yes']\n[commands]\n" + "".join(f"{c} = ['do {c}']\n" for c in Command)

ANSWERS = {
    "en": ("no", "nope", "cancel", "continue", "one second", "again", "never mind", "left"),
    "de": ("nein", "n\xf6", "abbrechen", "weiter", "eine Sekunde"),
    "fr": ("non", "annule", "continue", "une seconde"),
    "es": ("no", "cancela", "sigue", "un segundo"),
    "it": ("no", "annulla", "continua", "un secondo"),
    "nl": ("nee", "annuleer", "ga door", "een seconde"),
    "pt": ("n\xe3o", "cancela", "continua", "um segundo"),
    "pl": ("nie", "anuluj", "dalej", "sekunda"),
    "ja": ("\u3044\u3044\u3048", "\u3044\u3084", "\u3046\u3046\u3093", "\u30ad\u30e3\u30f3\u30bb\u30eb", "\u7d9a\u3051\u3066"),
}


def test_the_languages_are_there() -> None:
    """At least those in which the engines of this project are used most."""
    assert set(LANGUAGES) >= {"en", "de", "fr", "es", "it", "nl", "pt", "pl", "ja"}
    assert set(ANSWERS) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_phrase_is_what_its_file_says(language: str) -> None:
    """Also beside English, whose phrases always count: none is two commands, or both a command and a backchannel."""
    phrases, file = load_phrases(language), read_phrases(FOLDER / f"{language}.toml")
    for command, listed in file.commands.items():
        for phrase in listed:
            assert read_command(phrase, phrases) is command, phrase
            assert not is_backchannel(phrase, phrases), phrase
    for phrase in file.backchannels:
        assert is_backchannel(phrase, phrases), phrase
        assert read_command(phrase, phrases) is None, phrase


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_listed_twice(language: str) -> None:
    """Within a list of a file."""
    content = tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))
    for listed in (content["fillers"], content["backchannels"], *content["commands"].values()):
        assert len(listed) == len(set(listed))


@pytest.mark.parametrize(("language", "answer"), [(language, answer) for language, all_ in ANSWERS.items() for answer in all_])
def test_an_answer_is_neither_command_nor_backchannel(language: str, answer: str) -> None:
    """A no, a word that goes on or breaks off a task, or a time: the agent must get it, whatever languages are spoken."""
    for other in LANGUAGES:
        phrases = load_phrases(language, other)
        assert read_command(answer, phrases) is None
        assert not is_backchannel(answer, phrases), other


@pytest.mark.parametrize(
    ("language", "text", "command"),
    [
        ("en", "Sorry, could you say that again, please?", Command.REPEAT),
        ("de", "Kannst du das bitte noch einmal wiederholen?", Command.REPEAT),
        ("de", "Moment mal!", Command.WAIT),
        ("fr", "Peux-tu parler un peu plus lentement, s\u2019il te pla\xeet ?", Command.SLOWER),
        ("es", "\xbfPuedes repetir eso, por favor?", Command.REPEAT),
        ("it", "Parla un po' pi\xf9 forte.", Command.LOUDER),
        ("it", "Un po' pi\xf9 forte, per favore.", Command.LOUDER),
        ("nl", "Kun je wat harder praten, alsjeblieft?", Command.LOUDER),
        ("pt", "Espera a\xed!", Command.WAIT),
        ("pl", "Prosz\u0119 m\xf3wi\u0107 g\u0142o\u015bniej.", Command.LOUDER),
        ("ja", "\u3061\u3087\u3063\u3068\u5f85\u3063\u3066\u304f\u3060\u3055\u3044\u3002", Command.WAIT),
        ("ja", "\u3082\u3046\u4e00\u5ea6\u304a\u9858\u3044\u3057\u307e\u3059\u3002", Command.REPEAT),
        ("de", "Stop the server", None),
        ("de", "Halt den Server an", None),
        ("fr", "Arr\xeate le serveur", None),
        ("es", "Para el servidor", None),
        ("it", "Ferma il server", None),
        ("nl", "Stop de server", None),
        ("pt", "Para o servidor", None),
        ("pl", "Zatrzymaj serwer", None),
        ("ja", "\u30b5\u30fc\u30d0\u30fc\u3092\u6b62\u3081\u3066", None),
    ],
)
def test_people_are_understood(language: str, text: str, command: Command | None) -> None:
    """As engines write what they say."""
    assert read_command(text, load_phrases(language)) is command


def test_english_counts_beside_the_chosen_languages_and_unknown_ones() -> None:
    """And no language counts that nobody chose."""
    assert read_command("stop talking", load_phrases("de-AT")) is Command.STOP
    assert read_command("sei still", load_phrases("de_AT", None)) is Command.STOP
    assert read_command("stop talking", load_phrases("xx", "../en", "")) is Command.STOP
    assert read_command("sei still", load_phrases(None)) is None


def test_files_are_read_once() -> None:
    """The same languages give the same object."""
    assert load_phrases("de") is load_phrases("de-CH", "en")


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("fillers = [", "phrases"),
        ("\udcff", "phrases"),
        ("", "commands.repeat"),
        (COMPLETE.replace("fillers", "filler"), "filler"),
        (COMPLETE.replace("stop =", "halt ="), "commands.halt"),
        (COMPLETE.replace("stop = ['do stop']\n", ""), "commands.stop"),
        (COMPLETE.replace("['do stop']", "[]"), "commands.stop"),
        (COMPLETE.replace("['do stop']", "['stop', 1]"), "commands.stop"),
        (COMPLETE.replace("['yes']", "'yes'"), "backchannels"),
        (COMPLETE.replace("['yes']", "['...']"), "backchannels"),
        ("commands = 1\n", "commands"),
    ],
)
def test_a_broken_file_is_refused(content: str, key: str, tmp_path: Path) -> None:
    """With the file and the key, so that it can be mended."""
    path = tmp_path / "xx.toml"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError) as caught:
        read_phrases(path)
    assert (caught.value.key, caught.value.where) == (key, str(path))


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    """And not taken for an empty one."""
    with pytest.raises(SettingsError, match="No such file"):
        read_phrases(tmp_path / "xx.toml")
