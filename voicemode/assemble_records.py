"""Builds what keeps the server's conversations, and the life of its sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.routing import Route

from voicemode.assemble_kept import build_records
from voicemode.core.failover import Need
from voicemode.core.handoff import HandOff
from voicemode.http.api_history import history_routes
from voicemode.http.api_sessions import Parts, session_routes
from voicemode.http.calls import Calls
from voicemode.http.guard import Access
from voicemode.http.processes import Processes
from voicemode.http.session_lifecycle import SessionLifecycle
from voicemode.http.session_records import SessionRecords
from voicemode.http.session_tools import SessionTools
from voicemode.http.sessions import MakeSession
from voicemode.providers.failover_chat import FailoverAnswerer
from voicemode.providers.registry import Registry
from voicemode.runtime.session_summary import Summarizer
from voicemode.settings import Settings
from voicemode.store.memory import MemoryRecords
from voicemode.store.steady import SteadyRecords

__all__ = ["build_session_records", "build_sessions", "session_api"]


def build_session_records(settings: Settings) -> SessionRecords:
    """Where the server's sessions put down what is said, in each of its processes. Makes no file."""
    kept = build_records(settings)
    return SessionRecords(kept, SteadyRecords(kept), MemoryRecords(), settings.memory)


def build_sessions(
    settings: Settings, records: SessionRecords, registry: Registry, calls: Calls, processes: Processes
) -> SessionLifecycle:
    """In the process that lets people in; it watches the calls from now on."""

    def there_is_chat() -> bool:
        return bool(registry.chat.in_order(Need(task="chat", streaming=True)))

    def hang_up(identity: str, thread: str, reason: str) -> None:
        calls.end_thread(identity, thread, reason)
        processes.end_thread(identity, thread, reason)

    summarizer = Summarizer(FailoverAnswerer(registry.chat), there_is_chat)
    sessions = SessionLifecycle(records, summarizer, grace_s=settings.session_grace_s, hang_up=hang_up)
    calls.watch = sessions.holding
    return sessions


def session_api(
    sessions: SessionLifecycle,
    access: Access,
    make_session: MakeSession,
    accept: Callable[[str], Awaitable[HandOff]],
    *,
    tools: SessionTools,
    sounds: Path | None = None,
) -> list[Route]:
    """``/api/sessions``. ``accept`` takes hand-offs; ``tools`` are the server's own functions.

    ``sounds`` is the folder of the sound that was kept.
    """
    parts = Parts(lifecycle=sessions, secrets=access.secrets, make_session=make_session, tools=tools, accept=accept)
    return [*session_routes(parts), *history_routes(sessions, sounds)]
