"""What the agent's message asks for."""

from __future__ import annotations

import pytest

from voicemode.core.questions import NO_QUESTION, Asked, question_in, words_of


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        ("Shall I deploy it?", Asked.YES_NO),
        ("The tests pass. Do you want me to commit?", Asked.YES_NO),
        ("Tea or coffee?", Asked.CHOICE),
        ("How many copies do you need?", Asked.COUNT),
        ("What is your phone number?", Asked.DIGITS),
        ("Please tell me the code.", Asked.DIGITS),
        ("Can you spell that?", Asked.SPELLING),
        ("What else do you need?", Asked.LIST),
        ("What happened?", Asked.ANYTHING),
        ("Is it red? I think it is.", Asked.ANYTHING),
        ("Soll ich es veröffentlichen?", Asked.YES_NO),
        ("Wie viele brauchst du?", Asked.COUNT),
        ("Tee oder Kaffee?", Asked.CHOICE),
        ("Voulez-vous que je le fasse ?", Asked.YES_NO),
        ("Combien en voulez-vous ?", Asked.COUNT),
        ("¿Quieres que lo haga?", Asked.YES_NO),
        ("¿Cuál es tu número de teléfono?", Asked.DIGITS),
        ("Vuoi che lo faccia?", Asked.YES_NO),
        ("Zal ik het doen?", Asked.YES_NO),
        ("Você quer que eu faça isso?", Asked.YES_NO),
        ("Quantos você quer?", Asked.COUNT),
    ],
)
def test_the_kind_of_a_question_is_read_from_its_last_sentence(message: str, asked: Asked) -> None:
    """In each of the languages, which is guessed from the message."""
    assert question_in(message).asked is asked


def test_the_answers_offered_are_the_words_around_or() -> None:
    """Little words are no answers."""
    assert question_in("Would you like tea or coffee?").options >= {"tea", "coffee"}
    assert "you" not in question_in("Would you like tea or coffee?").options


def test_options_that_are_given_are_the_answers() -> None:
    """Whatever the sentence says."""
    question = question_in("What now?", options=["Commit it!", "stop"], language="en")
    assert (question.asked, question.options) == (Asked.CHOICE, frozenset({"commit it", "stop"}))


def test_a_language_that_is_told_is_not_guessed() -> None:
    """A region does not matter."""
    assert question_in("Tea?", language="de-AT").language == "de"
    assert question_in("Tea?", language="pt_BR").language == "pt"


def test_an_unknown_language_asks_nothing() -> None:
    """No table, no guess."""
    assert question_in("Kaffia vai teetä?", language="fi").asked is Asked.ANYTHING
    assert question_in("", language=None) == NO_QUESTION


def test_words_have_no_punctuation() -> None:
    """Apostrophes and hyphens inside words stay, whatever their form."""
    assert words_of("I\u2019d like S-M-I, please\u2026") == ("i'd", "like", "s-m-i", "please")
