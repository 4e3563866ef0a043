"""Fakes for those who write against ``interfaces`` and ``answers``: no device, model or network, no waiting unless asked for.

Each records what was done to it in public fields, and fails when it is told to.
"""

from voicemode.testing.engines import (
    FakeAnswer,
    FakeAnswerer,
    FakeScorer,
    FakeSynthesis,
    FakeSynthesizer,
    FakeTranscriber,
    texts,
)
from voicemode.testing.sound import FakeDetector, FakeEchoCanceller, FakeMicrophone, FakeSpeaker, tone

__all__ = [
    "FakeAnswer",
    "FakeAnswerer",
    "FakeDetector",
    "FakeEchoCanceller",
    "FakeMicrophone",
    "FakeScorer",
    "FakeSpeaker",
    "FakeSynthesis",
    "FakeSynthesizer",
    "FakeTranscriber",
    "texts",
    "tone",
]
