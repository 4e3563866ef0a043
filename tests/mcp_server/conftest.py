"""A stub of speech services, and a server on the virtual sound card, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.process import SERVER, ServerProcess
from tests.stubs.client import SpeechStub

Start = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def stub_process() -> Iterator[SpeechStub]:
    """The stub's process, shared by all."""
    with SpeechStub() as stub:
        yield stub


@pytest.fixture
def stub(stub_process: SpeechStub) -> SpeechStub:
    """The stub as if it had just been started."""
    stub_process.reset()
    return stub_process


@pytest.fixture
def start(stub: SpeechStub, sound_card: VirtualSoundCard) -> Iterator[Start]:
    """Start a server that has done its handshake; keywords are settings without VOICEMODE_, upper or lower case.

    None leaves a setting out, so that a file may say it.
    """
    sound_card.add_speaker()
    sound_card.add_microphone()
    with ExitStack() as stack:

        def begin(
            *, env: dict[str, str] | None = None, argv: tuple[str, ...] = SERVER, **settings: str | None
        ) -> ServerProcess:
            stubs = {"tts_base_urls": stub.url, "stt_base_urls": stub.url}
            chosen = {**stubs, "builtin": "false", "discovery": "false", "speech_cache": "off", **settings}
            variables = {f"VOICEMODE_{name.upper()}": value for name, value in chosen.items() if value is not None}
            process = ServerProcess({**sound_card.env, **variables, **(env or {})}, argv=argv)
            server = stack.enter_context(process)
            server.initialize()
            return server

        yield begin
    sound_card.add_speaker()
    sound_card.add_microphone()
