"""The person's turns as the upstream has them: their sound, their names there, their words."""

from __future__ import annotations

from collections import deque

import numpy as np

from voicemode.audio import Samples
from voicemode.dialogue import DialogueOptions, InputTranscribed, InputTranscriptFailed, TurnTaking, UserTurn
from voicemode.wire.upstream.client_events import RATE, Event, append
from voicemode.wire.upstream.mirror import Mirror
from voicemode.wire.upstream.server_events import Told
from voicemode.wire.upstream.turn_sound import TurnSound

__all__ = ["Turns", "WordsReport"]

_LEAST_COMMIT_S = 0.1
"""OpenAI's; a shorter turn is filled up with silence."""
_COMMIT = "commit:"

WordsReport = InputTranscribed | InputTranscriptFailed


class Turns:
    """Of one session."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._sound = TurnSound()
        self._words: dict[str, str] = {}
        """By our item."""
        self._seconds: dict[str, float] = {}
        """Likewise, until the words are known."""
        self._names: dict[str, str] = {}
        """Our item by the upstream's, of those whose words are awaited."""
        self._late: list[str] = []
        """Those since the last history."""
        self._awaited: deque[str] = deque()
        """Ours whose committed event is to come."""
        self._unnamed: deque[str] = deque()
        """The upstream's that were committed without us, and that nobody of us named yet."""
        self._ended = False
        """The upstream said that a turn is over, and nobody named it yet."""
        self.listening: DialogueOptions | None = None
        """How the upstream finds the ends of turns; None: it does not."""
        self.speaking = False
        """The upstream hears the person speak."""

    @property
    def is_busy(self) -> bool:
        """Somebody speaks, or a turn is on its way."""
        heard = not self.listens and self._sound.open_seconds > 0
        return self.speaking or self._ended or bool(self._awaited) or heard

    @property
    def listens(self) -> bool:
        """Does the upstream say when a turn is over?"""
        return self.listening is not None and self.listening.turn_taking is not TurnTaking.MANUAL

    @property
    def open_seconds(self) -> float:
        return self._sound.open_seconds

    def words(self, item_id: str) -> str | None:
        return self._words.get(item_id)

    def sound(self, item_id: str) -> Samples | None:
        return self._sound.of(item_id)

    def audio(self, samples: Samples, *, speaking: bool) -> Event:
        self._sound.add(samples, speaking=speaking or self.speaking)
        return append(samples)

    def commit(self, item_id: str) -> list[Event]:
        """What was sent since the last turn is one; or what the upstream has ended by itself."""
        self._late.append(item_id)
        self._seconds[item_id] = self._sound.open_seconds
        if self.listens and (self._unnamed or self._ended):
            self._ended = False
            self._sound.commit(item_id)
            self._claim(item_id)
            return []
        self.speaking = False
        lacking = round((_LEAST_COMMIT_S - self._sound.open_seconds) * RATE) + 1
        filling = [append(np.zeros(lacking, np.int16))] if lacking > 1 else []
        self._sound.commit(item_id)
        self._await(item_id)
        return [*filling, {"type": "input_audio_buffer.commit", "event_id": f"{_COMMIT}{item_id}"}]

    def clear(self) -> list[Event]:
        self._sound.clear()
        self.speaking = False
        return [{"type": "input_audio_buffer.clear"}]

    def known(self, item_id: str, text: str) -> None:
        """These are its words, whoever wrote them down."""
        self._words[item_id] = text
        self._sound.forget(item_id)

    def told_history(self) -> None:
        """A history names all that it is to name."""
        self._late.clear()

    @property
    def late(self) -> tuple[UserTurn, ...]:
        return tuple(UserTurn(item_id) for item_id in self._late)

    def again(self) -> list[Event]:
        """What was sent since the last turn, for another connection."""
        return [append(self._sound.whole())] if self._sound.open_seconds else []

    def reset(self) -> None:
        """The connection is gone, and with it what it called them."""
        self._names.clear()
        self._awaited.clear()
        self._unnamed.clear()
        self.speaking = self._ended = False

    # -- what the upstream tells

    def heard(self, *, began: bool) -> bool:
        """It heard the person begin or end; whether that is its to say."""
        if not self.listens:
            return False
        self.speaking, self._ended = began, not began
        return True

    def committed(self, upstream_id: str) -> None:
        if upstream_id and self._awaited:
            self._name(self._awaited.popleft(), upstream_id)
        elif upstream_id:
            self._unnamed.append(upstream_id)

    def not_committed(self, event_id: str) -> None:
        """It took a commit of ours for a mistake."""
        item_id = event_id.removeprefix(_COMMIT)
        if event_id != item_id and item_id in self._awaited:
            self._awaited.remove(item_id)
            self._mirror.drop(("turn", item_id))

    def transcribed(self, told: Told) -> WordsReport | None:
        """All words of a turn, or why there are none."""
        ours = self._names.pop(told.text("item_id"), None)
        if ours is None:
            return None
        if told.kind.endswith(".failed"):
            return InputTranscriptFailed(ours, told.child("error").text("code") or "transcription_failed", "")
        text = told.text("transcript").strip()
        self.known(ours, text)
        return InputTranscribed(ours, text, self._seconds.pop(ours, 0.0))

    def _claim(self, ours: str) -> None:
        if self._unnamed:
            self._mirror.add(("turn", ours), "")
            self._name(ours, self._unnamed.popleft())
        else:
            self._await(ours)

    def _await(self, ours: str) -> None:
        self._mirror.add(("turn", ours), "")
        self._awaited.append(ours)

    def _name(self, ours: str, upstream_id: str) -> None:
        self._mirror.name(("turn", ours), upstream_id)
        self._names[upstream_id] = ours
