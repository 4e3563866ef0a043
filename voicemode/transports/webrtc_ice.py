"""ICE that is heard only where the server is: host addresses of its own choice, no STUN or TURN server, no multicast DNS."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence
from typing import Any

from aioice import Candidate, Connection
from aioice.ice import StunProtocol, get_host_addresses
from aioice.stun import Message
from aiortc import RTCIceGatherer, RTCIceTransport

from voicemode.providers.address import is_link_local

__all__ = ["BoundGatherer", "addresses_for", "ice_transport", "own_addresses"]

_BROADCAST = "255.255.255.255"


def addresses_for(host: str) -> tuple[str, ...]:
    """The addresses at which peers may reach a server that listens at ``host``: that one; for every address, all there are.

    A name is taken for this machine's loopback, the only name a server is bound by here.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ("127.0.0.1",)
    if not address.is_unspecified:
        return (str(address),)
    return own_addresses(ipv6=address.version == 6)


def own_addresses(*, ipv6: bool = True) -> tuple[str, ...]:
    """All addresses of this machine. Loopback comes last: a peer elsewhere would only waste its first checks on it."""
    return (*get_host_addresses(use_ipv4=True, use_ipv6=ipv6), "127.0.0.1")


class _BoundConnection(Connection):
    """aioice gathers at every interface but loopback, without a setting; ``get_component_candidates`` takes addresses."""

    def __init__(self, addresses: Sequence[str], only_from: frozenset[str], clock: Callable[[], float]) -> None:
        super().__init__(ice_controlling=False)
        self._addresses, self._only_from, self._clock = list(addresses), only_from, clock
        self.heard_at = clock()
        """When the peer was heard last, by whatever it sent."""

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:  # noqa: ARG002
        return await super().get_component_candidates(component, self._addresses, timeout)

    def data_received(self, data: bytes, component: int) -> None:
        self.heard_at = self._clock()
        super().data_received(data, component)

    def request_received(self, message: Message, addr: tuple[str, int], protocol: StunProtocol) -> None:
        if self._only_from and addr[0] not in self._only_from:
            return
        super().request_received(message, addr, protocol)
        # The peer counts, and not whoever finds the port: aioice knows the pair that it accepted.
        if any(pair.remote_addr == addr for pair in self._nominated.values()):
            self.heard_at = self._clock()


class BoundGatherer(RTCIceGatherer):
    """Gathers at these addresses, and asks nobody outside."""

    def __init__(
        self, addresses: Sequence[str], only_from: frozenset[str] = frozenset(), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``only_from``: whose checks are answered at all; empty: everybody's who knows the password."""
        super().__init__(iceServers=[])  # none at all; without the argument it asks a public STUN server
        self._connection: _BoundConnection = _BoundConnection(addresses, only_from, clock)

    @property
    def heard_at(self) -> float:
        """When the peer was heard last: of the clock that was given."""
        return self._connection.heard_at


async def ice_transport(gatherer: BoundGatherer, remote: Sequence[Any]) -> RTCIceTransport:
    """A transport that knows the remote candidates that are addresses.

    Names (``….local``, which browsers give to pages without a microphone) are left out instead of asked for by multicast:
    the browser's own checks tell its address. So the list is never said to be complete. So are addresses at which no client is,
    since anybody with a key may name some: a client that is there all the same is found by its own checks.
    """
    transport = RTCIceTransport(gatherer)
    for candidate in remote:
        try:
            nobody = _is_nobodys(ipaddress.ip_address(candidate.ip))
        except ValueError:
            continue
        if not nobody and candidate.protocol.lower() == "udp" and candidate.component == 1:
            await transport.addRemoteCandidate(candidate)
    return transport


def _is_nobodys(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """No single machine, or one that tells secrets to whoever asks."""
    return address.is_multicast or address.is_unspecified or str(address) == _BROADCAST or is_link_local(str(address))
