"""Words that want more words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.questions import NO_QUESTION, Asked, Question, question_in
from voicemode.core.turn_words import TURN_WORDS, guess_language
from voicemode.core.unfinished import TextCue, text_cue

OPEN, UNKNOWN, CLOSED = TextCue.OPEN, TextCue.UNKNOWN, TextCue.CLOSED
ENGLISH = Question(language="en")


@pytest.mark.parametrize(
    "text",
    [
        "I would like to go to",
        "My number is five five",
        "my number is 55",
        "my number is 5 5",
        "I tried it but",
        "open the",
        "the problem is",
        "it failed because",
        "I think, um",
        "we need bread, milk,",
        "so I went\u2026",
        "so I went...",
        "and then \u2013",
        "my name is",
        "it is spelled s m",
        "S-M-I",
        "let me think",
        "I'd like",
        "my brother and",
    ],
)
@pytest.mark.parametrize("stop", ["", "."])
def test_half_a_sentence_is_open(text: str, stop: str) -> None:
    """With the full stop that transcribers put everywhere, too, unless a comma or a dash says it already."""
    if not text[-1].isalnum():
        stop = ""
    assert text_cue(text + stop, ENGLISH) is OPEN


@pytest.mark.parametrize(
    "text",
    [
        "I would like to go to Paris",
        "turn it on",
        "what are you looking for",
        "yes it is",
        "I think so",
        "I'd love to",
        "what time is it",
        "the year is nineteen",
        "the meeting is at twenty five",
        "it was the best of times",
        "five",
    ],
)
def test_a_sentence_that_may_be_whole_is_unknown(text: str) -> None:
    """Even with a full stop: it says nothing, since transcribers write it in any case."""
    assert text_cue(text, ENGLISH) is UNKNOWN
    assert text_cue(text + ".", ENGLISH) is UNKNOWN


@pytest.mark.parametrize("text", ["that's all", "No, that is all.", "and a coffee, thank you", "Thanks!"])
def test_formulas_of_ending_are_closed(text: str) -> None:
    """Nobody goes on after them without a new thought."""
    assert text_cue(text, ENGLISH) is CLOSED


@pytest.mark.parametrize(
    ("message", "answer", "cue"),
    [
        ("Shall I deploy it?", "Yes, please.", CLOSED),
        ("Shall I deploy it?", "no", CLOSED),
        ("Shall I deploy it?", "No, but", OPEN),
        ("Shall I deploy it?", "yes if the tests have passed by then", UNKNOWN),
        ("What happened?", "no", UNKNOWN),
        ("Would you like tea or coffee?", "the coffee", CLOSED),
        ("Would you like tea or coffee?", "neither of them suits", UNKNOWN),
        ("How many do you need?", "twenty five", CLOSED),
        ("How many do you need?", "25", CLOSED),
        ("How many do you need?", "the number is five or six", UNKNOWN),
        ("How many do you need?", "five six", CLOSED),
        ("What is your phone number?", "555", OPEN),
        ("What is your phone number?", "five five five one two three four", UNKNOWN),
        ("What else do you need?", "bread", OPEN),
        ("What else do you need?", "that's it", CLOSED),
        ("Can you spell that?", "B", OPEN),
        ("Can you spell that?", "It is S", OPEN),
        ("Can you spell that?", "SMI.", OPEN),
        ("Can you spell that?", "I cannot", UNKNOWN),
        ("What is it called?", "it is called B", UNKNOWN),
        ("Soll ich anfangen?", "Ja, gern.", CLOSED),
        ("On y va, je le fais ?", "oui", CLOSED),
    ],
)
def test_an_answer_is_whole_when_it_answers_the_question(message: str, answer: str, cue: TextCue) -> None:
    """What is whole depends on what was asked."""
    assert text_cue(answer, question_in(message)) is cue


def test_an_offered_answer_is_whole() -> None:
    """Of several words, too, and in a language without a table."""
    question = question_in("?", options=["commit and push", "wait"], language="fi")
    assert text_cue("Commit and push.", question) is CLOSED
    assert text_cue("wait for me", question) is UNKNOWN


@pytest.mark.parametrize(
    ("language", "opened", "whole"),
    [
        ("de", "ich komme nicht weil", "mach das Licht an"),
        ("fr", "je ne viens pas parce que", "je ne viens pas"),
        ("es", "no puedo porque", "no puedo"),
        ("it", "non posso perché", "non posso venire"),
        ("nl", "ik kan niet omdat", "doe het licht aan"),
        ("pt", "não posso porque", "não posso"),
    ],
)
@pytest.mark.parametrize("told", [True, False], ids=["told", "guessed"])
def test_each_language_has_its_words(language: str, opened: str, whole: str, told: bool) -> None:
    """Verb prefixes at the end are no prepositions. A language that is not told is guessed from the words."""
    question = Question(language=language if told else "")
    assert text_cue(opened, question) is OPEN
    assert text_cue(whole, question) is UNKNOWN


def test_without_words_or_language_there_is_no_cue() -> None:
    """Silence, punctuation alone, and a language without a table."""
    assert [text_cue(text, NO_QUESTION) for text in ("", " ... ", "42")] == [UNKNOWN] * 3
    assert text_cue("en tule koska ja", Question(language="fi")) is UNKNOWN


@pytest.mark.parametrize(
    "text", ["ten of", "four queen of", "seven of", "unless to", "we must find a", "the third of", "we could go to"]
)
def test_two_words_in_an_unknown_language_are_not_cut_off_either(text: str) -> None:
    """ "Of" is English and Dutch, and in both more has to come; "seven" and "we" tell which one it is."""
    assert text_cue(text, NO_QUESTION) is OPEN


@pytest.mark.parametrize("message", ["Go on.", "Well?", "Paris?", "Encore?", "OK."])
def test_a_message_of_a_word_or_two_is_in_no_language(message: str) -> None:
    """ "On" is French as well: what the person says would be read in the wrong language."""
    assert question_in(message).language == ""
    assert text_cue("I would like to go to", question_in(message)) is OPEN


def test_who_plainly_speaks_another_language_than_was_expected_is_understood() -> None:
    """Three words of it and none of the other; fewer are names."""
    assert text_cue("I would like to go to", Question(language="fr")) is OPEN
    assert text_cue("the third of", Question(language="pt")) is UNKNOWN


@pytest.mark.parametrize("text", ["no", "si", "a", "do", "come", "die", "me", "ok"])
def test_one_word_that_several_languages_have_is_no_beginning(text: str) -> None:
    """It may be a whole answer in one of them, or in one that is not known here."""
    assert text_cue(text, NO_QUESTION) is UNKNOWN


def test_every_language_is_recognised_by_its_own_words() -> None:
    """The words that it is known by are its own more than any other's."""
    assert [guess_language(tuple(table.tell_tale)) for table in TURN_WORDS.values()] == list(TURN_WORDS)


@given(st.text(max_size=60), st.sampled_from(Asked), st.sampled_from(["", *TURN_WORDS]))
def test_any_text_has_a_cue(text: str, asked: Asked, language: str) -> None:
    """Transcripts come from outside: whatever they hold, there is an answer."""
    assert text_cue(text, Question(asked, language)) in TextCue
