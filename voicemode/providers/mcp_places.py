"""Where servers of tools are: what the settings say, and which of them a client may name.

``VOICEMODE_MCP_SERVERS`` has the person's own, each under a label: ``files=npx -y some-server ~/notes, search=https://host/mcp``.
A client names a label, or brings an address, whose host then has to be in ``VOICEMODE_MCP_ALLOWED_HOSTS``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from voicemode.dialogue_tools import ToolServer
from voicemode.errors import SettingsError
from voicemode.providers.address import check_address, is_link_local, is_loopback, is_public
from voicemode.providers.mcp_error import ToolServerError
from voicemode.settings import Settings

__all__ = ["BUILT_IN", "HttpPlace", "McpPlaces", "StdioPlace"]

BUILT_IN = "voicemode"
"""The label of this program's own tools."""

_SERVERS, _HOSTS, _TOKENS, _ENV = (f"VOICEMODE_MCP_{name}" for name in ("SERVERS", "ALLOWED_HOSTS", "TOKENS", "ENV"))
_SERVERS_SHAPE = "label=command argument, label2=https://host/mcp; quotes around what has a comma or a space in it"
_HOSTS_SHAPE = "host, host:port, *.host or *"
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_ENTRY = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[\w.*-]+)(:(?P<port>[0-9]{1,5}))?", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
"""RFC 9110, 5.6.2."""
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{0,8192}", re.ASCII)
_OUR_HEADERS = frozenset(
    {"accept", "connection", "content-length", "content-type", "expect", "host", "keep-alive", "last-event-id"}
    | {"mcp-protocol-version", "mcp-session-id", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
"""What the connection itself says; in a client's hand it would be another request than the one that was allowed."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HttpPlace:
    """Streamable HTTP."""

    label: str
    url: str
    host: str
    """Lower case, without brackets."""
    port: int
    named: bool
    """The person named this very host; else only addresses that are public will do."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Credentials among them."""

    @property
    def encrypted(self) -> bool:
        return self.url.startswith("https:")

    def admits(self, address: str) -> bool:
        """Whether what the host's name was resolved to may be connected to."""
        if is_public(address):
            return True
        # Where clouds tell a machine its secrets there is no server of tools, whoever named it.
        return self.named and not is_link_local(address)


@dataclass(frozen=True, slots=True)
class StdioPlace:
    """A process of the person's, one for each conversation that uses it."""

    label: str
    argv: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Variables that it gets besides those of every child."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """Of the allow-list."""

    host: str
    port: int | None
    """None: the one of the scheme."""

    def covers(self, host: str, port: int, scheme: str) -> bool:
        if port != (self.port or _PORTS[scheme]):
            return False
        return self.host in ("*", host) or (self.host.startswith("*.") and host.endswith(self.host[1:]))

    @property
    def names_one(self) -> bool:
        return "*" not in self.host


class McpPlaces:
    """All of them. Asks nobody."""

    def __init__(self, servers: Mapping[str, HttpPlace | StdioPlace], entries: tuple[_Entry, ...], *, local_only: bool) -> None:
        self._servers, self._entries, self._local_only = dict(servers), entries, local_only

    @classmethod
    def of(cls, settings: Settings) -> McpPlaces:
        """Raises SettingsError."""
        tokens = dict(_pairs(settings.mcp_tokens.get_secret_value())) if settings.mcp_tokens is not None else {}
        names: dict[str, list[str]] = {}
        for each in settings.mcp_env:
            label, colon, name = each.partition(":")
            if not (label and colon and name):
                raise SettingsError(_ENV, f"'{each[:40]}' is not label:NAME", "label:NAME")
            names.setdefault(label, []).append(name)
        servers = dict(_servers(settings, tokens, names))
        for key, labels in ((_TOKENS, tokens), (_ENV, names)):
            if strange := next((label for label in labels if label not in servers), None):
                raise SettingsError(key, f"there is no server '{strange[:64]}' in {_SERVERS}", "labels of that setting")
        return cls(servers, tuple(_entry(each) for each in settings.mcp_allowed_hosts), local_only=settings.local_only)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._servers)

    def without_labels(self) -> McpPlaces:
        """Only what clients bring by address."""
        return McpPlaces({}, self._entries, local_only=self._local_only)

    def find(self, server: ToolServer) -> HttpPlace | StdioPlace:
        """Where this server is. Raises ToolServerError for one that is not allowed, or not known."""
        if server.url:
            return self._by_address(server)
        place = self._servers.get(server.label)
        if place is None:
            raise ToolServerError(
                server.label,
                f"there is no server of this label in {_SERVERS}, and no address was given",
                reason="unknown_server",
            )
        if isinstance(place, StdioPlace):
            return place
        headers = dict(place.headers) | self._headers(server)
        return HttpPlace(place.label, place.url, place.host, place.port, place.named, headers)

    def _by_address(self, server: ToolServer) -> HttpPlace:
        try:
            url, host, port = _checked(server.url, "server_url", local_only=self._local_only)
        except SettingsError as error:
            raise ToolServerError(server.label, error.detail, reason="address_refused") from None
        scheme = url.partition(":")[0]
        covering = [entry for entry in self._entries if entry.covers(host, port, scheme)]
        if not covering:
            raise ToolServerError(server.label, f"{host}:{port} is not in {_HOSTS}", reason="not_allowed")
        named = any(entry.names_one for entry in covering)
        if not named and not _may_be_public(host):
            raise ToolServerError(
                server.label, f"{host} is not a public address, and not named in {_HOSTS}", reason="not_allowed"
            )
        return HttpPlace(server.label, url, host, port, named, self._headers(server))

    @staticmethod
    def _headers(server: ToolServer) -> dict[str, str]:
        """Those of the client. Raises ToolServerError."""
        given = {name.lower(): value for name, value in server.headers.items()}
        if server.authorization:
            given["authorization"] = f"Bearer {server.authorization.removeprefix('Bearer ')}"
        for name, value in given.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value) or name in _OUR_HEADERS:
                shown = name[:100] if name.isprintable() else "one"
                raise ToolServerError(server.label, f"the header '{shown}' cannot be sent", reason="header_refused")
        return given


def _servers(
    settings: Settings, tokens: Mapping[str, str], names: Mapping[str, list[str]]
) -> Iterator[tuple[str, HttpPlace | StdioPlace]]:
    seen: set[str] = set()
    for words in _comma_words(settings.mcp_servers):
        label, equals, first = words[0].partition("=")
        if not (equals and first and _LABEL.fullmatch(label)):
            raise SettingsError(_SERVERS, f"'{label[:40]}' is not label=…", _SERVERS_SHAPE)
        if label in seen or label == BUILT_IN:
            raise SettingsError(_SERVERS, f"the label '{label}' is taken", "another one")
        seen.add(label)
        if not first.startswith(("http://", "https://")):
            yield label, StdioPlace(label, (first, *words[1:]), tuple(names.get(label, ())))
            continue
        if len(words) > 1:
            raise SettingsError(_SERVERS, f"after the address of '{label}' there is more", _SERVERS_SHAPE)
        url, host, port = _checked(first, _SERVERS, local_only=settings.local_only)
        if label in tokens and not _HEADER_VALUE.fullmatch(tokens[label]):
            raise SettingsError(_TOKENS, f"the token of '{label}' has characters that cannot be sent", "printable ASCII")
        headers = {"authorization": f"Bearer {tokens[label]}"} if label in tokens else {}
        yield label, HttpPlace(label, url, host, port, True, headers)


def _comma_words(text: str) -> Iterator[list[str]]:
    """Each part between commas, split as a shell does. Raises SettingsError."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=",")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        tokens = list(lexer)
    except ValueError as error:
        raise SettingsError(_SERVERS, f"it cannot be read ({error})", _SERVERS_SHAPE) from None
    words: list[str] = []
    for token in [*tokens, ","]:
        if token.strip(","):
            words.append(token)
        elif words:
            yield words
            words = []


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        label, equals, value = part.partition("=")
        if not (label and equals and value):
            raise SettingsError(_TOKENS, "it is not label=token", "label=token, label2=token")
        yield label.strip(), value.strip()


def _entry(text: str) -> _Entry:
    found = _ENTRY.fullmatch(text)
    host = found["host"].lower().strip("[]").removesuffix(".") if found is not None else ""
    if found is None or not host or ("*" in host and host != "*" and not re.fullmatch(r"\*\.[\w.-]+", host)):
        raise SettingsError(_HOSTS, f"'{text[:80]}' is no host", _HOSTS_SHAPE)
    return _Entry(host, int(found["port"]) if found["port"] else None)


def _checked(url: str, key: str, *, local_only: bool) -> tuple[str, str, int]:
    """Address, host and port. Raises SettingsError."""
    address = check_address(url, local_only=local_only, key=key, speech=False)
    parts = urlsplit(address.base_url)
    # What a server's path ends with is the server's business; only the rest is made uniform.
    slash = "/" if urlsplit(url.strip()).path.endswith("/") else ""
    return address.base_url + slash, address.host, parts.port or _PORTS[parts.scheme]


def _may_be_public(host: str) -> bool:
    """Whether it is a name of another machine, or a public address."""
    if is_loopback(host):
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return is_public(host)
