"""OpenAI Realtime, the GA dialect, as a session without I/O: events and reports in, events and commands out.

The event reference: https://platform.openai.com/docs/api-reference/realtime-client-events and -server-events.
"""

from voicemode.wire.realtime.beta import BetaSession, session_from_beta
from voicemode.wire.realtime.errors import ClientError
from voicemode.wire.realtime.session import RealtimeSession
from voicemode.wire.realtime.session_config import SessionDefaults
from voicemode.wire.realtime.step import Playout, Step

__all__ = ["BetaSession", "ClientError", "Playout", "RealtimeSession", "SessionDefaults", "Step", "session_from_beta"]
