"""The client's side of somebody else's realtime API, without I/O."""

from voicemode.wire.upstream.profile import GROK, OPENAI, Profile
from voicemode.wire.upstream.session import Received, TheirSpeech, Trouble, UpstreamOptions, UpstreamSession

__all__ = ["GROK", "OPENAI", "Profile", "Received", "TheirSpeech", "Trouble", "UpstreamOptions", "UpstreamSession"]
