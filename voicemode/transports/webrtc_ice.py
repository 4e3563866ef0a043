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

__all__ = ["BoundGatherer", "addresses_for", "ice_transport"]


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
    # Loopback comes last: a peer elsewhere would only waste its first checks on it.
    return (*get_host_addresses(use_ipv4=True, use_ipv6=address.version == 6), "127.0.0.1")


class _BoundConnection(Connection):
    """aioice gathers at every interface but loopback, without a setting; ``get_component_candidates`` takes addresses."""

    def __init__(self, addresses: Sequence[str], clock: Callable[[], float], **options: Any) -> None:
        super().__init__(**options)
        self._addresses, self._clock = list(addresses), clock
        self.heard_at = clock()
        """When the peer was heard last, by whatever it sent."""

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:  # noqa: ARG002
        return await super().get_component_candidates(component, self._addresses, timeout)

    def data_received(self, data: bytes, component: int) -> None:
        self.heard_at = self._clock()
        super().data_received(data, component)

    def request_received(self, message: Message, addr: tuple[str, int], protocol: StunProtocol) -> None:
        super().request_received(message, addr, protocol)
        # The peer counts, and not whoever finds the port: aioice knows the pair that it accepted.
        if any(pair.remote_addr == addr for pair in self._nominated.values()):
            self.heard_at = self._clock()


class BoundGatherer(RTCIceGatherer):
    """Gathers at these addresses, and asks nobody outside."""

    def __init__(self, addresses: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(iceServers=[])  # none at all; without the argument it asks a public STUN server
        self._connection: _BoundConnection = _BoundConnection(addresses, clock, ice_controlling=False)

    @property
    def heard_at(self) -> float:
        """When the peer was heard last: of the clock that was given."""
        return self._connection.heard_at


async def ice_transport(gatherer: BoundGatherer, remote: Sequence[Any]) -> RTCIceTransport:
    """A transport that knows the remote candidates that are addresses.

    Names (``….local``, which browsers give to pages without a microphone) are left out instead of asked for by multicast:
    the browser's own checks tell its address. So the list is never said to be complete.
    """
    transport = RTCIceTransport(gatherer)
    for candidate in remote:
        try:
            ipaddress.ip_address(candidate.ip)
        except ValueError:
            continue
        if candidate.protocol.lower() == "udp" and candidate.component == 1:
            await transport.addRemoteCandidate(candidate)
    return transport
