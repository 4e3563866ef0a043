"""What is a clear yes, what is a clear no, and how is asked."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.assent import SHOWN_CHARS, ask_to_call, read_assent


@pytest.mark.parametrize(
    "text",
    [
        *("Yes.", "Yeah, go ahead.", "Yes, please!", "Hmm, okay then.", "of course", "Sure, do it."),
        *("Ja, mach das bitte.", "Oui, d'accord.", "Vas-y !", "¡Claro que sí!", "Sì, fai pure.", "Sim, por favor.", "Ja hoor."),
        *("Tak, oczywiście.", "はい、お願いします。"),
    ],
)
def test_a_yes_in_any_of_our_languages(text: str) -> None:
    """With what people say beside it."""
    assert read_assent(text) is True


@pytest.mark.parametrize(
    "text",
    [
        *("No.", "No, thanks.", "No, don't do it!", "Of course not.", "Well, not now, please.", "Stop."),
        *("Nein, lieber nicht.", "Non merci.", "Claro que no.", "Meglio di no.", "Claro que não.", "Nee, dank je."),
        *("Nie, dziękuję.", "いいえ、やめてください。"),
    ],
)
def test_a_no_in_any_of_our_languages(text: str) -> None:
    """Also where a yes is a part of it."""
    assert read_assent(text) is False


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "...",
            "Please.",
            "Thank you.",
            "Yes and no.",
            "Yes, but only once.",
            "What would it do?",
            "No problem.",
            "Mm-hmm.",
        ),
        *("Yes, no, wait.", "You said yes to the other one.", "Maybe.", "yes " * 25),
    ],
)
def test_all_else_is_neither(text: str) -> None:
    """A condition, a question, a contradiction."""
    assert read_assent(text) is None


@given(st.text())
def test_a_yes_is_made_of_words_of_ours(text: str) -> None:
    """One word that nobody knows, and it is none, wherever it stands."""
    assert read_assent(f"yes {text} qwertz") is None
    assert read_assent(f"qwertz {text} yes") is None


def test_the_question_names_server_and_function_as_people_say_them() -> None:
    """And what the call is given."""
    assert ask_to_call("read_file", "myNotes", '{"path": "a/b.txt", "lines": [1, 2]}').text == (
        "May I use read file of my Notes, with path: a/b.txt, lines: [1, 2]?"
    )
    assert ask_to_call("search", "web", "{}", "de-DE").text == "Darf ich search von web benutzen?"
    assert ask_to_call("search", "web", "", "xx").text == "May I use search of web?"


@given(st.text(max_size=300), st.text(max_size=300), st.one_of(st.text(max_size=900), st.dictionaries(st.text(), st.text())))
def test_the_question_is_short_whatever_it_is_about(tool: str, server: str, given: object) -> None:
    """Names and arguments come from outside; at most 200 characters of these are said, and the names come first."""
    arguments = given if isinstance(given, str) else json.dumps(given)
    asked = ask_to_call(tool, server, arguments)
    assert len(asked.lead) <= 150
    assert len(asked.rest) <= SHOWN_CHARS + 10
    assert "\n" not in asked.text
