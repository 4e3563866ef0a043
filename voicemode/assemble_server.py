"""Builds the object graph of ``voicemode serve``, as ``assemble`` does for conversations on this machine's sound card."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pydantic import SecretStr
from starlette.types import ASGIApp

from voicemode.assemble_engines import Engines, Watched, build_engines
from voicemode.assemble_kept import history_folder
from voicemode.assemble_lines import build_gptme, build_handoffs, build_telephone
from voicemode.assemble_records import build_session_records, build_sessions, session_api
from voicemode.assemble_status import build_status
from voicemode.assemble_tools import Tools, build_tools
from voicemode.assemble_upstream import upstream_engine, upstream_plan
from voicemode.core.conversation_names import conversation_name
from voicemode.core.speculation import StreamTrust, TranscriptionPace
from voicemode.dialogue import Report
from voicemode.engines.choose_vad import choose_detector
from voicemode.engines.noise_suppressor import make_suppressor
from voicemode.http.api_status import StatusBoard, status_routes
from voicemode.http.app import Surface, create_app
from voicemode.http.calls import Calls
from voicemode.http.client_secrets import ClientSecrets
from voicemode.http.drain import drain
from voicemode.http.errors import HttpError
from voicemode.http.gateway import Gateway
from voicemode.http.gateway_transcription import Hearing
from voicemode.http.gptme import GptmeCalls, gptme_routes
from voicemode.http.guard import Access
from voicemode.http.handoffs import handoff_routes
from voicemode.http.health import Part, Readiness
from voicemode.http.limits import Places
from voicemode.http.metrics import Metrics
from voicemode.http.page import page_routes
from voicemode.http.page_line import PageLines
from voicemode.http.page_visitors import PageVisitors
from voicemode.http.processes import Processes, can_hand_over
from voicemode.http.realtime_webrtc import WebRtcCalls, webrtc_routes
from voicemode.http.session_lifecycle import SessionLifecycle
from voicemode.http.session_records import SessionRecords
from voicemode.http.session_tools import OwnTools
from voicemode.http.sessions import SessionWish
from voicemode.http.telemetry import span_observer
from voicemode.http.telephone import Telephone
from voicemode.http.tokens import install_token
from voicemode.load_config import LoadedSettings
from voicemode.playout import PlayoutSink
from voicemode.providers.answer_choice import ChosenAnswerer, choose_answerer
from voicemode.providers.patient_stt import PatientTranscriber
from voicemode.providers.registry import Registry
from voicemode.runtime.dialogue_engine import DialogueEngine
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.realtime_parts import CallLimits, DialogueEngineLike, SessionLike, WireLog
from voicemode.runtime.upstream_engine import UpstreamPlan
from voicemode.settings import Settings
from voicemode.store.sweep import AUDIO
from voicemode.wire.realtime import BetaSession, Playout, RealtimeSession, SessionDefaults
from voicemode.wire.realtime.beta import session_from_beta
from voicemode.wire.realtime.errors import ClientError

__all__ = ["Conversations", "RealtimeServer", "build_conversations", "build_server"]

_log = logging.getLogger(__name__)
_CLOSING_S = 0.5
"""Half of what the end of the process gives to all of it."""
_REQUESTS = 64
"""Gateway requests at the same time: each may hold an upload in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeServer:
    """The assembled server; one per process. Close it."""

    app: ASGIApp
    token: SecretStr
    conversations: Conversations
    processes: Processes
    requests: Places
    settings: Settings
    webrtc: WebRtcCalls
    visitors: PageVisitors
    """Who may use the page; makes the keys of links to it."""
    lines: PageLines
    gptme: GptmeCalls
    sessions: SessionLifecycle
    status: StatusBoard

    def started(self) -> None:
        """It listens: find out who is there before anybody calls."""
        self.conversations.engines.watch.touch()
        self.processes.start()
        self.gptme.start()

    async def drain(self) -> None:
        """Let nobody new in, and give those who talk the time of the settings."""
        await drain(self.conversations.calls, self.processes, self.requests, self.settings.serve_drain_s)

    async def aclose(self) -> None:
        """End what is left and free everything. Idempotent."""
        self.lines.aclose()
        closing = [
            asyncio.create_task(each.aclose()) for each in (self.processes, self.webrtc, self.gptme, self.status, self.sessions)
        ]
        # Nobody who hangs keeps the record from being written, and jobs from being ended.
        await asyncio.wait(closing, timeout=_CLOSING_S)
        await self.conversations.aclose()
        await asyncio.gather(*closing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """What holds them: in each process of the server."""

    calls: Calls
    make_session: Callable[[SessionWish], SessionLike]
    engines: Engines
    answerer: ChosenAnswerer
    upstream: UpstreamPlan | None
    """Who answers in the answerer's place."""
    metrics: Metrics
    records: SessionRecords
    tools: Tools

    async def aclose(self) -> None:
        """Free everything. Idempotent."""
        await self.tools.aclose()
        await self.records.aclose()
        await self.answerer.aclose()
        await self.engines.aclose()


def build_conversations(
    loaded: LoadedSettings, environ: Mapping[str, str], *, wire_log: WireLog | None = None
) -> Conversations:
    """Without anybody that is let in. Raises SettingsError."""
    settings = loaded.settings
    engines = build_engines(loaded, environ)
    answerer = choose_answerer(settings, engines.registry, environ)
    upstream = upstream_plan(settings, environ, answerer)
    places = Places(settings.serve_max_sessions, settings.serve_max_sessions_per_address, "conversations")
    metrics = Metrics(lambda: places.taken, engines.registry)
    defaults = _session_defaults(settings)
    make_session, records = _session_maker(settings, defaults), build_session_records(settings)
    tools = build_tools(settings, environ, records)
    calls = Calls(
        make_session,
        _engine_maker(engines, answerer, defaults, upstream),
        places,
        limits=CallLimits(session_s=settings.serve_session_s, audio_s=2 * settings.serve_session_s),
        observers=lambda wish: [*metrics.observers(wish), span_observer(wish.kind, time.monotonic)],
        records=records,
        make_tools=tools,
        wire_log=wire_log,
    )
    return Conversations(
        calls=calls,
        make_session=make_session,
        engines=engines,
        answerer=answerer,
        upstream=upstream,
        metrics=metrics,
        records=records,
        tools=tools,
    )


def build_server(
    loaded: LoadedSettings, environ: Mapping[str, str], *, host: str, json_logs: bool = False, wire_log: WireLog | None = None
) -> RealtimeServer:
    """Everything but the socket. ``host`` is where it will listen. Raises SettingsError; makes the token if there is none."""
    settings = loaded.settings
    token = install_token(settings.base_dir, settings.serve_token)
    conversations = build_conversations(loaded, environ, wire_log=wire_log)
    engines = conversations.engines
    requests = Places(_REQUESTS, _REQUESTS // 4, "requests")
    webrtc = WebRtcCalls(conversations.calls, host)
    processes = _processes(loaded, engines, json_logs=json_logs)
    handoffs = build_handoffs(settings)
    telephone = build_telephone(settings, conversations.calls, engines.pool, handoffs)
    visitors = PageVisitors()
    lines = PageLines(visitors.new_key)
    access = replace(_access(settings, token, telephone), visitors=visitors)
    sessions = build_sessions(settings, conversations.records, engines.registry, conversations.calls, processes)
    gptme = build_gptme(settings, conversations.calls, engines.pool, handoffs)
    places = conversations.calls.places

    def responder() -> Part:
        return _responder(conversations, engines.registry)

    status = build_status(loaded, environ, engines, conversations=lambda: places.taken, answers=responder)
    surface = Surface(
        access=access,
        calls=conversations.calls,
        make_session=conversations.make_session,
        gateway=_gateway(engines, requests, conversations.metrics),
        readiness=Readiness(engines.registry, engines.watch.look_now, responder),
        processes=processes,
        more=[
            *webrtc_routes(webrtc, conversations.calls),
            *page_routes(visitors, memory=settings.memory),
            *status_routes(status),
            *lines.routes(),
            *gptme_routes(gptme),
            *handoff_routes(handoffs, sessions.said, sessions.memory_of),
            *session_api(
                sessions,
                access,
                conversations.make_session,
                handoffs.accept,
                tools=OwnTools(conversations.tools.of_thread),
                sounds=history_folder(settings) / AUDIO,
            ),
            *(telephone.routes() if telephone is not None else ()),
        ],
    )
    return RealtimeServer(
        app=create_app(surface),
        token=token,
        conversations=conversations,
        processes=processes,
        requests=requests,
        settings=settings,
        webrtc=webrtc,
        visitors=visitors,
        lines=lines,
        gptme=gptme,
        sessions=sessions,
        status=status,
    )


def _gateway(engines: Engines, requests: Places, metrics: Metrics) -> Gateway:
    settings = engines.settings
    return Gateway(
        registry=engines.registry,
        synthesizer=engines.synthesizer,
        hearing=Hearing(
            PatientTranscriber(engines.registry.stt), lambda: choose_detector(settings.vad).detector, settings.serve_max_audio_s
        ),
        places=requests,
        touch=engines.touch,
        metrics=metrics,
    )


def _processes(loaded: LoadedSettings, engines: Engines, *, json_logs: bool) -> Processes:
    # Services are started by one process. Settings are handed over, since files may have changed meanwhile.
    settings = {**loaded.settings.model_dump(), "start_services": False}
    first = {"settings": json.loads(json.dumps(settings, default=_plain)), "json_logs": json_logs}
    count = loaded.settings.serve_processes - 1
    if count and not can_hand_over():
        _log.warning("this system hands no connection from one process to another: one process holds all conversations")
        count = 0
    return Processes(count, first, engines.touch)


def _plain(value: object) -> str:
    """For a process of our own, so keys are shown."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _access(settings: Settings, token: SecretStr, telephone: Telephone | None) -> Access:
    own = frozenset({telephone.public_host}) if telephone is not None else frozenset()
    return Access(
        token=token,
        secrets=ClientSecrets(),
        hosts=frozenset(name.lower() for name in settings.serve_allowed_hosts) | own,
        origins=frozenset(origin.lower().rstrip("/") for origin in settings.serve_allowed_origins),
        remote=settings.serve_allow_remote,
        max_upload=settings.serve_max_upload_mb << 20,
        own_proof=telephone.own_proof if telephone is not None else frozenset(),
    )


def _responder(conversations: Conversations, registry: Registry) -> Part:
    ours, upstream = _our_responder(conversations.answerer, registry), conversations.upstream
    if upstream is None:
        return ours
    # Whether it can be had is known when it is called: each conversation has a connection of its own.
    instead = ours.by if upstream.falls_back() else ()
    return Part(True, (f"upstream {upstream.profile.name}", *instead), "VOICEMODE_UPSTREAM is set")


def _our_responder(answerer: ChosenAnswerer, registry: Registry) -> Part:
    choice = answerer.choice
    if choice.is_echo or choice.answerer.acts:
        return Part(True, (choice.answerer.name,), choice.reason)
    now = registry.chat.clock()
    able = tuple(entry.name for entry in registry.chat if entry.health.breaker.admits(now))
    return Part(bool(able), able, choice.reason)


# -- one conversation


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(10)}"


def _session_defaults(settings: Settings) -> SessionDefaults:
    defaults = SessionDefaults(language=settings.language or "", approval_aloud=settings.mcp_approval_aloud)
    return replace(defaults, voice=settings.voices[0]) if settings.voices else defaults


def _session_maker(settings: Settings, defaults: SessionDefaults) -> Callable[[SessionWish], SessionLike]:
    def make(wish: SessionWish) -> SessionLike:
        asked = session_from_beta(wish.session) if wish.beta else dict(wish.session)
        if wish.model and wish.kind == "realtime":
            asked.setdefault("model", wish.model)
        try:
            session = RealtimeSession(
                _new_id("sess"),
                playout=Playout.SERVER if wish.server_plays else Playout.CLIENT,
                new_id=_new_id,
                kind=wish.kind,
                defaults=defaults,
                expires_at=int(time.time() + settings.serve_session_s),
                options=asked or None,
                history=wish.history,
                recorded=True,
            )
        except ClientError as error:
            raise HttpError(400, error.code, error.message, param=error.param) from None
        return BetaSession(session) if wish.beta else session

    return make


def _engine_maker(
    engines: Engines, answerer: ChosenAnswerer, defaults: SessionDefaults, upstream: UpstreamPlan | None
) -> Callable[[SessionWish, PlayoutSink | None, Callable[[Report], None]], DialogueEngineLike]:
    settings = engines.settings
    pace, trust = TranscriptionPace(), StreamTrust()

    def voice(name: str) -> str | None:
        """What a client did not choose is left to the endpoint, which knows the person's preferences."""
        return None if name in ("", defaults.voice) else name

    def make(wish: SessionWish, playout: PlayoutSink | None, report: Callable[[Report], None]) -> DialogueEngineLike:
        parts = DialogueParts(
            make_detector=lambda: choose_detector(settings.vad).detector,
            synthesizer=engines.synthesizer,
            transcriber=engines.transcriber,
            streams=engines.streams,
            pace=pace,
            stream_trust=trust,
            scorer=engines.scorer,
            journal=engines.journal,
            answerer=answerer,
            make_suppressor=make_suppressor,
            voice=voice,
            language=settings.language,
            session_id=_new_id("conversation"),
            conversation=conversation_name(wish.thread, wish.identity) if wish.thread else "",
            max_utterance_s=settings.listen_duration_max,
        )
        if upstream is not None and wish.kind == "realtime":
            return Watched(upstream_engine(upstream, parts, report, playout), engines)
        return Watched(DialogueEngine(parts, report=report, playout=playout), engines)

    return make
