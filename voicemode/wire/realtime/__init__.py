"""OpenAI Realtime, the GA dialect, as a session without I/O: events and reports in, events and commands out.

The event reference: https://platform.openai.com/docs/api-reference/realtime-client-events and -server-events.
"""

from voicemode.wire.realtime.beta import BetaSession
from voicemode.wire.realtime.session import RealtimeSession
from voicemode.wire.realtime.session_config import SessionDefaults
from voicemode.wire.realtime.step import Playout, Step

__all__ = ["BetaSession", "Playout", "RealtimeSession", "SessionDefaults", "Step"]
