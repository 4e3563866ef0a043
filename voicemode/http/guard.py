"""Who may ask, and how much they may send: pure ASGI middleware around everything that the server answers.

A server on loopback is reached by every page that the person has open, by DNS rebinding also under a foreign name
(https://portswigger.net/web-security/host-header). So Host and Origin are always checked, and whatever changes or starts
something wants the token of this installation: 421, 403, 401, in this order. ``X-Forwarded-For`` is never believed.

A client secret (``ek_...``) opens realtime sessions and nothing else. Where a client has no place for a key but its address,
the query's ``key`` may be such a secret or a voice key (``vk_...``), and never the token.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl

from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicemode.http.client_secrets import PREFIX, ClientSecret, ClientSecrets
from voicemode.http.cors import allowed, preflight
from voicemode.http.errors import HttpError
from voicemode.http.faults import kind_and_place
from voicemode.http.limits import WrongTokens
from voicemode.http.page_visitors import PageVisitors
from voicemode.http.refusing import refuse
from voicemode.http.tokens import is_one_of
from voicemode.http.voice_keys import VoiceKeys
from voicemode.providers.address import is_loopback
from voicemode.wire.server_proof import PROOF_PATH

__all__ = [
    "ASSETS_PATH",
    "ATTACH_PATH",
    "CALLER",
    "CALLS_PATH",
    "HANDOFFS_PATH",
    "PAGE_VIEWS",
    "REALTIME_PATH",
    "SESSIONS_PATH",
    "VOICE_PATHS",
    "Access",
    "Caller",
    "Guard",
    "caller_of",
    "refusing",
]

CALLER = "voicemode.caller"
"""Key of the ASGI scope: the ``Caller``."""
REALTIME_PATH = "/v1/realtime"
CALLS_PATH = "/v1/realtime/calls"
HANDOFFS_PATH = "/api/handoffs"
SESSIONS_PATH = "/api/sessions"
_OWN_SESSION = frozenset({f"{SESSIONS_PATH}/tools", f"{SESSIONS_PATH}/turn", f"{SESSIONS_PATH}/end"})
"""What a client does with the session that its secret was made for."""
VOICE_PATHS = frozenset({"/voice", "/local"})
"""gptme's WebSockets, whose clients have nothing but an address."""
PAGE_VIEWS = ("/", "/sessions", "/dev", "/status")
"""Each is the same page, which looks at its address."""
ASSETS_PATH = "/assets/"
ATTACH_PATH = "/api/page/attach"
"""Where a browser brings the key of its link."""
_OPEN_PATHS = frozenset({"/healthz", "/health", "/readyz", PROOF_PATH})
"""Answered to whoever passes Host and Origin: what looks after a container has no token, and who has one gives it to nobody
who does not show that they have it too."""
_SUBPROTOCOL_KEY = b"openai-insecure-api-key."
"""How a page in a browser gives its key, since it cannot set headers on a WebSocket."""
_UPLOADS = frozenset({"/v1/audio/transcriptions", "/v1/audio/translations", "/v1/chat/completions"})
_SMALL_BODY = 1 << 20
"""Bytes of any other body: an SDP offer has some 10 kB."""
_DIGITS = 15
"""Of a Content-Length: a petabyte. Longer numbers cost time to read."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    address: str
    """Of the other end of the connection."""
    trusted: bool
    """They have the token of this installation."""
    secret: ClientSecret | None = None
    """The client secret they came with instead; None with the token, and where none is needed."""


def caller_of(scope: Scope) -> Caller:
    """Who passed the guard."""
    caller = scope[CALLER]
    assert isinstance(caller, Caller)  # noqa: S101  (the guard is around every route)
    return caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the guard goes by."""

    token: SecretStr
    secrets: ClientSecrets
    hosts: frozenset[str] = frozenset()
    """Names besides loopback by which the server is reached, in lower case."""
    origins: frozenset[str] = frozenset()
    """Pages of other places that may ask: "https://example.org"."""
    remote: bool = False
    """Others may reach it, so any address is a good Host as well; only names can be bound to another address later."""
    max_upload: int = 25 << 20
    """Bytes."""
    own_proof: frozenset[tuple[str, str]] = frozenset()
    """Kinds ("http", "websocket") and paths whose callers have no token and prove by other means who they are: Twilio's
    signature, and a secret that was given to Twilio for one call."""
    visitors: PageVisitors | None = None
    """Browsers that a link let in to the server's own page: they are the owner's."""


class Guard:
    """Refuses before anything else of the server sees the request. What goes wrong inside is told without its words."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        wrong: WrongTokens | None = None,
        on_refused: Callable[[int], None] = lambda _: None,
    ) -> None:
        """``on_refused`` is told the status of each refusal."""
        self._app, self._access, self._on_refused = app, access, on_refused
        self._wrong = wrong if wrong is not None else WrongTokens()
        self._voice_keys = VoiceKeys(access.token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        origin = b""
        try:
            headers: list[tuple[bytes, bytes]] = scope["headers"]
            origin = self._check_origin(headers, self._check_host(headers))
            if scope["type"] == "http" and scope["method"] == "OPTIONS":
                await preflight(headers, origin, send)
                return
            scope[CALLER] = self._caller(scope, headers)
            limit = self._body_limit(scope, headers)
        except HttpError as error:
            self._on_refused(error.status)
            await refuse(scope, receive, send, error, allowed(origin))
            return
        if scope["type"] == "http":
            await _Exchange(receive, send, limit, allowed(origin)).run(self._app, scope)
        else:
            await refusing(self._app, self._on_refused, scope, receive, send)

    # -- where it came from

    def _check_host(self, headers: Sequence[tuple[bytes, bytes]]) -> str:
        hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not self._is_ours(_hostname(hosts[0])):
            raise HttpError(421, "misdirected_request", "This server is not reached by that name.")
        return hosts[0]

    def _is_ours(self, host: str) -> bool:
        bare = host.removeprefix("[").removesuffix("]")
        return is_loopback(bare) or host in self._access.hosts or (self._access.remote and _is_address(bare))

    def _check_origin(self, headers: Sequence[tuple[bytes, bytes]], host: str) -> bytes:
        """The page that asks; empty when none does."""
        given = [value for name, value in headers if name == b"origin"]
        for each in given:
            origin = each.decode("latin-1").lower()
            scheme, _, place = origin.partition("://")
            own = scheme in ("http", "https") and (place == host or is_loopback(_hostname(place).strip("[]")))
            # Without a place it is nobody's in particular, whatever the settings say: "null" is any file, and any frame that
            # is kept apart.
            if not own and (not place or origin not in self._access.origins):
                raise HttpError(403, "foreign_origin", "Pages of that origin may not use this server.")
        return given[0] if given else b""

    # -- who it is

    def _caller(self, scope: Scope, headers: Sequence[tuple[bytes, bytes]]) -> Caller:
        address = scope["client"][0] if scope.get("client") else ""
        shown = list(_shown_keys(scope))
        keys = list(_keys(headers))
        wait_s = self._wrong.wait_s(address)
        if wait_s and not is_loopback(address):
            raise _too_many_tries(wait_s)  # before anything is compared: they learn nothing by trying
        if is_one_of(keys, self._access.token):
            return Caller(address, trusted=True)
        visitors = self._access.visitors
        if visitors is not None and not keys and visitors.knows(headers, _host_of(headers)):
            return Caller(address, trusted=True)
        if scope["path"] in _OPEN_PATHS or _is_page(scope) or (scope["type"], scope["path"]) in self._access.own_proof:
            return Caller(address, trusted=False)
        if is_one_of(shown, self._access.token):
            message = "The token does not belong in an address. 'voicemode token --voice' prints a key that may stand there."
            raise HttpError(401, "token_in_address", message)
        keys += shown
        secret = self._access.secrets.find(keys)
        if secret is None and scope["type"] == "websocket" and scope["path"] in VOICE_PATHS:
            secret = self._voice_keys.find(keys)
        if secret is not None:
            if not (_opens_a_session(scope) or (secret.wish.thread and _is_about_its_own(scope))):
                raise HttpError(403, "client_secret_not_allowed", "A client secret opens realtime sessions and nothing else.")
            return Caller(address, trusted=False, secret=secret)
        if keys:
            self._wrong.count(address)
            if wait_s:
                raise _too_many_tries(wait_s)
            ephemeral = any(key.startswith(PREFIX.encode()) for key in keys)
            what = "This client secret is unknown or has expired." if ephemeral else "The token is wrong."
            raise HttpError(401, "invalid_api_key", f"{what} 'voicemode token' prints the one of this installation.")
        message = "This wants the token of this installation, which 'voicemode token' prints, as a Bearer token."
        raise HttpError(401, "missing_api_key", message)

    # -- how much it is

    def _body_limit(self, scope: Scope, headers: Sequence[tuple[bytes, bytes]]) -> int:
        limit = self._access.max_upload if scope["path"] in _UPLOADS else _SMALL_BODY
        lengths = [value for name, value in headers if name == b"content-length"]
        if any(not length.isdigit() or len(length) > _DIGITS or int(length) > limit for length in lengths):
            raise _too_large(limit)
        return limit


async def refusing(app: ASGIApp, on_refused: Callable[[int], None], scope: Scope, receive: Receive, send: Send) -> None:
    """Let ``app`` serve a WebSocket. Its HttpError becomes the answer to the handshake, if that was not answered yet."""
    accepted = False

    async def watched(message: Message) -> None:
        nonlocal accepted
        accepted = accepted or message["type"] == "websocket.accept"
        await send(message)

    try:
        await app(scope, receive, watched)
    except HttpError as error:
        if accepted:
            raise
        on_refused(error.status)
        await refuse(scope, None, send, error)
    except Exception as error:  # noqa: BLE001  (the boundary; the server then breaks the connection off)
        raise _masked(error) from None


class _Exchange:
    """One request: its body is counted, also where nobody said before how long it is."""

    def __init__(self, receive: Receive, send: Send, limit: int, headers: dict[str, str]) -> None:
        self._receive, self._send, self._limit, self._headers = receive, send, limit, headers
        self._received = 0
        self._more, self._started = True, False
        """Whether some of the body is still to come, and whether the answer has begun."""

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._counted, self._marked)
        except Exception as error:  # noqa: BLE001  (the boundary: only its kind and its place may be told)
            # Frameworks make something else of what reading a body raises.
            told = _too_large(self._limit) if self._received > self._limit else _masked(error)
            if self._started:
                # The server breaks the answer off, so that no client takes it for whole.
                raise told from None
            await refuse(scope, self._receive if self._more else None, self._send, told, self._headers)

    async def _counted(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        self._more = message.get("more_body", False)
        if self._received > self._limit:
            raise _too_large(self._limit)
        return message

    async def _marked(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._received > self._limit:
                raise _too_large(self._limit)
            self._started = True
            extra = [(name.encode(), value.encode()) for name, value in self._headers.items()]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await self._send(message)


def _opens_a_session(scope: Scope) -> bool:
    if scope["type"] == "websocket":
        # Who attaches to somebody's call wants the token: a secret is for a session of its own.
        names = {name for name, _ in parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)}
        return bool((scope["path"] == REALTIME_PATH and "call_id" not in names) or scope["path"] in VOICE_PATHS)
    # And hands its own session on, which is no more than it can read itself.
    return bool(scope["path"] in (CALLS_PATH, HANDOFFS_PATH) and scope["method"] == "POST")


def _is_about_its_own(scope: Scope) -> bool:
    """Whose thread it is, the routes compare."""
    if scope["type"] != "http":
        return False
    if scope["method"] == "POST":
        return scope["path"] in _OWN_SESSION
    return bool(scope["method"] == "GET" and scope["path"].startswith(f"{SESSIONS_PATH}/"))


def _is_page(scope: Scope) -> bool:
    """The page's own files, which say nothing of anybody, and the exchange of a link's key, which proves itself."""
    if scope["type"] != "http":
        return False
    path = scope["path"]
    if scope["method"] in ("GET", "HEAD"):
        return path in PAGE_VIEWS or path == "/favicon.svg" or path.startswith(ASSETS_PATH)
    return bool(scope["method"] == "POST" and path == ATTACH_PATH)


def _host_of(headers: Sequence[tuple[bytes, bytes]]) -> str:
    return next(value.decode("latin-1").lower() for name, value in headers if name == b"host")


def _keys(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[bytes]:
    """Every key that came along, in any of the three ways."""
    for name, value in headers:
        if name == b"authorization":
            kind, _, key = value.strip().partition(b" ")
            if kind.lower() == b"bearer" and key.strip():
                yield key.strip()
        elif name == b"x-api-key" and value.strip():
            yield value.strip()
        elif name == b"sec-websocket-protocol":
            offered = (each.strip() for each in value.split(b","))
            yield from (each.removeprefix(_SUBPROTOCOL_KEY) for each in offered if each.startswith(_SUBPROTOCOL_KEY))


def _shown_keys(scope: Scope) -> Iterable[bytes]:
    """Keys in the address, where they may be."""
    if scope["type"] == "websocket" and scope["path"] in VOICE_PATHS:
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), encoding="latin-1")
        yield from (value.encode("latin-1") for name, value in query if name == "key")


def _hostname(netloc: str) -> str:
    """The host of "host:port"; brackets of IPv6 stay."""
    host, _, port = netloc.rpartition(":")
    return host if host and port.isdecimal() else netloc


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _too_large(limit: int) -> HttpError:
    return HttpError(413, "too_large", f"The request is larger than {limit >> 20} MiB.")


def _too_many_tries(wait_s: float) -> HttpError:
    return HttpError(429, "too_many_wrong_tokens", "Too many wrong tokens came from this address.", retry_after_s=wait_s)


def _masked(error: Exception) -> HttpError:
    if isinstance(error, HttpError):
        return error
    _log.error("unexpected %s", kind_and_place(error))
    return HttpError(500, "internal_error", "Something went wrong inside the server. Its log says where.")
