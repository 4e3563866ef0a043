"""One conversation: typed at the command line, spoken at the sound card through ``converse``, gone on with over WebRTC."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.http.test_one_record import ANSWER, CLIP, HEARD, ask_and_interrupt, over_webrtc, told, typed
from tests.mcp_server.conftest import Start
from tests.mcp_server.process import ServerProcess
from tests.security.assembled import house
from tests.stubs.client import SpeechStub

pytestmark = [pytest.mark.sound, pytest.mark.anyio]

TYPED = "Typed at the command line."
MESSAGE = (
    "Here is what happened while you were away. The build failed twice because of a missing file, and then it passed. "
    "After that I looked at the tests, of which three are slow, and made two of them faster. The third one needs a decision."
)
_WORDS_PER_S = 3.75
"""Of the built-in voice, which says all of this in some 12 s."""
SPOKEN = "Well, that is enough of it."
_TRIES = 3
_LISTEN = {"type": "server_vad", "silence_duration_ms": 400}
_SESSION = {"type": "realtime", "audio": {"input": {"turn_detection": _LISTEN}}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def interrupted(server: ServerProcess, card: VirtualSoundCard) -> tuple[dict[str, Any], float]:
    """What ``converse`` returns when a person at the card speaks into its message; again, as long as it goes on.

    And how many seconds came from the loudspeaker.
    """
    with card.record_loudspeaker() as ears:
        began_at = time.monotonic()
        number = server.call("converse", message=MESSAGE)
        while not ears.recording(began_at).sounds():
            assert time.monotonic() < began_at + 20, server.stderr()
            time.sleep(0.05)
        time.sleep(1.0)
        for _ in range(_TRIES):
            card.play_into_microphone(CLIP)
            time.sleep(1.5)
            if server.answered(number):
                break
        result: dict[str, Any] = server.wait(number, 30)["result"]["structuredContent"]
        audible_s = sum(end - begin for begin, end in ears.recording(began_at).sounds(join_s=0.3))
    return result, audible_s


async def test_typed_spoken_at_the_card_and_gone_on_with_over_webrtc_it_is_one_record(
    tmp_path: Path, start: Start, stub: SpeechStub, sound_card: VirtualSoundCard
) -> None:
    """In order, all of it told to whoever answers, and of each interrupted message what was heard and no more."""
    stub.configure(stt_text=HEARD, chat_text=ANSWER, chat_goes_on="whole")
    await typed(tmp_path, stub, TYPED)

    kept = {"memory": "persistent", "base_dir": str(tmp_path / ".voicemode")}
    voice = {"tts_base_urls": "", "builtin": "true"}  # speech, not the stub's tones
    server = await asyncio.to_thread(start, thread="trip", **voice, **kept)
    stub.configure(stt_text=SPOKEN)
    result, audible_s = await asyncio.to_thread(interrupted, server, sound_card)
    assert (result["status"], result.get("text")) == ("interrupted", SPOKEN), result
    stub.configure(stt_text=HEARD)

    endpoints = {"stt_base_urls": stub.url, "tts_base_urls": stub.url, "chat_base_urls": stub.url}
    async with house(tmp_path, **endpoints, **kept) as here, here.web() as web:
        await web.get("/readyz")  # who is there is known
        body = {"thread_id": "trip", "memory_mode": "persistent", "session": _SESSION}
        secret = (await web.post("/api/sessions/session", json=body)).json()["client_secret"]
        async with over_webrtc(here, secret) as talk:
            await ask_and_interrupt(talk, "output_audio_buffer.started")
        await here.idle()
        entries = (await web.get("/api/sessions/trip")).json()["entries"]

    assert [(each["surface"], each["role"]) for each in entries] == [
        *(("cli", role) for role in ("user", "assistant")),
        *(("converse", role) for role in ("assistant", "user")),
        *(("webrtc", role) for role in ("user", "assistant", "user", "assistant")),
    ]
    assert [each["text"] for each in entries if each["role"] == "user"] == [TYPED, SPOKEN, HEARD, HEARD]
    assert [each["standing"] for each in entries] == [
        "whole",
        "whole",
        "interrupted",
        *["whole", "whole", "interrupted"],
        *["whole", "interrupted"],
    ]
    assert [each["began_at"] for each in entries] == sorted(each["began_at"] for each in entries)

    assert entries[1]["text"] == ANSWER
    assert entries[2]["text"] == result["heard"]
    spoken = entries[2]["text"].split()
    assert spoken + result["unheard"].split() == MESSAGE.split()
    assert len(spoken) == pytest.approx(audible_s * _WORDS_PER_S, abs=3)
    # A word is spoken in some 0.4 s; it was interrupted one to four seconds after it began, and never near its end.
    assert ANSWER.startswith(entries[5]["text"])
    assert 1 <= len(entries[5]["text"].split()) <= 15

    requests = [each for each in stub.events("chat") if "body" in each]
    assert told(requests[-1]) == [(each["role"], each["text"]) for each in entries[:-1]]
