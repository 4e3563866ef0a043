"""A sound card where there is none: a private PulseAudio daemon with one loudspeaker and one microphone.

::

    program under test --PortAudio, ALSA--> sink "speaker" --its monitor--> record_loudspeaker()
                                               | muted, or softer where the speakers are open
                                            sink "room" <-- sink "mic_in" <-- play_into_microphone()
                                               | its monitor
    program under test <-PortAudio, ALSA--- source "mic"

All of it moves by one clock, that of the room: what the loudspeaker plays is in the microphone at that same instant, however
busy the machine is. With a loop from one clock to another, the echo came 100 ms later and, each time the daemon was not served
in time, later still: half a second after some minutes.

Nothing outside its own folder is read or written; a program joins by the variables of ``VirtualSoundCard.env``.
As a command it runs another one inside: ``python -m scripts.virtual_sound_card -- CMD ARGS``.

Debian and Ubuntu: ``apt-get install pulseaudio pulseaudio-utils libasound2-plugins libportaudio2``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from scripts.sound_recorder import CARD_RATE, Recorder
from voicemode.audio import FULL_SCALE, AudioChunk

__all__ = ["SoundClient", "VirtualSoundCard", "available"]

_TOOLS = ("pulseaudio", "pactl", "pacat", "parec")
_PLUGIN_PATTERNS = ("lib/*/alsa-lib", "lib64/alsa-lib", "lib/alsa-lib")
_OWN_NAME = "voicemode-virtual-card"
_START_S = 10.0
_STOP_S = 3.0

# Only "default" exists, so PortAudio sees this card and nothing of the machine it runs on. The file does not include
# ALSA's own configuration: its hooks would load a "default" from /etc/alsa or ~/.asoundrc over this one.
_ALSA = """\
pcm.!default { type pulse hint { show on description "voicemode virtual sound card" } }
ctl.!default { type pulse }
"""

# The shell owns the daemon and ends it when its standard input closes, which also happens when we are killed.
_KEEPER = 'pulseaudio "$@" </dev/null & read -r _; kill $! 2>/dev/null; wait $!; rm -rf "$CARD_FOLDER"'


@dataclass(frozen=True, slots=True)
class SoundClient:
    """A program that plays or records on the card at this moment."""

    name: str
    pid: int
    """Process id; 0 when the program did not tell."""


def available() -> str | None:
    """Why no card can be made here, as one sentence; None when it can."""
    if sys.platform != "linux":
        return f"the virtual sound card needs Linux, this is {sys.platform}."
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not found: apt-get install pulseaudio pulseaudio-utils."
    plugin = "libasound_module_pcm_pulse.so"
    if not any(any(Path("/usr").glob(f"{pattern}/{plugin}")) for pattern in _PLUGIN_PATTERNS):
        return f"{plugin} not found: apt-get install libasound2-plugins."
    if find_library("portaudio") is None:
        return "PortAudio not found: apt-get install libportaudio2."
    return None


class VirtualSoundCard:
    """One private card. A context manager; it needs no rights and works as root too.

    ``noise_dbfs`` is the RMS level of the pink noise in the microphone, as in a room: exact zeros mean a muted device.
    None is digital silence. Raises RuntimeError when the daemon does not start.
    """

    def __init__(self, *, noise_dbfs: float | None = -65.0) -> None:
        self.noise_dbfs = noise_dbfs
        self.folder = Path()
        self._keeper: subprocess.Popen[bytes] | None = None
        self._noise: subprocess.Popen[bytes] | None = None
        self._modules: dict[str, str] = {}
        self._echo_db: float | None = None

    @property
    def env(self) -> dict[str, str]:
        """The variables that put a program's PortAudio on this card. Add them to its environment."""
        return {
            "ALSA_CONFIG_PATH": str(self.folder / "asound.conf"),
            "PULSE_SERVER": f"unix:{self.folder / 'native'}",
            "PULSE_RUNTIME_PATH": str(self.folder / "run"),
            # Named, so that a stream fails when its device is unplugged, and does not fall on the other sink.
            "PULSE_SINK": "speaker",
            "PULSE_SOURCE": "mic",
        }

    def __enter__(self) -> Self:
        # A short path: a Unix socket's may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="voicemode-card-"))
        try:
            self._start_daemon()
            self._load("room", "module-null-sink", "sink_name=room", f"rate={CARD_RATE}", "channels=1", "norewinds=1")
            self.add_speaker()
            self.add_microphone()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End the daemon and remove its folder. Idempotent."""
        self._end_noise()
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        assert keeper.stdin is not None
        keeper.stdin.close()
        try:
            keeper.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(keeper.pid, signal.SIGKILL)  # its own session, made below
            keeper.wait(_STOP_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_speaker(self) -> None:
        """Plug the loudspeaker in. Idempotent."""
        self._load("speaker", "module-remap-sink", "sink_name=speaker", "master=room", "channels=1")
        self._hear_loudspeaker(self._echo_db)
        self._pactl("set-default-sink", "speaker")

    def remove_speaker(self) -> None:
        """Unplug the loudspeaker; whoever plays loses the stream. Idempotent."""
        self._unplug(["speaker"], sink="speaker", source="speaker.monitor")

    def hold_speaker(self, held: bool) -> None:
        """Let the loudspeaker take no sound, as a busy machine does, or go on."""
        self._pactl("suspend-sink", "speaker", str(int(held)))

    def add_microphone(self) -> None:
        """Plug the microphone in, and let the noise of its room begin anew. Idempotent."""
        self._load("mic_in", "module-remap-sink", "sink_name=mic_in", "master=room", "channels=1")
        self._load("mic", "module-remap-source", "source_name=mic", "master=room.monitor", "channels=1")
        self._pactl("set-default-source", "mic")
        # The player is always a new one: after some minutes of a busy machine an old one was found alive and silent.
        self._end_noise()
        if self.noise_dbfs is not None:
            self._noise = self._start_noise(self.noise_dbfs)

    def remove_microphone(self) -> None:
        """Unplug the microphone; whoever records loses the stream. Idempotent."""
        self._end_noise()
        self._unplug(["mic", "mic_in"], sink="mic_in", source="mic")

    def open_speakers(self, level_db: float = -12.0) -> None:
        """Let the microphone hear the loudspeaker, so much softer (< 0), as without headphones. Nothing delays it."""
        self._hear_loudspeaker(level_db)

    def wear_headphones(self) -> None:
        """Let the microphone hear nothing of the loudspeaker, as at the beginning. Idempotent."""
        self._hear_loudspeaker(None)

    def play_into_microphone(self, sound: Path | AudioChunk) -> None:
        """Speak into the microphone, over the noise; returns when the last sample was in the air.

        ``sound`` is a 16-bit WAV or samples. Two callers may speak at once.
        """
        pcm, rate, channels = _raw_pcm(sound)
        seconds = len(pcm) / (2 * rate * channels)
        command = self._pacat("mic_in", rate, channels, latency_ms=200)
        subprocess.run(command, input=pcm, env=self._client_env, check=True, timeout=seconds + 10)

    def record_loudspeaker(self) -> Recorder:
        """A running recorder of what a listener hears. Close it."""
        return Recorder("speaker.monitor", self._client_env, _OWN_NAME)

    def record_microphone(self) -> Recorder:
        """A running recorder of what the microphone hears: voice, echo and noise. Close it."""
        return Recorder("mic", self._client_env, _OWN_NAME)

    def recording_clients(self) -> list[SoundClient]:
        """Who has the microphone open, our own recorders left out. Empty proves that it is closed."""
        return self._clients("source-outputs")

    def playing_clients(self) -> list[SoundClient]:
        """Who has a stream to the loudspeaker, our own players left out."""
        return self._clients("sink-inputs")

    # -- the daemon

    @property
    def _client_env(self) -> dict[str, str]:
        return {**os.environ, **self.env, "LC_ALL": "C.UTF-8"}

    def _start_daemon(self) -> None:
        (self.folder / "run").mkdir(mode=0o700)
        (self.folder / "asound.conf").write_text(_ALSA, encoding="utf-8")
        options = ["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"]
        options += ["--realtime=no", "--high-priority=no", "--log-target=stderr", "--log-level=warn"]
        options += ["-L", f"module-cli-protocol-unix socket={self.folder / 'cli'}"]
        options += ["-L", f"module-native-protocol-unix socket={self.folder / 'native'} auth-anonymous=1"]
        environment = {**self._client_env, "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        environment["CARD_FOLDER"] = str(self.folder)
        with (self.folder / "pulseaudio.log").open("wb") as log:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "card", *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the program inside; the card ends after it
            )
        if not _wait_until(self._answers, _START_S):
            raise RuntimeError(f"PulseAudio did not start: {self._log_tail()}")

    def _answers(self) -> bool:
        return subprocess.run(["pactl", "info"], env=self._client_env, capture_output=True, check=False).returncode == 0

    def _log_tail(self) -> str:
        return (self.folder / "pulseaudio.log").read_text(encoding="utf-8", errors="replace")[-1000:]

    def _pactl(self, *words: str) -> str:
        run = subprocess.run(
            ["pactl", *words], env=self._client_env, capture_output=True, text=True, check=False, timeout=_START_S
        )
        if run.returncode != 0:
            raise RuntimeError(f"pactl {' '.join(words)}: {run.stderr.strip()} {self._log_tail()}")
        return run.stdout

    def _load(self, key: str, *words: str) -> None:
        if key not in self._modules:
            self._modules[key] = self._pactl("load-module", *words, "channel_map=mono").strip()

    def _hear_loudspeaker(self, level_db: float | None) -> None:
        """So much of it is in the room, now and when it is plugged in again; None for nothing."""
        self._echo_db = level_db
        if "speaker" not in self._modules:
            return
        (stream,) = [entry for entry in self._list("sink-inputs") if str(entry.get("owner_module")) == self._modules["speaker"]]
        index = str(stream["index"])
        if level_db is not None:  # as a factor: what begins with "-" pactl takes for a change of what there is
            self._pactl("set-sink-input-volume", index, f"{10 ** (level_db / 20):.6f}")
        self._pactl("set-sink-input-mute", index, str(int(level_db is None)))

    def _unplug(self, keys: list[str], *, sink: str, source: str) -> None:
        """End the streams and remove the modules: PulseAudio alone would move the streams to what is left."""
        streams = [f"kill-sink-input {index}" for index in self._streams_on("sink", sink)]
        streams += [f"kill-source-output {index}" for index in self._streams_on("source", source)]
        modules = [f"unload-module {self._modules.pop(key)}" for key in keys if key in self._modules]
        if modules:
            self._command_daemon([*streams, *modules])

    def _command_daemon(self, lines: list[str]) -> None:
        """Send lines in one piece, so that the daemon obeys them with no sound in between; wait until it did."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_START_S)
            connection.connect(str(self.folder / "cli"))
            connection.sendall("\n".join([*lines, ""]).encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    def _list(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._pactl("--format=json", "list", what) or "[]")
        return found

    def _streams_on(self, kind: str, device: str) -> list[int]:
        streams = {"sink": "sink-inputs", "source": "source-outputs"}[kind]
        indexes = {entry["index"] for entry in self._list(f"{kind}s") if entry["name"] == device}
        return [
            entry["index"]
            for entry in self._list(streams)
            if entry[kind] in indexes and "application.name" in entry["properties"]
        ]

    def _clients(self, streams: str) -> list[SoundClient]:
        clients = []
        for entry in self._list(streams):
            facts = entry["properties"]
            name = facts.get("application.name")
            if name is not None and name != _OWN_NAME:  # modules are no applications
                clients.append(SoundClient(name, int(facts.get("application.process.id", 0))))
        return clients

    # -- sound into the microphone

    def _pacat(self, device: str, rate: int, channels: int, *, latency_ms: int) -> list[str]:
        form = ["--raw", "--format=s16le", f"--rate={rate}", f"--channels={channels}", f"--latency-msec={latency_ms}"]
        return ["pacat", "--playback", f"--device={device}", f"--client-name={_OWN_NAME}", *form]

    def _start_noise(self, dbfs: float) -> subprocess.Popen[bytes]:
        player = subprocess.Popen(
            self._pacat("mic_in", CARD_RATE, 1, latency_ms=200),
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._client_env,
        )
        threading.Thread(target=_feed_for_ever, args=(player, _pink_noise(dbfs)), daemon=True).start()
        return player

    def _end_noise(self) -> None:
        player, self._noise = self._noise, None
        if player is not None:
            player.kill()
            player.wait(_STOP_S)


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll every 20 ms until it holds; False when it did not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _raw_pcm(sound: Path | AudioChunk) -> tuple[bytes, int, int]:
    """Little-endian 16-bit PCM, its rate in hertz and its channels."""
    if isinstance(sound, AudioChunk):
        return sound.pcm, sound.sample_rate, 1
    with wave.open(str(sound), "rb") as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{sound} is not a 16-bit WAV")
        return file.readframes(file.getnframes()), file.getframerate(), file.getnchannels()


def _pink_noise(dbfs: float, seconds: int = 10) -> bytes:
    """A stretch of noise whose power falls with 1/f, as in rooms; seamless when repeated. The seed is fixed."""
    random = np.random.default_rng(1)
    count = CARD_RATE * seconds
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, count)
    noise *= FULL_SCALE * 10 ** (dbfs / 20) / np.sqrt(np.mean(noise**2))
    return np.round(noise + random.uniform(-0.5, 0.5, count)).astype("<i2").tobytes()


def _feed_for_ever(player: subprocess.Popen[bytes], pcm: bytes) -> None:
    """Repeat the sound until the player goes away."""
    assert player.stdin is not None
    with contextlib.suppress(BrokenPipeError), player.stdin as pipe:
        while True:
            pipe.write(pcm)


def main() -> int:
    """Run a command inside a card of its own; its exit code is ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise-dbfs", type=float, default=-65.0, help="level of the microphone's noise")
    parser.add_argument("command", nargs="+", help="what to run, after --")
    arguments = parser.parse_args()
    reason = available()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 69  # EX_UNAVAILABLE
    with VirtualSoundCard(noise_dbfs=arguments.noise_dbfs) as card:
        return subprocess.run(arguments.command, env={**os.environ, **card.env}, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
