"""A stub that stands before a healthy speech or chat service and spoils its answers. A process of its own:
``python -m tests.stubs.fault_proxy``.

It takes one order a line on standard input and answers each with one line; it leaves when standard input ends.

    {"fault": "silent", "upstream": 8880, "after": 0}   →   {"port": 40123}

Each order opens a port with that fault before the service at the upstream's port on this machine. The first ``after``
POSTs pass unspoilt. The faults are the names in FAULTS; "self_signed" is one of a port that speaks TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import socket
import ssl
import struct
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.stubs.sound import RATE

__all__ = ["FAULTS", "main"]

HUGE = 10_000_000_000
_LABELS = {"speech": "audio/pcm", "transcriptions": "application/json", "completions": "text/event-stream"}
_HTML = b"<!DOCTYPE html><html><body>Sign in to the guest network</body></html>"
_JSON_ERROR = b'{"error": {"message": "CUDA out of memory", "type": "server_error"}}'
_KEPT_BYTES = 65_536


@dataclass(slots=True)
class Exchange:
    """A request that was read to its end, and the connection it came on."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    upstream: int
    writer: asyncio.StreamWriter

    @property
    def label(self) -> str:
        """The Content-Type that a healthy answer would have."""
        return _LABELS.get(self.path.rpartition("/")[2], "application/json")

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: str = "200 OK", label: str | None = None, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {label or self.label}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def answer(self, body: bytes, status: str = "200 OK", label: str | None = None, **headers: str) -> None:
        await self.head(status, label, Content_Length=str(len(body)), **headers)
        await self.send(body)

    async def healthy(self) -> tuple[int, str, bytes]:
        """Status, Content-Type and body of the service's own answer."""
        return await asyncio.to_thread(self._ask)

    async def forward(self) -> None:
        status, label, body = await self.healthy()
        await self.answer(body, f"{status} Forwarded", label)

    def reset(self) -> None:
        """What a process that is killed does: RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def _ask(self) -> tuple[int, str, bytes]:
        kept = {"content-type", "authorization", "accept"}
        connection = HTTPConnection("127.0.0.1", self.upstream, timeout=30)
        try:
            headers = {name: value for name, value in self.headers.items() if name in kept}
            connection.request(self.method, self.path, self.body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("content-type", ""), answer.read()
        finally:
            connection.close()


Fault = Callable[[Exchange], Awaitable[None]]


async def _silent(_: Exchange) -> None:
    await asyncio.Event().wait()


async def _drip(exchange: Exchange) -> None:
    """One byte a second, the head too."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n":
        await exchange.send(bytes((byte,)))
        await asyncio.sleep(1)


async def _drip_body(exchange: Exchange) -> None:
    """One byte a second after a prompt head."""
    _, label, body = await exchange.healthy()
    await exchange.head(label=label, Content_Length=str(len(body)))
    for byte in body:
        await exchange.send(bytes((byte,)))
        await asyncio.sleep(1)


async def _drip_middle(exchange: Exchange) -> None:
    """Half of the answer at once, then one byte a second."""
    _, label, body = await exchange.healthy()
    await exchange.head(label=label, Content_Length=str(len(body)))
    half = len(body) // 2
    await exchange.send(body[:half])
    for byte in body[half:]:
        await asyncio.sleep(1)
        await exchange.send(bytes((byte,)))


async def _reset_before_head(exchange: Exchange) -> None:
    exchange.reset()


async def _reset_after_head(exchange: Exchange) -> None:
    await exchange.head(Transfer_Encoding="chunked")
    await asyncio.sleep(0.02)  # a reset overtakes what was not read yet
    exchange.reset()


async def _reset_middle(exchange: Exchange) -> None:
    await _half(exchange)
    await asyncio.sleep(0.02)
    exchange.reset()


async def _close_middle(exchange: Exchange) -> None:
    await _half(exchange)


async def _half(exchange: Exchange) -> None:
    """Half of the answer, in chunks that never end."""
    _, label, body = await exchange.healthy()
    await exchange.head(label=label, Transfer_Encoding="chunked")
    half = body[: len(body) // 2 | 1]
    await exchange.send(f"{len(half):x}\r\n".encode() + half + b"\r\n")


async def _json_error(exchange: Exchange) -> None:
    await exchange.answer(_JSON_ERROR, label="application/json")


async def _json_labelled(exchange: Exchange) -> None:
    """JSON that says it is what was asked for."""
    await exchange.answer(_JSON_ERROR)


async def _empty(exchange: Exchange) -> None:
    await exchange.answer(b"")


async def _html(exchange: Exchange) -> None:
    await exchange.answer(_HTML, label="text/html; charset=utf-8")


async def _html_labelled(exchange: Exchange) -> None:
    await exchange.answer(_HTML)


async def _odd(exchange: Exchange) -> None:
    """Half a sample too much."""
    _, label, body = await exchange.healthy()
    await exchange.answer(body + b"\x01", label=label)


async def _odd_short(exchange: Exchange) -> None:
    """Half a sample too little."""
    _, label, body = await exchange.healthy()
    await exchange.answer(body[:-1], label=label)


def _wav(*, rate: int = RATE, channels: int = 1, announced: int | None = None) -> Fault:
    """A WAV with this in its head, whatever is behind it; ``announced`` in per cent of the samples that come."""

    async def fault(exchange: Exchange) -> None:
        _, _, pcm = await exchange.healthy()
        size = 0xFFFFFFFF if announced is None else len(pcm) * announced // 100
        layout = struct.pack("<HHIIHH", 1, channels, rate, rate * 2, 2, 16)
        head = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", size)
        await exchange.answer(head + pcm, label="audio/wav")

    return fault


async def _wav_garbled(exchange: Exchange) -> None:
    """It says WAV, and where the head should be is noise."""
    _, _, pcm = await exchange.healthy()
    await exchange.answer(bytes(i * 7919 % 251 for i in range(44)) + pcm, label="audio/wav")


async def _huge(exchange: Exchange) -> None:
    """Ten gigabytes are announced, and come as fast as they are taken."""
    await exchange.head(Content_Length=str(HUGE))
    for _ in range(HUGE // _KEPT_BYTES):
        await exchange.send(b" " * _KEPT_BYTES)


async def _endless(exchange: Exchange) -> None:
    """The same unannounced, in chunks."""
    await exchange.head(Transfer_Encoding="chunked")
    for _ in range(HUGE // _KEPT_BYTES):
        await exchange.send(f"{_KEPT_BYTES:x}\r\n".encode() + b" " * _KEPT_BYTES + b"\r\n")


async def _busy(exchange: Exchange) -> None:
    await exchange.answer(b'{"error": {"message": "slow down"}}', "429 Too Many Requests", "application/json", Retry_After="30")


async def _broken(exchange: Exchange) -> None:
    await exchange.answer(_JSON_ERROR, "500 Internal Server Error", "application/json")


async def _redirect(exchange: Exchange) -> None:
    elsewhere = f"http://localhost:{exchange.upstream}{exchange.path}"
    await exchange.answer(b"", "307 Temporary Redirect", Location=elsewhere)


async def _plain(exchange: Exchange) -> None:
    """Nothing wrong with it but that it knows no TLS."""
    await exchange.forward()


FAULTS: Mapping[str, Fault] = {
    "silent": _silent,
    "drip": _drip,
    "drip_body": _drip_body,
    "drip_middle": _drip_middle,
    "reset_before_head": _reset_before_head,
    "reset_once": _reset_before_head,
    "reset_after_head": _reset_after_head,
    "reset_middle": _reset_middle,
    "close_middle": _close_middle,
    "json_error": _json_error,
    "json_labelled": _json_labelled,
    "empty": _empty,
    "html": _html,
    "html_labelled": _html_labelled,
    "odd": _odd,
    "odd_short": _odd_short,
    "wav_no_rate": _wav(rate=0),
    "wav_no_channels": _wav(channels=0),
    "wav_too_long": _wav(announced=300),
    "wav_too_short": _wav(announced=10),
    "wav_garbled": _wav_garbled,
    "huge": _huge,
    "endless": _endless,
    "busy": _busy,
    "broken": _broken,
    "redirect": _redirect,
    "plain": _plain,
    "self_signed": _plain,
}
_ONLY_ONCE = frozenset({"reset_once"})


@dataclass(slots=True)
class Front:
    """One port."""

    fault: str
    upstream: int
    after: int
    posts: int = 0
    work: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> int:
        context = _self_signed() if self.fault == "self_signed" else None
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, ssl=context)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self._serve(reader, writer)
        if not writer.transport.is_closing():
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        start = await reader.readexactly(1)
        if start == b"\x16":  # a TLS handshake
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            return
        exchange = await self._read(start, reader, writer)
        if exchange.method == "POST":
            self.posts += 1
            spoils = self.posts == self.after + 1 if self.fault in _ONLY_ONCE else self.posts > self.after
        else:
            spoils = self.after == 0 and self.fault not in _ONLY_ONCE
        await (FAULTS[self.fault](exchange) if spoils else exchange.forward())

    async def _read(self, start: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
        first, *lines = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        body = bytearray()
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        else:
            body += await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = first.split(" ")
        return Exchange(method, path, headers, bytes(body), self.upstream, writer)


def _self_signed() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fault proxy of the tests")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = builder.add_extension(here, critical=False).sign(key, hashes.SHA256())
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(file)
    return context


async def serve() -> None:
    orders: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(orders.put_nowait, line)
        loop.call_soon_threadsafe(orders.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    # Connections that were told to wait for ever are nobody's any more once the last order has come.
    loop.set_exception_handler(lambda *_: None)
    while line := await orders.get():
        order = json.loads(line)
        port = await Front(order["fault"], order["upstream"], order.get("after", 0)).open()
        print(json.dumps({"port": port}), flush=True)


def main() -> None:
    asyncio.run(serve())


if __name__ == "__main__":
    main()
