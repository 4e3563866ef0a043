"""Everything that can go wrong, as types that carry facts. Prose is made in ``__str__``; nobody matches text.

::

    VoicemodeError                 code, remedy
    ├── RequestError               the caller's argument is wrong (field, problem, allowed)
    ├── SettingsError              a setting is wrong (key, problem, allowed, where)
    ├── SoundError                 this machine's sound (device)
    │   ├── PortAudioMissingError  the library is not installed
    │   ├── NoInputDeviceError     no microphone, or none with the chosen name
    │   ├── NoOutputDeviceError    no loudspeaker, or none with the chosen name
    │   ├── DeviceBusyError        another program holds it
    │   ├── DeviceLostError        it was unplugged, or its server went away
    │   │   └── PageLostError      the page that was the sound card was closed
    │   └── MicrophoneSilentError  it delivers only zeros: muted, or no permission
    ├── EndpointError              one speech endpoint failed (endpoint, problem, status, retryable)
    ├── SpeechFailedError          every endpoint that could have done it failed (attempts, recording)
    ├── LanguageError              no engine at hand speaks or understands the language
    ├── FloorTakenError            another process is speaking (holder)
    ├── ControlError               a conversation cannot be controlled; with its child in voicemode.runtime.control_client
    ├── PageLineError, OfferError  of the browser and of WebRTC; in voicemode.transports.errors
    ├── MediaError                 bytes that claim to be sound and are not (what, problem)
    ├── ModelError                 a model cannot be used or changed (model, problem)
    │   ├── DownloadError          its download ended early (kept_bytes)
    │   └── ModelInUseError        somebody works with it (holder)
    ├── TimelineError              the record of a turn cannot be read (turn, problem)
    ├── RecordError ...            what is kept of conversations; in voicemode.record
    ├── ToolServerError            a server of tools; in voicemode.providers.mcp_error
    ├── ServiceError               a local service cannot be managed; with its children in voicemode.supervise.errors
    └── EngineError                a built-in engine broke (engine, problem); with its child in voicemode.engines.command_error

``RequestError`` and ``SettingsError`` are the caller's to mend, ``EndpointError`` is theirs, ``EngineError`` is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "DeviceBusyError",
    "DeviceLostError",
    "DownloadError",
    "EndpointError",
    "EngineError",
    "FloorTakenError",
    "LanguageError",
    "MediaError",
    "MicrophoneSilentError",
    "ModelError",
    "ModelInUseError",
    "NoInputDeviceError",
    "NoOutputDeviceError",
    "PageLostError",
    "PortAudioMissingError",
    "RequestError",
    "SettingsError",
    "SoundError",
    "SpeechFailedError",
    "TimelineError",
    "VoicemodeError",
]


def _ended(sentence: str) -> str:
    """With a full stop, unless it ends with a question already."""
    return sentence if sentence.endswith("?") else f"{sentence}."


class VoicemodeError(Exception):
    """The root. Never raised itself."""

    code: str = "error"
    """Stable and machine-readable; ``--json`` and the MCP result carry it."""
    remedy: str = ""
    """One sentence in the imperative that says what to do; empty when there is nothing to do."""

    def __new__(cls, *args: object, **kwargs: object) -> VoicemodeError:
        if cls is VoicemodeError:
            raise TypeError("raise one of its children")
        return super().__new__(cls, *args, **kwargs)

    @property
    def problem(self) -> str:
        """What happened, without the remedy."""
        return self.code

    def __str__(self) -> str:
        return " ".join(part for part in (self.problem, self.remedy) if part)


class RequestError(VoicemodeError):
    """The caller's argument is wrong; nothing was done and nothing was lost."""

    code = "bad_request"

    def __init__(self, field: str, problem: str, allowed: str = "") -> None:
        super().__init__(field, problem, allowed)
        self.field, self.detail, self.allowed = field, problem, allowed
        self.remedy = f"Allowed: {allowed}." if allowed else ""

    @property
    def problem(self) -> str:
        return f"{self.field}: {_ended(self.detail)}"


class SettingsError(VoicemodeError):
    """A setting is wrong. ``where`` is a file and line, or "environment"; the value is shown unless it is a secret."""

    code = "bad_setting"

    def __init__(self, key: str, problem: str, allowed: str = "", where: str = "environment") -> None:
        super().__init__(key, problem, allowed, where)
        self.key, self.detail, self.allowed, self.where = key, problem, allowed, where
        self.remedy = f"Allowed: {allowed}." if allowed else ""

    @property
    def problem(self) -> str:
        return f"{self.key} ({self.where}): {_ended(self.detail)}"


class SoundError(VoicemodeError):
    """This machine's sound. ``device`` is the name asked for or used; empty means the default."""

    code = "sound"
    summary = "Sound failed"

    def __init__(self, device: str = "", detail: str = "", known: Sequence[str] = ()) -> None:
        super().__init__(device, detail, tuple(known))
        self.device, self.detail, self.known = device, detail, tuple(known)

    @property
    def problem(self) -> str:
        named = f" ({self.device})" if self.device else ""
        detail = f": {self.detail}" if self.detail else ""
        known = f" There are: {', '.join(self.known)}." if self.known else ""
        return f"{self.summary}{named}{detail}.{known}"


class PortAudioMissingError(SoundError):
    code = "no_portaudio"
    summary = "The PortAudio library is not installed"
    remedy = (
        "Install it: 'sudo apt-get install libportaudio2' on Debian and Ubuntu, 'brew install portaudio' on macOS. "
        "Then run 'voicemode doctor'."
    )


class NoInputDeviceError(SoundError):
    code = "no_input_device"
    summary = "There is no microphone"
    remedy = (
        "Connect one, choose one of 'voicemode devices' with VOICEMODE_INPUT_DEVICE, or call converse with "
        "wait_for_response=false and read the reply as text."
    )


class NoOutputDeviceError(SoundError):
    code = "no_output_device"
    summary = "There is no loudspeaker, so nothing is spoken"
    remedy = "Connect one, or choose one of 'voicemode devices' with VOICEMODE_OUTPUT_DEVICE."


class DeviceBusyError(SoundError):
    code = "device_busy"
    summary = "Another program holds the sound device"
    remedy = "Close that program, or choose another device of 'voicemode devices'."


class DeviceLostError(SoundError):
    code = "device_lost"
    summary = "The sound device went away"
    remedy = "Reconnect it, or choose another one of 'voicemode devices', and call again."


class PageLostError(DeviceLostError):
    code = "page_lost"
    summary = "The page in the browser went away"
    remedy = "Open the page again, press its button, and call again."


class MicrophoneSilentError(SoundError):
    code = "microphone_silent"
    summary = "The microphone delivers only zeros, so nothing can be heard"
    remedy = (
        "Unmute it, and allow microphone access for the terminal or editor that started voicemode "
        "(macOS: System Settings, Privacy & Security, Microphone). 'voicemode devices --meter' shows its level."
    )


class EndpointError(VoicemodeError):
    """One speech endpoint failed. ``status`` is the HTTP status, or None when there was no answer.

    ``retry_after_s`` is how long the endpoint asked to be left alone, in seconds; None when it did not say.
    ``reached`` is False when there was no connection, so that nothing of the request has left.
    """

    code = "endpoint"

    def __init__(
        self,
        endpoint: str,
        problem: str,
        status: int | None = None,
        *,
        retryable: bool = True,
        retry_after_s: float | None = None,
        reached: bool = True,
    ) -> None:
        super().__init__(endpoint, problem, status)
        self.endpoint, self.detail, self.status, self.retryable = endpoint, problem, status, retryable
        self.retry_after_s, self.reached = retry_after_s, reached

    @property
    def problem(self) -> str:
        status = f" (HTTP {self.status})" if self.status is not None else ""
        return f"{self.endpoint}: {self.detail}{status}."

    @property
    def remedy(self) -> str:  # type: ignore[override]
        match self.status:
            case None if not self.reached:
                return "Start it, or name another endpoint; 'voicemode endpoints' lists what is reachable."
            case None:
                return "Call again: another endpoint is asked first if there is one." if self.retryable else ""
            case 401 | 403:
                return "Give it a key it accepts with 'voicemode config set'; 'voicemode doctor' says which one."
            case 404 | 405:
                return "Check its address, which should end before /audio, usually in /v1, and the model's name."
            case 429 | 503 if self.retry_after_s is not None:
                return f"Call again in {max(self.retry_after_s, 1):.0f} s, or name another endpoint."
            case status if status >= 500 or self.retryable:
                return "Call again; if it goes on, look at the endpoint's logs."
            case _:
                return ""


class SpeechFailedError(VoicemodeError):
    """Every endpoint that could have done it failed.

    ``task`` is "text-to-speech" or "speech-to-text"; ``recording`` names the utterance that waits on disk, if any. ``heard``
    and ``unheard`` are what the person knows of a message that they interrupted, and what not; whoever said it sets them.
    """

    code = "speech_failed"

    def __init__(self, task: str, attempts: Sequence[VoicemodeError], recording: Path | None = None) -> None:
        super().__init__(task, tuple(attempts), recording)
        self.task, self.attempts, self.recording = task, tuple(attempts), recording
        self.heard, self.unheard = "", ""

    @property
    def remedy(self) -> str:  # type: ignore[override]
        # With one reason only, what mends it is worth saying; of many, the person reads the reasons.
        mend = self.attempts[0].remedy if len(self.attempts) == 1 else ""
        if self.recording is not None:
            kept = (
                f"What the person said is kept in {self.recording}: call converse with resume='{self.recording.stem}' when an "
                "endpoint is back, or run 'voicemode transcribe --pending'."
            )
            return f"{kept} {mend}".strip()
        return mend or "Run 'voicemode doctor' to see what is reachable."

    @property
    def problem(self) -> str:
        tried = " ".join(e.problem for e in self.attempts) or "No endpoint is configured and no built-in engine loads."
        return f"No {self.task} endpoint worked. {tried}"


class LanguageError(VoicemodeError):
    """No engine at hand speaks or understands the language; guessing in another one would be worse than saying so."""

    code = "language"

    def __init__(self, language: str, engine: str, known: Sequence[str] = ()) -> None:
        super().__init__(language, engine, tuple(known))
        self.language, self.engine, self.known = language, engine, tuple(known)

    @property
    def problem(self) -> str:
        known = f" It knows: {', '.join(self.known)}." if self.known else ""
        return f"{self.engine} does not know the language '{self.language}'.{known}"

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return "Set VOICEMODE_STT_BASE_URLS or VOICEMODE_TTS_BASE_URLS to an endpoint that does, such as a local Whisper."


class FloorTakenError(VoicemodeError):
    """Another process is speaking or listening; two at once would talk over one another."""

    code = "floor_taken"

    def __init__(self, holder: str, waited_s: float) -> None:
        super().__init__(holder, waited_s)
        self.holder, self.waited_s = holder, waited_s

    @property
    def problem(self) -> str:
        return f"Someone else is talking with the person: {self.holder} (waited {self.waited_s:.0f} s)."

    remedy = "Call again when it has finished."


class MediaError(VoicemodeError):
    """Bytes that claim to be sound and are not. ``what`` names them as people know them, such as "WAV data"."""

    code = "bad_media"

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(what, problem)
        self.what, self.detail = what, problem

    @property
    def problem(self) -> str:
        return f"{self.what}: {self.detail}."


class ModelError(VoicemodeError):
    """A model cannot be used or changed; ``model`` is its name in the catalogue."""

    code = "model"

    def __init__(self, model: str, problem: str, remedy: str = "") -> None:
        super().__init__(model, problem, remedy)
        self.model, self.detail, self.remedy = model, problem, remedy

    @property
    def problem(self) -> str:
        return f"{self.model}: {_ended(self.detail)}"


class DownloadError(ModelError):
    """The download of a model ended early. ``kept_bytes`` of it are on disk and are not downloaded again."""

    code = "download"

    def __init__(self, model: str, problem: str, remedy: str = "", *, kept_bytes: int = 0) -> None:
        super().__init__(model, problem, remedy)
        self.kept_bytes = kept_bytes

    @property
    def problem(self) -> str:
        kept = f" What is there so far ({self.kept_bytes:,} bytes) is kept." if self.kept_bytes else ""
        return f"{super().problem}{kept}"


class ModelInUseError(ModelError):
    """Somebody works with the model: another download, or a service that runs."""

    code = "model_in_use"

    def __init__(self, model: str, holder: str, remedy: str) -> None:
        super().__init__(model, f"{holder} uses it", remedy)
        self.holder = holder


class TimelineError(VoicemodeError):
    """The record of a turn cannot be read; ``turn`` is its id."""

    code = "timeline"

    def __init__(self, turn: str, problem: str, remedy: str = "") -> None:
        super().__init__(turn, problem, remedy)
        self.turn, self.detail, self.remedy = turn, problem, remedy

    @property
    def problem(self) -> str:
        return f"Turn {self.turn}: {_ended(self.detail)}"


class EngineError(VoicemodeError):
    """A built-in engine broke or is not installed."""

    code = "engine"

    def __init__(self, engine: str, problem: str, remedy: str = "") -> None:
        super().__init__(engine, problem, remedy)
        self.engine, self.detail, self.remedy = engine, problem, remedy

    @property
    def problem(self) -> str:
        return f"{self.engine}: {self.detail}."
