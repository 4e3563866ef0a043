"""Which addresses speech may be sent to: decided from the text alone, before any socket or name lookup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from voicemode.errors import SettingsError

__all__ = ["Address", "check_address", "is_link_local", "is_loopback", "is_public"]

_ALLOWED = "http://host[:port][/path] or https://host[:port][/path]"
_NOT_PRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?", re.ASCII)
"""Other letters are written in their xn-- form: full-width digits and their like would pass for another host."""
_NUMBER = re.compile(r"(?P<hex>0[xX][0-9a-fA-F]*)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*)")
_PASTED_PATHS = ("/audio/speech", "/audio/transcriptions", "/models")
"""People copy a full address out of a manual; the endpoint is what stands before these."""

_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_METADATA = frozenset(
    {
        IPv6Address("fd00:ec2::254"),
        IPv6Address("fd20:ce::254"),
        IPv4Address("100.100.100.200"),
        IPv4Address("168.63.129.16"),
        IPv4Address("192.0.0.192"),
    }
)
"""Where clouds tell a virtual machine its secrets, besides 169.254.0.0/16: AWS and Google by IPv6, Alibaba, Azure, Oracle.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html,
https://cloud.google.com/compute/docs/metadata/querying-metadata,
https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16"""
_EMBEDDING = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""Hold an IPv4 address in their last 32 bits: NAT64 (RFC 6052, 2.1; of a network's own, RFC 8215, as most write it), and the
form that was there before (RFC 4291, 2.5.5.1)."""


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


def check_address(url: str, *, local_only: bool = False, key: str = "base_url", speech: bool = True) -> Address:
    """Take a base address as people write it: with or without a trailing slash, with or without ``/v1``.

    ``speech`` is False for what is no speech endpoint, so that the path is taken as it is.
    ``key`` is the setting the address came from. ``local_only`` refuses every host but this machine's own; names other
    than "localhost" are refused without being looked up, since an answer of the DNS is not a promise. Link-local hosts are
    refused in any case: no speech service is there, and a cloud's machines are told their secrets there.

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
    if is_link_local(host):
        raise SettingsError(key, f"{host} is a link-local or metadata address, where no speech service is", _ALLOWED)
    path = parts.path.rstrip("/")
    if speech:
        for pasted in _PASTED_PATHS:
            path = path.removesuffix(pasted)
        path = path or "/v1"
    bracketed = f"[{host}]" if ":" in host else host
    netloc = bracketed if port is None else f"{bracketed}:{port}"
    return Address(base_url=f"{parts.scheme}://{netloc}{path}", host=host, loopback=loopback)


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
    if _NOT_PRINTABLE.search(url) or not url.isprintable():
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


def is_link_local(host: str) -> bool:
    """Whether it is link-local, or where a cloud tells its machines their secrets, by whatever spelling."""
    return host in _METADATA_NAMES or any(ip.is_link_local or ip in _METADATA for ip in _meanings(host))


def is_public(host: str) -> bool:
    """Whether it is an address, and everything that it may stand for is reached through the internet and nowhere else."""
    meanings = list(_meanings(host))
    return bool(meanings) and all(_is_public(ip) for ip in meanings)


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    # What Python takes for global but is an organization's own: fec0::/10, before there was fc00::/7.
    within = isinstance(ip, IPv6Address) and ip.is_site_local
    return ip.is_global and not ip.is_multicast and not within and ip not in _METADATA


def _meanings(host: str) -> Iterator[IPv4Address | IPv6Address]:
    """Every address that a host which is no name may stand for."""
    ip = _ip(host) or _old_spelling(host)
    if ip is None:
        return
    yield ip if isinstance(ip, IPv4Address) else IPv6Address(int(ip))  # without its zone
    if isinstance(ip, IPv6Address):
        last = IPv4Address(int(ip) & 0xFFFFFFFF) if any(ip in network for network in _EMBEDDING) else None
        embedded = ip.ipv4_mapped or ip.sixtofour or last
        if embedded is not None:
            yield embedded


def _old_spelling(host: str) -> IPv4Address | None:
    """What inet_aton takes: 127.1, 0x7f000001, 2130706433. Every resolver still does."""
    parts = [_NUMBER.fullmatch(part) for part in host.split(".")]
    if len(parts) > 4 or not all(parts):
        return None
    numbers = [_value(part) for part in parts if part is not None]
    rest = 256 ** (5 - len(numbers))
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= rest:
        return None
    return IPv4Address(sum(number << 8 * (3 - index) for index, number in enumerate(numbers[:-1])) + numbers[-1])


def _value(number: re.Match[str]) -> int:
    base = {"hex": 16, "octal": 8, "decimal": 10}[number.lastgroup or "decimal"]
    return int(number[0].lower().removeprefix("0x") or "0", base)


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
