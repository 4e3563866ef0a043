"""The person's command line: what becomes of it, and what nobody can make of it by speaking."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voicemode.answers import AnswerRequest, Turn
from voicemode.dialogue import Message, ToolCall, ToolResult
from voicemode.engines.command_line import CommandLine, asked_text, session_uuid
from voicemode.engines.command_options import CommandOptions
from voicemode.errors import SettingsError
from voicemode.settings import Settings

KEY = "VOICEMODE_RESPONDER_COMMAND"


def parse(text: str) -> CommandLine:
    return CommandLine.parse(text, KEY)


def filled(line: str, text: str = "Hello.", instructions: str = "Be brief.") -> list[str]:
    return parse(line).filled(text=text, instructions=instructions, session="1-2")


def test_the_line_is_split_as_by_a_shell_and_nothing_in_it_is_expanded() -> None:
    """No variable, home, star, substitution or second command."""
    assert filled("agent 'two words' $HOME ~ * `id` $(id) ; | > {text}") == [
        *("agent", "two words", "$HOME", "~", "*", "`id`", "$(id)", ";", "|", ">", "Hello."),
    ]


def test_placeholders_become_what_they_stand_for() -> None:
    """The session may be part of an argument."""
    line = "agent --id={session} {session} --system {instructions} {text}"
    assert filled(line) == ["agent", "--id=1-2", "1-2", "--system", "Be brief.", "Hello."]


def test_a_thread_has_its_own_name_and_else_that_of_the_session() -> None:
    """An agent keeps conversations by name, and a call that belongs to none gets one of its own."""
    line = parse("agent --name {thread} {text}")
    assert line.filled(text="Hello.", instructions="", session="1-2", thread="kitchen")[2] == "kitchen"
    assert line.filled(text="Hello.", instructions="", session="1-2")[2] == "1-2"


@given(st.text())
@example("-rf")
@example("\0 --help")
@example("{session}")
def test_whatever_was_said_is_one_argument_and_no_option(text: str) -> None:
    """Also a placeholder, a dash, or what no argument can hold."""
    *rest, said = filled("agent {session} {text}", text=text)
    assert rest == ["agent", "1-2"]
    assert not said.startswith("-")
    assert "\0" not in said


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("agent 'open", "no command line"),
        ("", "no program"),
        ("''", "no program"),
        ("{text}", "cannot be the program"),
        ("{session}", "cannot be the program"),
        ("{thread}", "cannot be the program"),
        ("sh -c 'agent {text}'", "part of an argument"),
        ("agent --prompt={text}", "part of an argument"),
        ("agent x{instructions} {text}", "part of an argument"),
    ],
)
def test_a_line_that_cannot_be_used_is_refused_with_its_setting(line: str, problem: str) -> None:
    """Within a program, what people say would be run."""
    with pytest.raises(SettingsError, match=problem) as caught:
        parse(line)
    assert caught.value.key == KEY


@pytest.mark.parametrize(("first", "later"), [("agent", "agent -r {text}"), ("agent {text}", "agent -r")])
def test_a_command_for_later_turns_needs_a_process_for_each(first: str, later: str) -> None:
    """Else there are no later ones."""
    settings = Settings(responder_command=first, responder_resume_command=later)
    with pytest.raises(SettingsError, match="VOICEMODE_RESPONDER_RESUME_COMMAND"):
        CommandOptions.of(settings)


@pytest.mark.parametrize(
    ("history", "asked"),
    [
        ((Message("user", "One."),), "One."),
        ((Message("user", "One."), Message("assistant", "Two."), Message("user", "Three.")), "Three."),
        ((Message("assistant", "Hi."), Message("user", "One."), Message("user", " "), Message("user", "Two.")), "One.\nTwo."),
        ((Message("user", "One."), ToolCall("a", "f", "{}"), ToolResult("a", "x"), Message("user", "Two.")), "Two."),
        ((Message("user", "One."), Message("assistant", "Two.")), "Greet them."),
        ((), "Greet them."),
    ],
)
def test_an_agent_is_asked_what_was_said_since_the_last_answer(history: tuple[Turn, ...], asked: str) -> None:
    """It remembers what was before; where nobody spoke, the instructions are asked."""
    assert asked_text(AnswerRequest(history, instructions="Greet them.")) == asked


def test_a_session_has_one_uuid_for_ever() -> None:
    """Others have others, and a UUID is kept."""
    own = str(uuid.UUID(int=7))
    assert session_uuid("sess_1") == session_uuid("sess_1") == str(uuid.UUID(session_uuid("sess_1")))
    assert session_uuid("sess_1") != session_uuid("sess_2")
    assert session_uuid(own) == own
