"""Files of any usual format, read block by block."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.engines.sound_file import SoundFile, open_sound
from voicemode.errors import MediaError
from voicemode.testing import tone
from voicemode.wire.wav import encode_wav

CLIP = Path(__file__).parents[1] / "clips" / "seven_of_clubs.wav"


def test_a_file_is_read_in_blocks_without_loss() -> None:
    """All samples, and none of the blocks is the whole file."""
    with open_sound(CLIP) as sound:
        blocks = list(sound.blocks())
        assert sound.seconds == pytest.approx(sum(map(len, blocks)) / CAPTURE_RATE, abs=0.01)
    assert len(blocks) > 5


def test_a_pipe_is_read_as_it_comes() -> None:
    """It cannot seek, and need not."""
    reading, writing = os.pipe()
    wav = encode_wav(AudioChunk(tone(2.0), CAPTURE_RATE))

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(wav)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as pipe:
        sound = SoundFile(pipe, "standard input")
        assert sum(map(len, sound.blocks())) == 2 * CAPTURE_RATE
        sound.close()
    thread.join()


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF\0\0\0\0WAVE", b"#EXTM3U\n/etc/passwd\n"])
def test_what_is_no_audio_is_an_error_that_names_it(content: bytes) -> None:
    """Before anything is read of it, or at the first block."""
    with pytest.raises(MediaError, match="letter"):
        list(SoundFile(io.BytesIO(content), "letter").blocks())


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    """In the words of the operating system."""
    with pytest.raises(MediaError, match="No such file"), open_sound(tmp_path / "nowhere.wav"):
        pass


def test_a_file_that_breaks_off_gives_what_is_there(tmp_path: Path) -> None:
    """A recorder that ran out of battery has left something."""
    path = tmp_path / "half.wav"
    path.write_bytes(encode_wav(AudioChunk(tone(4.0), CAPTURE_RATE))[: 2 * CAPTURE_RATE])
    with open_sound(path) as sound:
        heard = np.concatenate(list(sound.blocks()))
    assert len(heard) / CAPTURE_RATE == pytest.approx(1.0, abs=0.01)


def test_closing_twice_is_harmless() -> None:
    """Whoever cleans up need not know."""
    with open_sound(CLIP) as sound:
        sound.close()
    with open_sound(CLIP) as again:
        assert any(len(block) for block in again.blocks())
