"""Text goes through units and agents unchanged: read back by systemd's rules, by systemd itself, and by two readers of XML."""

from __future__ import annotations

import plistlib
import re
import shlex
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.supervise.unit_syntax import MANAGER, dump, settings, specifiers, words
from voicemode.supervise.quoting import (
    QuotingError,
    plist_environment,
    plist_text,
    systemd_command,
    systemd_environment,
    systemd_path,
    systemd_text,
    systemd_word,
)

NASTY = [
    "$(touch x)",
    "`touch x`",
    "${HOME} $HOME $$",
    "%h %% %n",
    "a\nb\r\nExecStart=/bin/false",
    "\\",
    "\\n \\x41 \\",
    "'\"'\"",
    '" "',
    ";",
    "a ; b # c",
    "  two  blanks  ",
    "",
    "\t\x07\x1b\x7f",
    "ümläut 日本語 🎙",
    "\u0085\u2028",
    "@/bin/x",
    "-x",
    "<!-- ]]> &amp; -->",
]
"""What looks like something else to a shell, to systemd, or to XML."""

ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
LOOKS_LIKE = st.lists(
    st.sampled_from(["$(", ")", "`", "$", "{", "%", "h", "\\", "n", '"', "'", "\n", "\r", " ", ";", "#"])
).map("".join)


def only(unit: str, name: str) -> str:
    """The value of the one line there is."""
    ((found, value),) = settings(unit)
    assert found == name
    return value


@given(st.one_of(ANY, LOOKS_LIKE))
def test_a_word_comes_back_as_it_was(text: str) -> None:
    """One word, on one line, whatever is in it."""
    value = only(f"Environment={systemd_word(text, 'it')}\n", "Environment")
    assert [specifiers(word) for word in words(value)] == [text]


@given(st.lists(st.one_of(ANY, LOOKS_LIKE), max_size=4))
def test_a_command_comes_back_argument_by_argument(arguments: list[str]) -> None:
    """Behind the prefix that switches variables off."""
    value = only(f"ExecStart={systemd_command(['/usr/bin/a b', *arguments])}\n", "ExecStart")
    assert value.startswith(":")
    assert [specifiers(word) for word in words(value[1:])] == ["/usr/bin/a b", *arguments]


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z_]{0,8}X", fullmatch=True), st.one_of(ANY, LOOKS_LIKE), max_size=4))
def test_variables_come_back(variables: dict[str, str]) -> None:
    """One assignment per line; nothing leaks into a neighbour."""
    found = {}
    for name, value in settings(systemd_environment(variables)):
        (word,) = words(value)
        key, _, text = specifiers(word).partition("=")
        found[key] = text
        assert name == "Environment"
    assert found == variables


@given(st.one_of(PRINTABLE, LOOKS_LIKE.filter(lambda text: text.isprintable())))
def test_a_folder_comes_back(text: str) -> None:
    """By the rules of folders, which know fewer escapes."""
    value = only(f"ReadWritePaths={systemd_path('/' + text)}\n", "ReadWritePaths")
    assert [specifiers(word) for word in words(value, c_escapes=False)] == ["/" + text]


@given(st.one_of(PRINTABLE, LOOKS_LIKE))
def test_text_to_the_end_of_its_line_comes_back_or_is_refused(text: str) -> None:
    """A description cannot become another line."""
    try:
        line = f"Description={systemd_text(text, 'it')}\n"
    except QuotingError:
        return
    assert specifiers(only(line, "Description")) == text


@given(st.one_of(ANY, LOOKS_LIKE))
def test_what_an_agent_can_hold_comes_back_from_two_readers(text: str) -> None:
    """plistlib, and a plain reader of XML; the rest is refused."""
    try:
        plist = plistlib.dumps([plist_text(text, "it")])
    except QuotingError:
        return
    assert plistlib.loads(plist) == [text]
    (string,) = ET.fromstring(plist).iter("string")
    assert (string.text or "") == text


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_comes_back(text: str) -> None:
    """The examples that have hurt others."""
    assert [specifiers(word) for word in words(systemd_word(text, "it"))] == [text]
    if text.replace("\n", "").replace("\t", "").isprintable():
        assert plistlib.loads(plistlib.dumps(plist_text(text, "it"))) == text


@pytest.mark.parametrize("text", ["\0", "a\ud800"])
def test_what_no_unit_can_hold_is_refused(text: str) -> None:
    """NUL ends every text in C; a lone surrogate is no text."""
    with pytest.raises(QuotingError):
        systemd_word(text, "it")
    with pytest.raises(QuotingError):
        plist_text(text, "it")


@pytest.mark.parametrize("program", ["python", "/a'b/python", '/a"b', "/a\\b", "/a\nb", "-/bin/x", ""])
def test_a_program_that_systemd_would_not_run_is_refused(program: str) -> None:
    """At install, with a reason, not at the next login."""
    with pytest.raises(QuotingError):
        systemd_command([program])


@pytest.mark.parametrize("name", ["VOICEMODE_WHISPER_TOKEN", "API_KEY", "A B", "A=B", "1A", "", "Ä", "A\nB"])
def test_secrets_and_what_is_no_name_are_refused(name: str) -> None:
    """Others can read units; a name cannot bring an assignment of its own."""
    with pytest.raises(QuotingError) as caught:
        systemd_environment({name: "hush-hush"})
    assert "hush-hush" not in str(caught.value)
    with pytest.raises(QuotingError):
        plist_environment({name: "hush-hush"})


@pytest.mark.parametrize("text", ["a\r", "\x07", "\ufffe", "\x85"])
def test_what_xml_cannot_hold_is_refused(text: str) -> None:
    """A carriage return would come back as another character."""
    with pytest.raises(QuotingError):
        plist_text(text, "it")


@pytest.mark.skipif(MANAGER is None, reason="systemd is not installed")
def test_systemd_itself_reads_what_was_meant() -> None:
    """All nasty examples in one unit, as its own loader prints them."""
    variables = {f"V{number}": text for number, text in enumerate(NASTY)}
    folder = "/a b\\c\"d'%h$(x)"
    lines = [
        "[Service]",
        f"ExecStart={systemd_command(['/usr/bin/env', *NASTY])}",
        systemd_environment(variables),
        f"ReadWritePaths={systemd_path(folder)}",
    ]
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        unit = home / ".config/systemd/user/nasty.service"
        unit.parent.mkdir(parents=True)
        unit.write_text("\n".join(lines) + "\n", "utf-8")
        for path in (home, *home.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        text = dump(unit, home)
    assert f"ReadWritePaths: {folder}\n" in text
    for name, value in variables.items():
        assert f"\tEnvironment: {name}={value}\n" in text
    (command,) = [line for line in text.split("\n") if "Command Line:" in line]
    # It prints arguments as a shell would want them, so the shell's rules read them back; shlex does not know \\$ and \\`.
    printed = re.sub(r"\\(.)", lambda found: found[1] if found[1] in "$`" else found[0], command.split("Command Line: ", 1)[1])
    plain = [each for each in NASTY if each.isprintable() and each]
    assert [each for each in shlex.split(printed) if each in plain] == plain
