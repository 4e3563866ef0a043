"""converse over stdio on real sound: a person's recording goes in, words come out, and nothing is cut off."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bench.alignment import clipping
from scripts.simulated_person import SimulatedPerson
from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.conftest import Start
from tests.mcp_server.moments import voiced
from tests.stubs.client import SpeechStub
from voicemode.audio import AudioChunk
from voicemode.wire.wav import decode_wav

pytestmark = pytest.mark.sound

CLIPS = Path(__file__).parents[1] / "clips"
CLIP = CLIPS / "go_forward_ten_meters.wav"


def answer_with(card: VirtualSoundCard, clip: Path, *, quiet_s: float = 0.3) -> threading.Thread:
    """A person who answers when the loudspeaker has fallen silent; join the thread."""
    person = SimulatedPerson(card, clip, quiet_s=quiet_s)

    def live() -> None:
        with person:
            person.answer(time.monotonic() + 20)

    thread = threading.Thread(target=live)
    thread.start()
    return thread


class TestAnswer:
    """One question, one answer."""

    def test_a_human_voice_arrives_uncut(self, start: Start, stub: SpeechStub, sound_card: VirtualSoundCard) -> None:
        """The recogniser gets the whole recording: 0 ms are clipped at either end."""
        server = start()
        person = answer_with(sound_card, CLIP)
        result = server.converse(message="Where should the robot go?")
        person.join()
        assert result["structuredContent"]["status"] == "answered"
        lost = clipping(voiced(decode_wav(CLIP.read_bytes())), decode_wav(stub.uploads()[-1]))
        assert lost.correlation > 0.9
        assert (lost.head_ms, lost.tail_ms) == (0, 0)

    def test_the_builtin_engines_hear_a_person_without_network_or_key(self, start: Start, sound_card: VirtualSoundCard) -> None:
        """First run, nothing configured: the words come back, with an honest remark."""
        server = start(tts_base_urls="", stt_base_urls="", builtin="true")
        person = answer_with(sound_card, CLIP, quiet_s=0.5)
        result = server.converse(message="Where should the robot go?")
        person.join()
        structured = result["structuredContent"]
        assert structured["text"] == "go forward ten meters"
        assert structured["confidence"] == "low"
        assert structured["engines"]["stt"] == "builtin:pocketsphinx"
        assert "confirm what matters" in result["content"][0]["text"]

    def test_expected_answers_make_the_builtin_recogniser_reliable(self, start: Start, sound_card: VirtualSoundCard) -> None:
        """A grammar of the options; the answer is one of them, as it was written."""
        server = start(tts_base_urls="", stt_base_urls="", builtin="true")
        person = answer_with(sound_card, CLIPS / "seven_of_clubs.wav", quiet_s=0.5)
        options = ["Ten of clubs", "Seven of clubs", "King of hearts"]
        result = server.converse(turns=[{"message": "Which card?", "options": options}])
        person.join()
        assert result["structuredContent"]["answers"] == [
            {"status": "answered", "text": "Seven of clubs", "confidence": "grammar", "ended_by": "silence"}
        ], result

    def test_several_questions_give_answers_in_order(
        self, start: Start, stub: SpeechStub, sound_card: VirtualSoundCard
    ) -> None:
        """Index-aligned, in one call."""
        server = start()
        number = server.call("converse", turns=[{"message": "One?"}, {"message": "Two?"}])
        stub.configure(stt_text="the first answer")
        answer_with(sound_card, CLIPS / "ten_of_clubs.wav").join()
        second = answer_with(sound_card, CLIPS / "ten_of_clubs.wav")  # hears the second question, which is yet to come
        time.sleep(1.2)  # the silence that ends the first answer
        stub.configure(stt_text="the second answer")
        second.join()
        answers = server.wait(number, 60)["result"]["structuredContent"]["answers"]
        assert [answer["text"] for answer in answers] == ["the first answer", "the second answer"]


class TestNoAnswer:
    """Silence, noise and zeros are three things, and none of them is an answer."""

    def test_nobody_speaking_ends_after_the_start_timeout(self, start: Start) -> None:
        """Not after the full listening time."""
        began = time.monotonic()
        result = start(start_timeout_s="2").converse(message="Anyone?")
        assert result["structuredContent"]["status"] == "no_speech"
        assert time.monotonic() - began < 10

    def test_noise_is_no_speech_and_no_words_are_invented(
        self, start: Start, stub: SpeechStub, sound_card: VirtualSoundCard
    ) -> None:
        """The stub would answer with words whatever it got; it is not even asked."""
        server = start(start_timeout_s="3")
        noise = AudioChunk(np.random.default_rng(1).normal(0, 600, 48_000 * 3).astype(np.int16), 48_000)
        number = server.call("converse", message="Anyone?")
        server.wait_for_state("listening")
        sound_card.play_into_microphone(noise)
        assert server.wait(number)["result"]["structuredContent"]["status"] == "no_speech"
        assert stub.uploads() == []

    def test_a_muted_microphone_is_an_error_that_says_what_to_do(self, start: Start, stub: SpeechStub) -> None:
        """Only zeros arrive: permission, or a switch."""
        with VirtualSoundCard(noise_dbfs=None) as muted:
            result = start(env=muted.env, start_timeout_s="2").converse(message="Anyone?")
        assert result["isError"] is True
        assert result["structuredContent"]["code"] == "microphone_silent"
        assert "Unmute" in result["content"][0]["text"]


class TestPhrases:
    """What was said before need not be synthesized again."""

    def test_a_repeated_phrase_needs_no_engine(self, start: Start, stub: SpeechStub) -> None:
        """It is spoken although its endpoint has gone; other words are not."""
        server = start(speech_cache="memory")
        stub.configure(first_byte_s=0.2)
        for _ in range(2):
            result = server.converse(message="One moment.", wait_for_response=False)
            assert result["structuredContent"]["status"] == "spoken"
            stub.configure(refuse=True)
        assert len(stub.events("tts")) == 1
        assert server.converse(message="Two moments.", wait_for_response=False)["isError"] is True


class TestDevices:
    """A device that is missing, or goes, or comes."""

    def test_no_loudspeaker_and_no_microphone_are_two_errors(self, start: Start) -> None:
        """Nothing is reported as spoken."""
        nowhere = {"PULSE_SERVER": "unix:/nonexistent"}
        spoken = start(env=nowhere).converse(message="Hello", wait_for_response=False)
        assert (spoken["isError"], spoken["structuredContent"]["code"]) == (True, "no_output_device")
        heard = start(env=nowhere, audio_feedback="false").converse()
        assert (heard["isError"], heard["structuredContent"]["code"]) == (True, "no_input_device")

    def test_a_device_by_a_name_that_does_not_exist_names_those_that_do(self, start: Start) -> None:
        """The person can choose from the message alone."""
        result = start(output_device="Gramophone").converse(message="Hello", wait_for_response=False)
        assert result["structuredContent"]["code"] == "no_output_device"
        assert "There are:" in result["content"][0]["text"]

    def test_a_microphone_unplugged_in_mid_call_is_told_and_the_next_call_works(
        self, start: Start, sound_card: VirtualSoundCard
    ) -> None:
        """Plugged in again, it is used again, without restarting the server."""
        server = start(start_timeout_s="20")
        number = server.call("converse", message="Hello")
        server.wait_for_state("listening")
        sound_card.remove_microphone()
        result = server.wait(number, 15)["result"]
        assert (result["isError"], result["structuredContent"]["code"]) == (True, "device_lost")
        sound_card.add_microphone()
        person = answer_with(sound_card, CLIP)
        again = server.converse(message="Again?")
        assert again["structuredContent"].get("status") == "answered", again
        person.join()
