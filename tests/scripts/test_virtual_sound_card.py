"""The virtual sound card: it carries sound, tells when, shows who listens, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from scripts.sound_recorder import CARD_RATE, Recording
from scripts.virtual_sound_card import VirtualSoundCard, available
from tests.engines.hearing import loud_part
from voicemode.audio import FULL_SCALE, AudioChunk, Samples
from voicemode.testing import tone
from voicemode.wire.wav import encode_wav

pytestmark = [pytest.mark.sound, pytest.mark.usefixtures("sound_card")]

ROOT = Path(__file__).parents[2]


def dbfs(samples: Samples) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples.astype(np.float64) ** 2)) / FULL_SCALE))


def start_player(card: VirtualSoundCard, sound: Samples) -> subprocess.Popen[bytes]:
    """A stranger's program that plays on the loudspeaker."""
    with tempfile.TemporaryFile() as pcm:  # a pipe would hold us up until most of it was played
        pcm.write(sound.tobytes())
        pcm.seek(0)
        form = ["--raw", "--format=s16le", f"--rate={CARD_RATE}", "--channels=1", "--latency-msec=100"]
        return subprocess.Popen(["pacat", "--playback", *form], stdin=pcm, env={**os.environ, **card.env})


def test_what_is_said_into_the_microphone_arrives_there(sound_card: VirtualSoundCard, tmp_path: Path) -> None:
    """Samples and WAV files, whole; the call returns when the last sample was in the air."""
    wav = tmp_path / "a.wav"
    wav.write_bytes(encode_wav(AudioChunk(tone(0.5, 16_000), 16_000)))
    for sound in (AudioChunk(tone(0.5, 24_000), 24_000), wav):
        with sound_card.record_microphone() as recorder:
            began_at = time.monotonic()
            sound_card.play_into_microphone(sound)
            returned_at = time.monotonic()
            recorder.wait_for(returned_at + 0.1)
        first, last = loud_part(recorder.recording(began_at))
        assert last - first == pytest.approx(0.5, abs=0.01)
        assert last < returned_at + 0.02


def test_the_microphone_is_not_the_loudspeaker(sound_card: VirtualSoundCard) -> None:
    """What one carries is not heard on the other."""
    with sound_card.record_loudspeaker() as recorder:
        sound_card.play_into_microphone(AudioChunk(tone(0.3), 16_000))
    assert not recorder.recording().samples.any()


def test_on_open_speakers_the_microphone_hears_the_loudspeaker(sound_card: VirtualSoundCard) -> None:
    """Softer by what was asked for, however often; with headphones no more."""
    levels = []
    sound_card.open_speakers(-12.0)
    sound_card.open_speakers(-12.0)
    sound_card.add_speaker()
    for _ in range(2):
        began_at = time.monotonic()
        with sound_card.record_loudspeaker() as loudspeaker, sound_card.record_microphone() as microphone:
            start_player(sound_card, tone(1.0, CARD_RATE)).wait(10.0)
            microphone.wait_for(time.monotonic() + 0.5)
            loudspeaker.wait_for(time.monotonic())
        played, heard = loudspeaker.recording(began_at), microphone.recording(began_at)
        levels.append(dbfs(heard.samples) - dbfs(played.samples))
        sound_card.wear_headphones()
    assert levels[0] == pytest.approx(-12.0, abs=1.0)
    assert levels[1] < -30


def test_the_microphone_has_the_noise_of_a_room(sound_card: VirtualSoundCard) -> None:
    """At the level that was asked for, so that exact zeros mean a muted device."""
    with sound_card.record_microphone() as recorder:
        recorder.wait_for(time.monotonic() + 0.5)
    assert dbfs(recorder.recording().samples) == pytest.approx(-65, abs=3)


def test_a_muted_microphone_delivers_zeros() -> None:
    """Without noise, all is exactly zero."""
    with VirtualSoundCard(noise_dbfs=None) as card, card.record_microphone() as recorder:
        recorder.wait_for(time.monotonic() + 0.3)
        recording = recorder.recording()
    assert len(recording.samples) > CARD_RATE // 5
    assert not recording.samples.any()


def test_a_recording_is_dated(sound_card: VirtualSoundCard) -> None:
    """Two recorders, started apart, date the same sound alike to 15 ms."""
    with sound_card.record_loudspeaker() as early:
        time.sleep(0.2)
        with sound_card.record_loudspeaker() as late:
            player = start_player(sound_card, tone(0.3, CARD_RATE))
            player.wait(10)
            for recorder in (early, late):
                recorder.wait_for(time.monotonic() + 0.2)
    starts = [loud_part(recorder.recording())[0] for recorder in (early, late)]
    assert abs(starts[0] - starts[1]) < 0.015


def test_who_plays_and_who_records_is_known(sound_card: VirtualSoundCard) -> None:
    """Strangers are listed with their process, our own recorders and players are not."""
    assert sound_card.playing_clients() == []
    with sound_card.record_loudspeaker(), sound_card.record_microphone():
        player = start_player(sound_card, tone(2.0, CARD_RATE))
        while not (clients := sound_card.playing_clients()):
            time.sleep(0.02)
        assert [client.pid for client in clients] == [player.pid]
        assert sound_card.recording_clients() == []
        player.kill()
        player.wait(5)


def test_an_unplugged_loudspeaker_ends_the_streams_on_it(sound_card: VirtualSoundCard) -> None:
    """They are not moved to another device, which would be a sound where nobody wants it."""
    with sound_card.record_microphone() as recorder:
        player = start_player(sound_card, tone(5.0, CARD_RATE))
        while not sound_card.playing_clients():
            time.sleep(0.02)
        sound_card.remove_speaker()
        sound_card.remove_speaker()
        assert player.wait(5) != 0
        time.sleep(0.1)
    assert dbfs(recorder.recording().samples) < -55
    sound_card.add_speaker()
    sound_card.add_speaker()
    assert start_player(sound_card, tone(0.1, CARD_RATE)).wait(5) == 0


def test_a_stopped_card_leaves_nothing(tmp_path: Path) -> None:
    """No process, no folder; and stopping twice does no harm."""
    with VirtualSoundCard() as card:
        folder = card.folder
        inside = processes_of(folder)
        assert inside
    card.stop()
    assert not folder.exists()
    assert not any(process.is_running() for process in inside)


def test_a_killed_owner_leaves_nothing() -> None:
    """SIGKILL cannot be caught: the card notices that its owner is gone."""
    code = (
        "import time; from scripts.virtual_sound_card import VirtualSoundCard\n"
        "with VirtualSoundCard() as card: print(card.folder, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        inside = processes_of(folder)
        assert inside
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5.0
    while folder.exists() or any(process.is_running() for process in inside):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_command_runs_inside_a_card_of_its_own() -> None:
    """Its environment names the card, its exit code is ours."""
    code = "import os, subprocess; subprocess.run(['pactl', 'get-default-sink'], check=True); raise SystemExit(7)"
    run = subprocess.run(
        [sys.executable, "-m", "scripts.virtual_sound_card", "--", sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (run.returncode, run.stdout) == (7, "speaker\n")


def test_a_machine_without_the_tools_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One sentence with the command; the card of this run proves the other case."""
    assert available() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install pulseaudio" in (available() or "")


def test_a_recording_lists_its_sounds() -> None:
    """Audible stretches with their instants; a short silence inside one is bridged."""
    silence = np.zeros(CARD_RATE // 2, dtype=np.int16)
    beep = tone(0.1, CARD_RATE)
    gap = silence[: CARD_RATE // 20]
    recording = Recording(np.concatenate([silence, beep, gap, beep, silence, beep]), started_at=100.0)
    assert np.array(recording.sounds()) == pytest.approx(np.array([[100.5, 100.75], [101.25, 101.35]]))
    assert recording.ended_at == pytest.approx(101.35)


def processes_of(folder: Path) -> list[psutil.Process]:
    """All that run with this card's folder in their command line or environment, ourselves left out."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(str(folder) in word for word in words) and process.pid != os.getpid():
            found.append(process)
    return found
