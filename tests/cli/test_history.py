"""``voicemode history`` and ``voicemode chat``, as people use them."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import CommandLine
from tests.stubs.client import SpeechStub

KEPT = {"VOICEMODE_MEMORY": "persistent"}


@pytest.fixture(scope="module")
def stub() -> Iterator[SpeechStub]:
    with SpeechStub() as stub:
        yield stub


@pytest.fixture
def kept(stub: SpeechStub) -> dict[str, str]:
    """Settings of somebody whose conversations are kept and answered."""
    stub.reset()
    stub.configure(chat_text="By the river, as quicksilver as ever.", chat_goes_on="whole")
    return {**KEPT, "VOICEMODE_CHAT_BASE_URLS": stub.url}


def holders(folder: Path, *words: str) -> list[Path]:
    """Files below the folder that hold one of the words."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and any(word.encode() in path.read_bytes() for word in words):
            found.append(path)
    return found


class TestChat:
    """Typed turns."""

    def test_an_answer_goes_to_standard_output(self, command: CommandLine, kept: dict[str, str]) -> None:
        """And the conversation can be looked at afterwards."""
        done = command("chat", "Where shall we walk?", "--thread", "trip", **kept)
        assert (done.returncode, done.stdout) == (0, "By the river, as quicksilver as ever.\n")
        entries = command.json("history", "show", "trip", **kept)
        assert [(entry["role"], entry["text"], entry["surface"]) for entry in entries] == [
            ("user", "Where shall we walk?", "cli"),
            ("assistant", "By the river, as quicksilver as ever.", "cli"),
        ]

    def test_the_next_turn_is_told_what_was_said(self, command: CommandLine, stub: SpeechStub, kept: dict[str, str]) -> None:
        """In another process, hours later."""
        command("chat", "My name is Ada.", "--thread", "trip", **kept)
        command("chat", "What is my name?", VOICEMODE_THREAD="trip", **kept)
        asked = stub.events("chat")[-1]
        assert len(asked["body"]["messages"]) == 3

    def test_lines_are_turns(self, command: CommandLine, kept: dict[str, str]) -> None:
        """Each with an answer, as JSON one line each."""
        done = command("chat", "--json", "--thread", "t", stdin="one\n\ntwo\n", **kept)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert [answer["thread"] for answer in answers] == ["t", "t"]
        assert answers[0]["kept"]
        assert len(command.json("history", "show", "t", **kept)) == 4

    def test_incognito_leaves_no_byte(
        self, command: CommandLine, tmp_path: Path, stub: SpeechStub, kept: dict[str, str]
    ) -> None:
        """The default: neither in the home nor in the folder for temporary files."""
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        settings = {**kept, "VOICEMODE_MEMORY": "", "TMPDIR": str(temporary)}
        done = command("chat", "--json", "--thread", "zeppelin-walk", stdin="pomegranate one\npomegranate two\n", **settings)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert [answer["kept"] for answer in answers] == [False, False]
        assert len(stub.events("chat")[-1]["body"]["messages"]) == 3
        assert holders(tmp_path, "pomegranate", "quicksilver", "zeppelin") == []
        assert not (command.home / ".voicemode" / "history").exists()
        # The search itself finds what is there.
        command("chat", "pomegranate three", "--thread", "zeppelin-walk", **{**settings, **KEPT})
        assert [path.name for path in holders(tmp_path, "pomegranate")] == ["history.db"]

    def test_nobody_who_answers_is_told(self, command: CommandLine) -> None:
        """The echo says what is missing."""
        done = command("chat", "Hello.")
        assert done.stdout == "You said: Hello.\n"
        assert "VOICEMODE_CHAT_BASE_URLS" in done.stderr

    def test_who_fails_is_named(self, command: CommandLine) -> None:
        """The turn is kept as failed."""
        down = {**KEPT, "VOICEMODE_CHAT_BASE_URLS": "http://127.0.0.1:9/v1"}
        done = command("chat", "Hello.", "--thread", "t", **down)
        assert done.returncode == 1
        assert "127.0.0.1:9" in done.stderr
        assert [entry["standing"] for entry in command.json("history", "show", "t", **KEPT)] == ["whole", "failed"]


class TestOneConversation:
    """Typed, spoken, and typed again."""

    CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"

    def test_spoken_and_typed_turns_are_one_record(self, command: CommandLine, stub: SpeechStub, kept: dict[str, str]) -> None:
        """In order, each with where it was said; and whoever answers is told all of it."""
        stub.configure(stt_text="Over the old bridge.", seconds_per_char=0.001, chat_text="So be it.", chat_goes_on="whole")
        settings = {
            **kept, "VOICEMODE_THREAD": "trip", "VOICEMODE_TTS_BASE_URLS": stub.url, "VOICEMODE_STT_BASE_URLS": stub.url,
            "VOICEMODE_KEEP_AUDIO": "true",
        }  # fmt: skip
        command("chat", "Let us plan.", **settings)
        spoken = command("converse", "Which way?", "--in", str(self.CLIP), "--out", "reply.wav", **settings)
        assert spoken.stdout == "Over the old bridge.\n"
        command("chat", "And back?", **settings)
        entries = command.json("history", "show", "trip", **settings)
        assert [(entry["role"], entry["text"]) for entry in entries] == [
            ("user", "Let us plan."),
            ("assistant", "So be it."),
            ("assistant", "Which way?"),
            ("user", "Over the old bridge."),
            ("user", "And back?"),
            ("assistant", "So be it."),
        ]
        assert {entry["standing"] for entry in entries} == {"whole"}
        assert [m["content"] for m in stub.events("chat")[-1]["body"]["messages"]] == [e["text"] for e in entries[:5]]
        sound = Path(entries[3]["audio"])
        assert sound.read_bytes()[:4] == b"RIFF"
        assert command.json("history", "forget", "trip", "--yes", **settings)["files"] == 1
        assert not sound.exists()

    def test_incognito_leaves_no_byte_of_what_was_spoken(
        self, command: CommandLine, tmp_path: Path, stub: SpeechStub, kept: dict[str, str]
    ) -> None:
        """Not of the message and not of the answer."""
        stub.configure(stt_text="Marmalade, please.", seconds_per_char=0.001)
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        settings = {
            **kept, "VOICEMODE_MEMORY": "incognito", "VOICEMODE_THREAD": "zeppelin", "TMPDIR": str(temporary),
            "VOICEMODE_TTS_BASE_URLS": stub.url, "VOICEMODE_STT_BASE_URLS": stub.url,
        }  # fmt: skip
        spoken = command("converse", "Pomegranate or marmalade?", "--in", str(self.CLIP), "--out", "reply.wav", **settings)
        assert spoken.stdout == "Marmalade, please.\n"
        assert holders(tmp_path, "omegranate", "armalade", "zeppelin") == []


class TestHistory:
    """Looking at what is kept."""

    @pytest.fixture
    def talked(self, command: CommandLine, kept: dict[str, str]) -> CommandLine:
        """Somebody with two conversations."""
        command("chat", "Where shall we walk?", "--thread", "trip", **kept)
        command("chat", "Shall I merge it?", "--thread", "work", **kept)
        return command

    def test_conversations_are_listed_the_last_used_first(self, talked: CommandLine) -> None:
        """With their first words."""
        assert [(row["thread"], row["entries"]) for row in talked.json("history", "list")] == [("work", 2), ("trip", 2)]
        assert "Shall I merge it?" in talked("history", "list").stdout
        assert len(talked.json("history", "list", "--last", "1")) == 1

    def test_words_are_found(self, talked: CommandLine) -> None:
        """And where they are not, the exit status says so."""
        found = talked.json("history", "search", "walk")
        assert [(each["thread"], each["snippet"]) for each in found] == [("trip", "Where shall we walk?")]
        assert "Where shall we walk?" in talked("history", "search", "WALK", "we").stdout
        assert talked("history", "search", "nowhere").returncode == 1

    def test_a_conversation_is_shown(self, talked: CommandLine) -> None:
        """Who said what, when and where."""
        shown = talked("history", "show", "trip").stdout
        assert shown.index("Where shall we walk?") < shown.index("By the river")
        assert "You, 20" in shown
        assert "By the river" in talked("history", "show", "trip", "--last", "1").stdout

    def test_a_conversation_that_is_not_there(self, talked: CommandLine) -> None:
        """Is named, and the next step with it."""
        done = talked("history", "show", "tripp")
        assert done.returncode == 1
        assert "There is no thread 'tripp'" in done.stderr

    def test_documents_are_written_for_their_owner(self, talked: CommandLine) -> None:
        """As Markdown and as JSON."""
        file = talked.home / "trip.md"
        assert talked("history", "export", "trip", "--out", str(file)).returncode == 0
        assert file.read_text().startswith("# trip\n")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        document = talked.json("history", "export", "trip")
        assert [len(document["sessions"]), len(document["entries"])] == [1, 2]

    def test_forgetting_asks(self, talked: CommandLine) -> None:
        """Where nobody can be asked, nothing is forgotten without --yes."""
        assert talked("history", "forget", "trip").returncode == 2
        assert talked("history", "forget").returncode == 2
        assert talked("history", "forget", "trip", "--all", "--yes").returncode == 2
        assert talked.json("history", "forget", "trip", "--yes") == {"threads": 1, "entries": 2, "files": 0}
        assert [row["thread"] for row in talked.json("history", "list")] == ["work"]
        assert holders(talked.home, "shall we walk") == []
        assert talked("history", "forget", "--all", "--yes").returncode == 0
        assert holders(talked.home, "merge") == []

    def test_a_check_says_that_it_is_whole(self, talked: CommandLine) -> None:
        """With sizes and version."""
        facts = talked.json("history", "check")
        assert (facts["version"], facts["threads"], facts["entries"], facts["problems"]) == (1, 2, 4, [])
        assert facts["size_bytes"] > 4096
        assert "It is whole." in talked("history", "check").stdout

    def test_a_check_says_what_is_damaged(self, talked: CommandLine) -> None:
        """And exits with 1; a chat goes on, and sets it aside."""
        path = talked.home / ".voicemode" / "history" / "history.db"
        path.write_bytes(b"garbage" * 1000)
        done = talked("history", "check")
        assert done.returncode == 1
        assert "is damaged" in done.stdout
        done = talked("chat", "Hello.", "--thread", "t", **KEPT)
        assert done.returncode == 0
        assert "history.db.damaged-" in done.stderr
        assert len(talked.json("history", "check")["set_aside"]) == 1

    def test_to_look_makes_nothing(self, command: CommandLine) -> None:
        """Whoever keeps nothing has no file for it."""
        assert "VOICEMODE_MEMORY" in command("history", "list").stderr
        assert command.json("history", "list") == []
        assert not (command.home / ".voicemode").exists()
