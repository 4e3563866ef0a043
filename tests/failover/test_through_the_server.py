"""From the agent's call to the person's ear and back, through a server process, with faults in front."""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.simulated_person import SimulatedPerson
from scripts.sound_recorder import CARD_RATE
from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.process import ServerProcess
from tests.stubs.client import SpeechStub
from tests.stubs.fault_client import FaultProxy
from tests.stubs.sentence_tones import listen, sentences

pytestmark = pytest.mark.sound

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
SENTENCES = 6


@contextmanager
def _server(card: VirtualSoundCard, *, tts: tuple[str, ...], stt: tuple[str, ...]) -> Iterator[ServerProcess]:
    env = {
        **card.env,
        "VOICEMODE_TTS_BASE_URLS": ",".join(tts),
        "VOICEMODE_STT_BASE_URLS": ",".join(stt),
        "VOICEMODE_BUILTIN": "false",
        "VOICEMODE_DISCOVERY": "false",
    }
    with ServerProcess(env) as server:
        server.initialize()
        yield server


@contextmanager
def _answering(card: VirtualSoundCard) -> Iterator[SimulatedPerson]:
    """Somebody who listens, and answers when the loudspeaker has fallen silent."""
    with SimulatedPerson(card, CLIP, quiet_s=0.8) as person:
        living = threading.Thread(target=person.answer, args=(time.monotonic() + 30,))
        living.start()
        try:
            yield person
        finally:
            living.join()


def test_the_person_hears_every_sentence_and_the_agent_gets_the_words(
    faults: FaultProxy, stub: SpeechStub, sound_card: VirtualSoundCard
) -> None:
    """The voice breaks off in mid-message, and who should write answers JSON without words: the next ones step in."""
    voice = faults.open("close_middle", stub.urls[0], after=1)
    writer = faults.open("json_error", stub.urls[0])
    with (
        _server(sound_card, tts=(voice, stub.urls[1]), stt=(writer, stub.urls[1])) as server,
        _answering(sound_card) as person,
    ):
        result = server.converse(message=" ".join(sentences(SENTENCES)))
        spoken = person.loudspeaker()
    structured = result["structuredContent"]
    assert (structured["status"], structured["text"]) == ("answered", "what is the weather like")
    assert structured["engines"]["stt"] == stub.urls[1]
    failed = " ".join(structured["failed"])
    assert voice in failed
    assert writer in failed
    heard = listen(spoken.samples, CARD_RATE)
    assert [each.number for each in heard if each.whole] == list(range(1, SENTENCES + 1)), heard


def test_an_utterance_nobody_could_write_down_is_written_down_later(
    faults: FaultProxy, stub: SpeechStub, sound_card: VirtualSoundCard
) -> None:
    """One error names both endpoints and the recording; when an endpoint is back, resume brings the words."""
    down = faults.open("refused", stub.urls[0])
    stub.configure(1, stt_mode="503")
    with (
        _server(sound_card, tts=(stub.urls[0],), stt=(down, stub.urls[1])) as server,
        _answering(sound_card),
    ):
        result = server.converse(message="This is sentence one.")
        assert result["isError"] is True
        text = result["content"][0]["text"]
        assert down in text
        assert stub.urls[1] in text
        recordings = sorted((server.home / ".voicemode" / "pending").glob("*.wav"))
        assert [recording.stem in text for recording in recordings] == [True]
        assert stat.S_IMODE(recordings[0].stat().st_mode) == 0o600

        stub.configure(1, stt_mode="ok")
        later = server.converse(resume=recordings[0].stem)
        assert later["structuredContent"]["text"] == "what is the weather like"
        assert not recordings[0].exists()
