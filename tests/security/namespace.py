"""A network of its own with a way out that ends nowhere, and everything that leaves captured.

Run as a program it is the one inside: it captures, and answers each line of its standard input with what was captured so far.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["FOREIGN", "Namespace", "impossible"]

FOREIGN = "198.51.100.7"
"""Belongs to nobody (RFC 5737)."""

_ROOT = Path(__file__).parents[2]
_PREPARE = """\
set -e
PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
ip link add out type dummy 2>/dev/null || { ip link add out type veth peer name far; ip link set far arp off up; }
ip address add 192.0.2.2/24 dev out
ip link set out arp off up
ip route add default dev out
ip -6 address add 2001:db8::2/64 dev out nodad 2>/dev/null && ip -6 route add default dev out || true
exec "$@"
"""
"""Without ARP a packet leaves at once, whether or not anybody is there to take it."""

_ALL_PROTOCOLS = 3  # linux/if_ether.h: ETH_P_ALL
_OUTGOING = 4  # linux/if_packet.h: PACKET_OUTGOING
_IPV6 = 0x86DD
_ICMPV6 = 58
_HOP_BY_HOP = 0
"""The kernel's own talk about groups and neighbours is ICMPv6, behind such a header or not. No program of ours uses it."""
_BUFFER = 8 << 20


def impossible() -> str:
    """Why no network can be made here; empty when one can."""
    if sys.platform != "linux":
        return "network namespaces are a matter of Linux"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # where Debian has ip, which a user's PATH does not name
    missing = [name for name in ("unshare", "nsenter", "ip") if shutil.which(name, path=path) is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    tried = subprocess.run(_inside("true"), capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"no network namespace can be made here: {tried.stderr.strip()[:200]}"


def _inside(*command: str) -> tuple[str, ...]:
    return ("unshare", "-n" if os.geteuid() == 0 else "-rn", "sh", "-c", _PREPARE, "sh", *command)


class Namespace:
    """The network, from ``with`` to its end. Programs are run in it by putting ``through`` before their command."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    @property
    def through(self) -> tuple[str, ...]:
        """Such a command keeps its process id."""
        assert self._process is not None
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        return ("nsenter", "--target", str(self._process.pid), *user, "--net", "--")

    def packets(self) -> list[dict[str, Any]]:
        """Everything that was sent elsewhere so far, and every name that was looked up, in order of capture."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: list[dict[str, Any]] = json.loads(self._process.stdout.readline())
        return found

    def __enter__(self) -> Self:
        command = _inside(sys.executable, "-m", "tests.security.namespace")
        self._process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.packets() == []
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process is not None
        self._process.communicate(timeout=10)


# -- inside


def _capture() -> socket.socket:
    """Sees every frame of the interface that leads out."""
    capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    capture.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    capture.bind(("out", _ALL_PROTOCOLS))
    capture.setblocking(False)
    return capture


def _resolver() -> socket.socket:
    """Takes what goes to a name server on this machine, which would ask others in its turn."""
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind(("0.0.0.0", 53))
    resolver.setblocking(False)
    return resolver


def _frames(capture: socket.socket) -> Iterator[dict[str, Any]]:
    while True:
        try:
            frame, (_, protocol, direction, *_) = capture.recvfrom(1 << 16)
        except BlockingIOError:
            return
        chatter = protocol == _IPV6 and len(frame) > 20 and frame[20] in (_ICMPV6, _HOP_BY_HOP)
        if direction == _OUTGOING and not chatter:
            yield {"protocol": hex(protocol), "bytes": frame[14:].hex()}


def _lookups(resolver: socket.socket) -> Iterator[dict[str, Any]]:
    while True:
        try:
            yield {"protocol": "dns", "bytes": resolver.recv(1 << 16).hex()}
        except BlockingIOError:
            return


def main() -> None:
    found: list[dict[str, Any]] = []
    with _capture() as capture, _resolver() as resolver:
        for _ in sys.stdin:
            found += [*_frames(capture), *_lookups(resolver)]
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
