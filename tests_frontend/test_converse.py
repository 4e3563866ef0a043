"""``converse(transport="browser")``: an MCP client asks, Chromium with a WAV as its microphone answers, over a server that the
call itself has started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from mcp import Client, StdioServerParameters

from tests.stubs.client import SpeechStub
from tests.stubs.sentence_tones import listen, sentences
from tests_clients.serving import endpoint_stub
from tests_frontend.browsing import Seen, driven, microphone

PAUSE_S, INTO_S = 12.0, 7.0
"""From the press of the button to the answer, and from its end to what is said into the second message."""
QUESTION = " ".join(sentences(1))
LONG = " ".join(sentences(8))
_AGAIN_S = 60.0
_SHORTEST_S = 0.1
"""Of a sentence that can be told by its tone: a mark and a little of the tone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the agent got."""

    first: dict[str, Any]
    first_s: float
    answered: dict[str, Any]
    interrupted: dict[str, Any]
    seen: Seen


@contextlib.contextmanager
def settings(folder: Path) -> Iterator[dict[str, str]]:
    """Of a machine without a sound card; what was started for it ends."""
    chosen = {
        "VOICEMODE_BASE_DIR": str(folder / "base"),
        "VOICEMODE_SERVE_PORT": str(free_port()),
        "VOICEMODE_DISCOVERY": "false",
        "VOICEMODE_BUILTIN": "false",
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
    }
    with SpeechStub(sites=1) as speech, endpoint_stub() as endpoint:
        speech.configure(voice="numbers", rate_x=4.0)
        chosen |= {"VOICEMODE_TTS_BASE_URLS": speech.url, "VOICEMODE_STT_BASE_URLS": f"{endpoint}/v1"}
        try:
            yield chosen
        finally:
            for process in started(folder):
                process.send_signal(signal.SIGTERM)
                process.wait(15)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def started(folder: Path) -> list[psutil.Process]:
    """The server that a call has started, by where it works."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "serve" in process.cmdline() and process.environ().get("HOME") == str(folder):
                found.append(process)
    return found


@contextlib.asynccontextmanager
async def agent(chosen: dict[str, str]) -> AsyncIterator[Client]:
    server = StdioServerParameters(command=sys.executable, args=["-m", "voicemode", "mcp"], env=chosen)
    try:
        async with Client(server) as client:
            yield client
    except BaseExceptionGroup as group:
        # What went wrong, and not the groups of tasks that it went through.
        causes: BaseException = group
        while isinstance(causes, BaseExceptionGroup) and len(causes.exceptions) == 1:
            causes = causes.exceptions[0]
        raise causes from None


async def converse(client: Client, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool("converse", {"transport": "browser", **arguments})
    assert not result.is_error, result.content
    facts: dict[str, Any] = result.structured_content or {}
    return facts | {"said": result.content[0].text}  # type: ignore[union-attr]


async def hold(chosen: dict[str, str], folder: Path) -> Asked:
    wav = microphone(folder / "microphone.wav", [(PAUSE_S, "go_forward_ten_meters"), (INTO_S, "seven_of_clubs")])
    async with agent(chosen) as client:
        began = time.monotonic()
        first = await converse(client, message=QUESTION)
        took = time.monotonic() - began
        person = asyncio.create_task(asyncio.to_thread(driven, "agent.mjs", folder, link=first["link"], wav=wav))
        answered = first
        while answered["status"] == "needs_browser" and time.monotonic() - began < _AGAIN_S:
            await asyncio.sleep(0.5)
            answered = await converse(client, message=QUESTION)
        # Here, because what the WAV says is over by then: an answer of other words makes the next call hear nothing.
        assert (answered["status"], answered.get("text")) == ("answered", "go forward ten meters"), answered
        interrupted = await converse(client, message=LONG)
        return Asked(first, took, answered, interrupted, await person)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """One conversation; the tests look at it from all sides."""
    folder = tmp_path_factory.mktemp("asked")
    with settings(folder) as chosen:
        yield asyncio.run(hold(chosen, folder))


def test_without_a_page_the_call_brings_back_a_link_at_once(asked: Asked) -> None:
    """Although nobody had started the server; nothing was said, and nothing was lost."""
    assert asked.first["status"] == "needs_browser"
    assert "/#key=" in asked.first["link"]
    assert asked.first["link"] in asked.first["said"]
    assert asked.first_s < 25


def test_the_words_of_the_wav_come_back(asked: Asked) -> None:
    """The stub knows them only where their sound arrived whole."""
    assert asked.answered["status"] == "answered"
    assert asked.answered["text"] == "go forward ten meters"


def test_who_speaks_into_a_message_interrupts_it(asked: Asked) -> None:
    """And the agent learns which of its words were heard, by what the page had played."""
    assert asked.interrupted["status"] == "interrupted"
    assert asked.interrupted["text"] == "seven of clubs"
    heard, unheard = asked.interrupted["heard"], asked.interrupted["unheard"]
    assert LONG.startswith(heard)
    assert len(heard.split()) > 3
    assert " ".join([*heard.split(), *unheard.split()]) == LONG


def test_the_page_shows_what_is_asked_heard_and_answered(asked: Asked) -> None:
    """Who asks, the words as they are heard, and what was cut off."""
    assert asked.seen.all("failed") == [], asked.seen.lines[-3:]
    states = asked.seen.all("state")
    assert {state["agent"] for state in states} >= {"Mcp", ""}
    phases = [state["phase"] for state in states]
    for phase in ("speaking", "listening", "hearing", "thinking", "interrupted"):
        assert phase in phases, phases
    captions = states[-1]["captions"]
    assert [caption["text"] for caption in captions if not caption["mine"]] == [QUESTION, LONG]
    assert [caption["text"] for caption in captions if caption["mine"]] == ["go forward ten meters", "seven of clubs"]
    cut = next(caption for caption in captions if caption["cut"])
    assert cut["text"][: cut["heard"]].split() == asked.interrupted["heard"].split()


def test_the_page_plays_what_is_said_and_nothing_that_is_reported_as_unheard(asked: Asked) -> None:
    """By the tones of its own samples: the question, then the sentences of the long message as far as they were heard.

    The one that is spoken into may come in two parts: it was held, taken up again, and held once more.
    """
    sound, rate = asked.seen.sound()
    told = [each.number for each in listen(sound, rate) if each.seconds >= _SHORTEST_S]
    first = told[0]
    message = [number for number, _ in groupby(told[1:])]
    assert message == list(range(first, first + len(message))), told
    assert abs(len(message) - asked.interrupted["heard"].count("sentence")) <= 1, told
    assert not (np.abs(sound[-round(0.25 * rate) :].astype(np.int32)) > 300).any()


def test_nothing_unexpected_happened_in_the_browser(asked: Asked) -> None:
    """No error, no message of the console, no address elsewhere; the key is gone from the address bar; nothing stays open."""
    assert asked.seen.all("error") == []
    assert asked.seen.all("console") == []
    assert "key" not in asked.seen.one("ready")["url"]
    assert all(each["url"].startswith(("http://127.0.0.1:", "blob:", "data:")) for each in asked.seen.all("request"))
    alive = asked.seen.one("alive")
    assert (alive["contexts"], alive["tracks"], alive["sockets"]) == (0, 0, 0)
