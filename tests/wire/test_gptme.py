"""gptme's messages, one by one: what its clients send, and what they are sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.playout import PlayoutSound
from voicemode.wire.gptme import LocalProtocol, VoiceProtocol
from voicemode.wire.simple_session import (
    AnswerBegan,
    AnswerCut,
    AnswerHeard,
    Cue,
    EndTurn,
    Output,
    PersonSpeaks,
    Problem,
    Sound,
    Transcript,
    Typed,
)

SAMPLES = np.array([1, -2, 300, -32768, 32767], np.int16)
TOLD: list[Output] = [
    AnswerBegan(),
    PersonSpeaks(True),
    PersonSpeaks(False),
    Transcript("user", "Hello."),
    Problem("chat", "Nobody answers."),
]
"""What gptme has no message for."""


def frames(protocol: Any, *outputs: Output) -> list[Any]:
    return [frame for output in outputs for frame in protocol.write(output)]


def test_voice_says_first_at_which_rates_it_talks() -> None:
    """Clients send nothing before it."""
    ready = {"type": "ready", "input_sample_rate": 16000, "output_sample_rate": 24000}
    assert list(VoiceProtocol().opening()) == [ready]
    assert list(LocalProtocol().opening()) == []


def test_voice_carries_sound_in_binary_frames_both_ways() -> None:
    """16-bit little-endian; at 16 kHz in, and 24 kHz out."""
    (sound,) = VoiceProtocol().read(SAMPLES.astype("<i2").tobytes())
    assert isinstance(sound, Sound)
    assert sound.sample_rate == 16_000
    np.testing.assert_array_equal(sound.samples, SAMPLES)
    assert frames(VoiceProtocol(), PlayoutSound(SAMPLES)) == [SAMPLES.astype("<i2").tobytes()]


@given(st.lists(st.binary(max_size=9), max_size=9))
def test_voice_loses_nothing_between_frames(pieces: list[bytes]) -> None:
    """Where a sample is cut in two, its halves meet again: one byte's shift would be noise from there on."""
    protocol = VoiceProtocol()
    heard = b"".join(
        each.samples.astype("<i2").tobytes() for piece in pieces for each in protocol.read(piece) if isinstance(each, Sound)
    )
    whole = b"".join(pieces)
    assert heard == whole[: len(whole) & ~1]


def test_local_carries_sound_in_base64_both_ways() -> None:
    """At 24 kHz."""
    message = {"type": "audio", "audio": base64.b64encode(SAMPLES.astype("<i2").tobytes()).decode()}
    (sound,) = LocalProtocol().read(json.dumps(message))
    assert isinstance(sound, Sound)
    assert sound.sample_rate == 24_000
    np.testing.assert_array_equal(sound.samples, SAMPLES)
    assert frames(LocalProtocol(), PlayoutSound(SAMPLES)) == [message]


@pytest.mark.parametrize("protocol", [VoiceProtocol, LocalProtocol])
def test_a_commit_ends_the_turn(protocol: Any) -> None:
    """And typed words are an addition of ours."""
    assert list(protocol().read('{"type": "commit"}')) == [EndTurn()]
    assert list(protocol().read('{"type": "text", "text": "Hello."}')) == [Typed("Hello.")]


@pytest.mark.parametrize("protocol", [VoiceProtocol, LocalProtocol])
@pytest.mark.parametrize(
    "message",
    [
        *("", "{", "null", "[]", '"commit"', '{"type": 5}', '{"type": ["commit"]}', '{"type": "audio"}', "[" * 100_000),
        *('{"type": "audio", "audio": "%%%"}', '{"type": "audio", "audio": "AA=="}', '{"type": "audio", "audio": null}'),
        *('{"type": "text", "text": " "}', '{"type": "text", "text": {}}'),
    ],
)
def test_what_means_nothing_is_passed_over(protocol: Any, message: str) -> None:
    """As gptme does: nothing raises, nothing answers."""
    assert list(protocol().read(message)) == []


def test_local_passes_over_binary_frames_that_are_no_json() -> None:
    """A client that confuses the two endpoints."""
    assert list(LocalProtocol().read(b"\xff\x00\x01")) == []


@pytest.mark.parametrize("protocol", [VoiceProtocol, LocalProtocol])
def test_both_ends_of_an_answer_make_its_player_silent(protocol: Any) -> None:
    """Whether it was heard or interrupted: it is the one message that an unmodified client understands."""
    assert frames(protocol(), AnswerHeard(), AnswerCut()) == [{"type": "audio_end"}, {"type": "audio_end"}]


@pytest.mark.parametrize("protocol", [VoiceProtocol, LocalProtocol])
def test_clients_that_did_not_ask_are_told_nothing_more(protocol: Any) -> None:
    """What gptme does not send might break them."""
    assert frames(protocol(), *TOLD) == []


@pytest.mark.parametrize("protocol", [VoiceProtocol, LocalProtocol])
def test_clients_that_asked_are_told_all(protocol: Any) -> None:
    """Interruptions first, so that they know what the end means."""
    told = frames(protocol(events=True), AnswerCut(), *TOLD)
    assert told == [
        {"type": "interrupted"},
        {"type": "audio_end"},
        {"type": "answer_started"},
        {"type": "speech_started"},
        {"type": "speech_stopped"},
        {"type": "transcript", "role": "user", "text": "Hello.", "interrupted": False},
        {"type": "error", "code": "chat", "message": "Nobody answers."},
    ]


@pytest.mark.parametrize("kind", ["dispatch", "timeout"])
def test_a_cue_is_a_short_sound_at_8_khz(kind: Any) -> None:
    """Less than a quarter of a second, well below full scale."""
    (cue,) = frames(VoiceProtocol(), Cue(kind))
    assert (cue["type"], cue["cue"], cue["sample_rate"]) == ("sound_cue", kind, 8000)
    samples = np.frombuffer(base64.b64decode(cue["audio"]), "<i2")
    assert 800 < len(samples) < 2000
    assert 3000 < np.abs(samples).max() < 8000
