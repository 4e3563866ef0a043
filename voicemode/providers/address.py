"""Which addresses speech may be sent to: decided from the text alone, before any socket or name lookup."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from voicemode.errors import SettingsError

__all__ = ["Address", "check_address"]

_ALLOWED = "http://host[:port][/path] or https://host[:port][/path]"
_NOT_PRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?")
_PASTED_PATHS = ("/audio/speech", "/audio/transcriptions", "/models")
"""People copy a full address out of a manual; the endpoint is what stands before these."""


@dataclass(frozen=True, slots=True)
class Address:
    """A checked base address of an OpenAI-compatible speech endpoint."""

    base_url: str
    """Without a trailing slash: "http://127.0.0.1:8880/v1"."""
    host: str
    """Lower case, without brackets."""
    loopback: bool
    """It can only be this machine: localhost, 127.0.0.0/8 or ::1."""

    def url(self, path: str) -> str:
        """The address of "/audio/speech" and its like."""
        return self.base_url + path


def check_address(url: str, *, local_only: bool = False, key: str = "base_url") -> Address:
    """Take a base address as people write it: with or without a trailing slash, with or without ``/v1``.

    ``key`` is the setting the address came from. ``local_only`` refuses every host but this machine's own; names other
    than "localhost" are refused without being looked up, since an answer of the DNS is not a promise.

    Raises SettingsError.
    """
    parts, port = _split(url.strip(), key)
    host = (parts.hostname or "").removesuffix(".")
    loopback = is_loopback(host)
    if local_only and not loopback:
        raise SettingsError(
            key,
            f"{host} is not this machine, and VOICEMODE_LOCAL_ONLY is on",
            "localhost, 127.0.0.1 or ::1 while VOICEMODE_LOCAL_ONLY is on",
        )
    path = parts.path.rstrip("/")
    for pasted in _PASTED_PATHS:
        path = path.removesuffix(pasted)
    bracketed = f"[{host}]" if ":" in host else host
    netloc = bracketed if port is None else f"{bracketed}:{port}"
    return Address(base_url=f"{parts.scheme}://{netloc}{path or '/v1'}", host=host, loopback=loopback)


def is_loopback(host: str) -> bool:
    """Whether the host can only mean this machine. Other spellings (127.1, ::ffff:127.0.0.1) count as foreign."""
    if host == "localhost":
        return True
    match _ip(host):
        case IPv4Address() as ip:
            return ip.is_loopback
        case IPv6Address() as ip:
            return ip == IPv6Address("::1")
        case _:
            return False


def _split(url: str, key: str) -> tuple[SplitResult, int | None]:
    if _NOT_PRINTABLE.search(url):
        raise SettingsError(key, "an address has a space, a backslash or a control character in it", _ALLOWED)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The text is not repeated: it may hold a password in a form that cannot be told apart.
        raise SettingsError(key, "an address cannot be read (its host or port)", _ALLOWED) from None
    if "@" in parts.netloc:
        raise SettingsError(key, "an address has a user name or password in it", f"{_ALLOWED}; keys have settings of their own")
    if parts.scheme not in ("http", "https"):
        raise SettingsError(key, f"an address begins with '{parts.scheme or url[:40]}'", _ALLOWED)
    if not parts.hostname or port == 0 or not _is_host(parts.hostname):
        raise SettingsError(key, f"'{url[:100]}' names no host", _ALLOWED)
    if parts.query or parts.fragment:
        raise SettingsError(key, "an address has a query ('?') or a fragment ('#') in it", _ALLOWED)
    return parts, port


def _is_host(host: str) -> bool:
    return _HOST_NAME.fullmatch(host) is not None or isinstance(_ip(host), IPv6Address)


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
