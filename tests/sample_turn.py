"""One turn's timeline with something of everything: a question, a hesitation, a suspicion of an interruption, an answer."""

from __future__ import annotations

from voicemode.core.timeline import Timeline, What
from voicemode.core.timeline_builder import Outcome, TimelineBuilder

__all__ = ["SAID", "sample_builder", "sample_turn"]

SAID = ("quicksilver", "marmalade", "pomegranate", "zeppelin")
"""Words of it, none of which may be where words are not kept."""
_OUTCOME = Outcome(
    status="answered",
    ended_by="silence",
    text="quicksilver marmalade",
    heard="pomegranate",
    unheard="zeppelin",
    timings_ms={"response": 650, "total": 6750},
    engines={"tts": "espeak-ng", "stt": "pocketsphinx", "scorer": ""},
    settings={"patience": "normal"},
)


def sample_builder() -> TimelineBuilder:
    """Somebody speaks from 3.1 to 4.2 s and from 4.9 to 6.1 s; the turn ends at 6.6 s."""
    builder = TimelineBuilder()
    for frame in range(10, 675):
        at = frame / 100
        plays, speaks = 0.3 <= at < 2.5, 3.1 <= at < 4.2 or 4.9 <= at < 6.1
        builder.microphone(
            at, level_dbfs=-20.0 if speaks else -60.0, probability=0.97 if speaks else 0.03, noise_floor_dbfs=-64.0
        )
        builder.far_end(at, level_dbfs=-18.0 if plays else -96.0)
    builder.sounded(0.3, 2.5)
    builder.piece(0.3, 1.1, "pomegranate")
    builder.piece(1.12, 2.5, "zeppelin")
    builder.earcon(2.6, 2.7, "chime")
    builder.barge_in(1.9, "duck")
    builder.barge_in(2.0, "unduck")
    for at, what in ((2.5, What.LISTENING), (3.1, What.SPEECH), (4.2, What.PAUSE), (4.4, What.TRANSCRIBING)):
        builder.mark(at, what)
    builder.score(4.4, 0.2, "smart-turn", arrived=4.52)
    builder.decided(4.52, "wait", score=0.2, cue="open", wait_s=1.8, silence_s=0.32)
    builder.partial(4.6, "quicksilver")
    builder.mark(4.9, What.RESUME)
    builder.score(6.3, 0.93, "smart-turn", arrived=6.4)
    builder.decided(6.6, "silence", score=0.93, wait_s=0.45, silence_s=0.5)
    for at, what in ((6.1, What.SPEECH_ENDED), (6.6, What.COMMITTED), (6.7, What.TRANSCRIBED), (6.75, What.RESULT)):
        builder.mark(at, what)
    return builder


def sample_turn() -> Timeline:
    """It lasts 6.75 s."""
    return sample_builder().finish(_OUTCOME, at=6.75)
