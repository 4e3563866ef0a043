"""The guard, the limits and the routes over real sockets, in this process: uvicorn as ``voicemode serve`` sets it up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from pydantic import SecretStr
from starlette.routing import BaseRoute
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.runtime.realtime_fakes import EchoSession, FakeEngine
from voicemode.dialogue import Report
from voicemode.engines.choose_vad import choose_detector
from voicemode.http.app import Surface, create_app
from voicemode.http.calls import Calls
from voicemode.http.client_secrets import ClientSecrets
from voicemode.http.gateway import Gateway
from voicemode.http.gateway_transcription import Hearing
from voicemode.http.guard import Access
from voicemode.http.health import Part, Readiness
from voicemode.http.limits import Places
from voicemode.http.metrics import Metrics
from voicemode.http.processes import Processes
from voicemode.http.server import Listening, Server, listen, server_config
from voicemode.http.sessions import SessionWish
from voicemode.playout import PlayoutSink
from voicemode.providers.any_voice import AnyVoice
from voicemode.providers.failover_stt import FailoverTranscriber
from voicemode.providers.failover_tts import FailoverSynthesizer
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.runtime.realtime_parts import CallLimits, DialogueEngineLike, SessionLike
from voicemode.settings import Settings

TOKEN = "vm_a-token-of-these-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class WishedSession(EchoSession):
    """Shows what was wished for."""

    def __init__(self, wish: SessionWish) -> None:
        self.wish = wish

    def open(self, now_ms: int) -> Any:
        step = super().open(now_ms)
        session = {"id": "sess_1", "type": self.wish.kind, "model": self.wish.model, **self.wish.session}
        return type(step)(({**step.events[0], "session": session, "beta": self.wish.beta},))


@dataclass(eq=False)
class Served:
    """A server that answers on loopback."""

    listening: Listening
    calls: Calls
    requests: Places
    metrics: Metrics
    registry: Registry
    secrets: ClientSecrets
    engines: list[FakeEngine] = field(default_factory=list)
    touched: int = 0
    connections: Callable[[], int] = lambda: 0
    """How many are open."""

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.listening.port}"

    @property
    def url(self) -> str:
        return f"http://{self.netloc}"

    def client(self, **options: Any) -> httpx2.AsyncClient:
        """With the token."""
        return httpx2.AsyncClient(base_url=self.url, headers=BEARER, trust_env=False, timeout=20, **options)

    def stranger(self, **options: Any) -> httpx2.AsyncClient:
        """Without."""
        return httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=20, **options)

    @contextlib.asynccontextmanager
    async def socket(
        self,
        query: str = "?model=gpt-realtime",
        headers: Mapping[str, str] = BEARER,
        subprotocols: tuple[str, ...] = (),
        **options: Any,
    ) -> AsyncIterator[ClientConnection]:
        """A WebSocket whose first event was read."""
        async with connect(
            f"ws://{self.netloc}/v1/realtime{query}",
            additional_headers=dict(headers),
            subprotocols=[Subprotocol(each) for each in subprotocols] or None,
            proxy=None,
            **options,
        ) as socket:
            yield socket


async def event(socket: ClientConnection) -> dict[str, Any]:
    """The next one."""
    async with asyncio.timeout(10):
        value: dict[str, Any] = json.loads(await socket.recv())
        return value


async def tell(socket: ClientConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


@contextlib.asynccontextmanager
async def served(
    *,
    access: Mapping[str, Any] | None = None,
    limits: CallLimits | None = None,
    sessions: Places | None = None,
    settings: Mapping[str, Any] | None = None,
    make_session: Callable[[SessionWish], SessionLike] = WishedSession,
    clock: Callable[[], float] | None = None,
    max_audio_s: float = 60.0,
    more: Sequence[BaseRoute] = (),
    after: Callable[[Served], None] = lambda _: None,
) -> AsyncIterator[Served]:
    """Up while the block runs. ``settings`` name the endpoints of the gateway; there is no built-in engine."""
    secrets = ClientSecrets(clock=clock or time.time)
    known = Settings.model_validate({"builtin": False, "discovery": False, **(settings or {})})
    pool = HttpPool(known)
    registry = Registry(known, pool, Builtin())
    engines: list[FakeEngine] = []

    def make_engine(_: SessionWish, __: PlayoutSink | None, report: Callable[[Report], None]) -> DialogueEngineLike:
        engines.append(FakeEngine(report))
        return engines[-1]

    places = sessions or Places(100, 2, "conversations")
    metrics = Metrics(lambda: places.taken, registry)
    calls = Calls(make_session, make_engine, places, limits=limits, observers=metrics.observers)
    requests = Places(8, 8, "requests")
    listening = listen(known, "127.0.0.1", 0)
    server = Served(listening, calls, requests, metrics, registry, secrets, engines)

    def touch() -> None:
        server.touched += 1

    async def look() -> None:
        touch()

    app = create_app(
        Surface(
            access=Access(**{"token": SecretStr(TOKEN), "secrets": secrets, **(access or {})}),
            calls=calls,
            make_session=make_session,
            gateway=Gateway(
                registry=registry,
                synthesizer=AnyVoice(FailoverSynthesizer(registry.tts)),
                hearing=Hearing(FailoverTranscriber(registry.stt), lambda: choose_detector("auto").detector, max_audio_s),
                places=requests,
                touch=touch,
                metrics=metrics,
            ),
            processes=Processes(0, {}),
            readiness=Readiness(registry, look, lambda: Part(True, ("echo",), "nobody else")),
            more=more,
        )
    )
    async with running(app, listening, calls, pool) as program:
        server.connections = lambda: len(program.server_state.connections)
        yield server
    after(server)


@contextlib.asynccontextmanager
async def running(app: ASGIApp, listening: Listening, calls: Calls, pool: HttpPool) -> AsyncIterator[Server]:
    """uvicorn answers with the application while the block runs; then everything is closed."""
    program = Server(server_config(app))
    serving = asyncio.create_task(program.serve(sockets=[listening.socket]))
    while not program.started:
        await asyncio.sleep(0.005)
    try:
        yield program
    finally:
        calls.end_all("the test ends")
        program.should_exit = True
        await serving
        await pool.aclose()
        listening.socket.close()
