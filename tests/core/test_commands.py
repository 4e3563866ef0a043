"""A command is a whole utterance; an answer is never taken for one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.commands import (
    GAIN_DB,
    MOST_WORDS,
    SPEED,
    Adjustments,
    Command,
    LanguagePhrases,
    SpokenPhrases,
    effect_of,
    is_backchannel,
    read_command,
)

PHRASES = SpokenPhrases(
    [
        LanguagePhrases(
            {
                Command.REPEAT: ("repeat", "repeat that", "I can't follow", "\u00bfC\xf3mo?"),
                Command.WAIT: ("wait", "hold on"),
                Command.STOP: ("stop", "\u6b62\u3081\u3066"),
                Command.LOUDER: ("g\u0142o\u015bniej",),
            },
            fillers=("please", "um", "can you", "\u304f\u3060\u3055\u3044"),
            backchannels=("mm-hmm", "hm", "hmm", "yeah", "I see", "\u3046\u3093", "right"),
        )
    ]
)
SAID = ["repeat that", "wait", "hold on", "stop", "stop please", "can you please repeat", "um hold on please"]
VOCABULARY = {"repeat", "that", "i", "cant", "follow", "como", "wait", "hold", "on", "stop", "please", "um", "can", "you"}

content = st.one_of(
    st.text(st.characters(categories=["Ll", "Lu", "Lo", "Nd", "So", "Sm"]), min_size=1, max_size=8),
    st.sampled_from(
        ["the server", "for the tests", "not", "No,", "Yes.", "5", "\U0001f642", "don't", "stopped", "waiting", "repeats"]
    ),
).filter(lambda words: not VOCABULARY & set(words.casefold().replace("'", "").split()))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("Stop.", Command.STOP),
        ("  STOP!!! ", Command.STOP),
        ("Stop, stop. Stop!", Command.STOP),
        ("Um\u2026 could wait", None),
        ("Um\u2026 wait.", Command.WAIT),
        ("Can you repeat that, please?", Command.REPEAT),
        ("Hold, um, please, on", Command.WAIT),
        ("Hold\xa0on", Command.WAIT),
        ("hold-on", Command.WAIT),
        ("Waaaait", Command.WAIT),
        ("I can\u2019t follow.", Command.REPEAT),
        ("i cant follow", Command.REPEAT),
        ("c\xf3mo", Command.REPEAT),
        ("Co\u0301mo", Command.REPEAT),
        ("COMO?", Command.REPEAT),
        ("Glosniej!", Command.LOUDER),
        ("\u6b62\u3081\u3066\u304f\u3060\u3055\u3044\u3002", Command.STOP),
        ("\uff33\uff34\uff2f\uff30", Command.STOP),
        ("st\u200bop", Command.STOP),
        ("stop the server", None),
        ("wait for the tests", None),
        ("repeat that test", None),
        ("don't stop", None),
        ("no, wait", None),
        ("yes please", None),
        ("wait, stop", None),
        ("hold", None),
        ("on hold", None),
        ("stop 5", None),
        ("5 stop", None),
        ("stop + wait", None),
        ("stops", None),
        ("please", None),
        ("um, can you", None),
        ("", None),
        (" ?! ", None),
        ("\u6b62\u3081\u3066\u6b62", None),
    ],
)
def test_a_command_is_the_whole_utterance(text: str, command: Command | None) -> None:
    """Capitals, punctuation, accents, drawn-out letters, fillers and saying it twice make no difference; words do."""
    assert read_command(text, PHRASES) is command


@given(st.sampled_from(SAID), content, st.sampled_from([" ", ", ", ". ", "\n", "? "]))
def test_a_word_beside_a_command_makes_it_an_answer(said: str, other: str, between: str) -> None:
    """Before it, behind it and in the middle of it: whatever was said belongs to the agent then."""
    first, *rest = said.split(" ")
    middle = [between.join([first, other, *rest])] if rest else []
    for text in (other + between + said, said + between + other, *middle):
        assert read_command(text, PHRASES) is None, text


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """Transcripts come from outside: nothing in them breaks the reading."""
    assert read_command(text, PHRASES) in {None, *Command}
    assert is_backchannel(text, PHRASES) in {True, False}


def test_who_talks_long_gives_no_command() -> None:
    """Whatever is said for so long, a command would be hidden in it; and long transcripts cost nothing."""
    assert read_command("stop " * MOST_WORDS, PHRASES) is Command.STOP
    assert read_command("stop " * (MOST_WORDS + 1), PHRASES) is None
    assert is_backchannel("yeah " * MOST_WORDS, PHRASES)
    assert not is_backchannel("yeah " * (MOST_WORDS + 1), PHRASES)


@pytest.mark.parametrize("offered", ["Shall I stop or go on?", "stop the server", "Stop"])
def test_who_was_asked_to_choose_has_answered(offered: str) -> None:
    """A command among the answers that were offered is one of them; the other commands remain commands."""
    assert read_command("Stop, please.", PHRASES, offered=["go on", offered]) is None
    assert read_command("Wait.", PHRASES, offered=["go on", offered]) is Command.WAIT


def test_where_languages_contradict_nothing_is_commanded() -> None:
    """A word that means two commands in two languages is left to the agent."""
    both = SpokenPhrases([LanguagePhrases({Command.STOP: ("para",)}), LanguagePhrases({Command.WAIT: ("para", "attends")})])
    assert read_command("para", both) is None
    assert read_command("attends", both) is Command.WAIT


def test_a_filler_that_is_a_command_alone_is_one() -> None:
    """ "Pardon?" asks for a repetition, and "pardon, stop" does not."""
    phrases = SpokenPhrases([LanguagePhrases({Command.REPEAT: ("pardon",), Command.STOP: ("stop",)}, fillers=("pardon",))])
    assert read_command("Pardon?", phrases) is Command.REPEAT
    assert read_command("Pardon, stop.", phrases) is Command.STOP


def test_a_phrase_without_a_word_is_refused() -> None:
    """It would be found in silence."""
    with pytest.raises(ValueError, match="has no word"):
        SpokenPhrases([LanguagePhrases({Command.STOP: ("...",)})])


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("Mm-hmm.", True),
        ("mm hmm, I see", True),
        ("Hmmmmm", True),
        ("Yeah yeah yeah", True),
        ("\u3046\u3093\u3046\u3093", True),
        ("yeah but", False),
        ("I see it", False),
        ("no", False),
        ("yeah, stop", False),
        ("stop", False),
        ("", False),
        ("...", False),
    ],
)
def test_a_backchannel_is_nothing_else(text: str, holds: bool) -> None:
    """However many there are; one word more is somebody who wants to speak."""
    assert is_backchannel(text, PHRASES) is holds


def test_an_answer_is_no_backchannel() -> None:
    """Who is asked "left or right?" and says "right" wants to be heard."""
    assert is_backchannel("Right.", PHRASES)
    assert not is_backchannel("Right.", PHRASES, offered=["Left or right?"])
    assert is_backchannel("Yeah.", PHRASES, offered=["Left or right?"])


# -- effects


@given(st.lists(st.sampled_from(list(Command)), max_size=40))
def test_adjustments_stay_within_their_bounds(commands: list[Command]) -> None:
    """However often somebody asks."""
    adjustments = Adjustments()
    for command in commands:
        adjustments = effect_of(command, adjustments)
        assert GAIN_DB[0] <= adjustments.gain_db <= GAIN_DB[1]
        assert SPEED[0] <= adjustments.speed <= SPEED[1]


@pytest.mark.parametrize(("there", "back"), [(Command.LOUDER, Command.QUIETER), (Command.SLOWER, Command.FASTER)])
def test_opposite_commands_cancel(there: Command, back: Command) -> None:
    """One step there and one back is where it was, and each step is one that is heard."""
    changed = effect_of(there, Adjustments())
    returned = effect_of(back, changed)
    assert changed != Adjustments()
    assert math.isclose(returned.speed, 1.0, abs_tol=1e-5)
    assert returned.gain_db == 0.0


@pytest.mark.parametrize("command", [Command.REPEAT, Command.WAIT, Command.STOP])
def test_other_commands_change_no_sound(command: Command) -> None:
    """Volume and speed are as before."""
    assert effect_of(command, Adjustments(6.0, 1.2)) == Adjustments(6.0, 1.2)


def test_louder_and_faster_go_up() -> None:
    """And each leaves the other one alone."""
    assert effect_of(Command.LOUDER, Adjustments(0.0, 1.2)) == Adjustments(6.0, 1.2)
    assert effect_of(Command.SLOWER, Adjustments(6.0, 1.2)) == Adjustments(6.0, 1.0)
