"""The pooled client over real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.stubs.client import SpeechStub
from voicemode.errors import EndpointError
from voicemode.providers.address import check_address
from voicemode.providers.http import BODY_LIMIT, Call, HttpPool
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _server(handle: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that does what no honest web server does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:  # not "async with": from Python 3.12 on that waits for the client to close its connections
        server.close()


def _models(url: str) -> Call:
    address = check_address(url)
    return Call(address, address.base_url, "/models", method="GET")


async def _read(pool: HttpPool, url: str) -> bytes:
    answer = await pool.open(_models(url))
    try:
        return await answer.read()
    finally:
        await answer.aclose()


async def _fails(pool: HttpPool, url: str) -> EndpointError:
    with pytest.raises(EndpointError) as caught:
        await _read(pool, url)
    assert caught.value.endpoint == check_address(url).base_url
    return caught.value


async def test_one_connection_serves_call_after_call(stub: SpeechStub, pool: HttpPool) -> None:
    """The server sees the same client port each time, and who we are."""
    for _ in range(5):
        assert b"tts-1" in await _read(pool, stub.url)
    events = stub.events()
    assert len({e["client_port"] for e in events}) == 1
    assert all(e["user_agent"].startswith("voicemode/") for e in events)


async def test_an_answer_that_was_read_is_not_asked_for_twice(stub: SpeechStub, pool: HttpPool) -> None:
    """Repeating is for connections that died, nothing else."""
    stub.configure(models_mode="500")
    answer = await pool.open(_models(stub.url))
    await answer.aclose()
    assert answer.status == 500
    assert len(stub.events()) == 1


async def test_nobody_listening_is_said_in_words(stub: SpeechStub, pool: HttpPool) -> None:
    """Refused at once; when the service is back, the next call works."""
    stub.configure(refuse=True)
    error = await _fails(pool, stub.url)
    assert "connection refused" in str(error)
    assert not error.reached
    stub.configure(refuse=False)
    assert b"tts-1" in await _read(pool, stub.url)


async def test_a_service_that_restarted_is_reached_without_an_error(stub: SpeechStub, pool: HttpPool) -> None:
    """The kept connection is dead by then; a new one is made within the call."""
    await _read(pool, stub.url)
    stub.configure(refuse=True)
    stub.configure(refuse=False)
    assert b"tts-1" in await _read(pool, stub.url)


async def test_a_connection_the_server_drops_at_the_last_moment_is_replaced(pool: HttpPool) -> None:
    """The server closes when the second request arrives on the kept connection, as idle time-outs do."""
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        await reader.read(1)

    async with _server(handle) as url:
        assert await _read(pool, url) == b"ok"
        assert await _read(pool, url) == b"ok"
        assert connections == 2


async def test_what_may_happen_once_is_asked_once(pool: HttpPool) -> None:
    """Though the connection ended without an answer: the server may have done it."""
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")

    async with _server(handle) as url:
        with pytest.raises(EndpointError, match="without an answer"):
            await pool.open(Call(check_address(url), "stub", "/models", method="GET", once=True))
        assert connections == 1


async def test_a_server_that_never_answers_is_asked_twice_and_no_more(pool: HttpPool) -> None:
    """It closes each connection without a byte."""
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")

    async with _server(handle) as url:
        error = await _fails(pool, url)
        assert "without an answer" in str(error)
        assert error.reached
        assert connections == 2


async def test_a_name_that_does_not_exist_is_said_in_words(pool: HttpPool) -> None:
    """ ".invalid" exists nowhere (RFC 6761)."""
    error = await _fails(pool, "http://speech.invalid:8880")
    assert "cannot be resolved" in str(error)
    assert not error.reached


async def test_a_port_that_does_not_accept_is_given_up(hasty_pool: HttpPool) -> None:
    """A full queue of connections, as behind a firewall that drops: no answer at all."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            waiting.append(client)
        error = await _fails(hasty_pool, f"http://127.0.0.1:{full.getsockname()[1]}")
        for client in waiting:
            client.close()
    assert "no connection within 0.3 s" in str(error)
    assert error.retryable
    assert not error.reached


async def test_a_first_byte_that_does_not_come_is_given_up(stub: SpeechStub, hasty_pool: HttpPool) -> None:
    """The deadline counts from the call; the next call works."""
    stub.configure(models_mode="hang")
    error = await _fails(hasty_pool, stub.url)
    assert "no first byte" in str(error)
    assert error.reached
    stub.configure(models_mode="ok")
    assert b"tts-1" in await _read(hasty_pool, stub.url)


async def test_a_head_without_a_body_is_given_up(hasty_pool: HttpPool) -> None:
    """Headers are no answer yet."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await reader.read()

    async with _server(handle) as url:
        assert "no first byte" in str(await _fails(hasty_pool, url))


async def test_what_is_not_http_is_an_error(pool: HttpPool) -> None:
    """An SSH server, say."""

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")

    async with _server(handle) as url:
        assert isinstance(await _fails(pool, url), EndpointError)


async def test_an_answer_without_end_is_cut_off(pool: HttpPool) -> None:
    """What is not streamed is bounded in memory."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(BODY_LIMIT + 1))
        await writer.drain()

    async with _server(handle) as url:
        assert "more than" in str(await _fails(pool, url))


async def test_plain_text_spoken_to_a_tls_client_is_said_in_words(stub: SpeechStub, pool: HttpPool) -> None:
    """An https address for a service that speaks http."""
    error = await _fails(pool, stub.url.replace("http:", "https:"))
    assert "encrypted" in str(error)
    assert not error.reached


def _certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that signs itself, valid for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    path = folder / "test.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_an_encrypted_service_is_used_when_its_certificate_is_trusted_and_not_otherwise(
    pool: HttpPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trust store is read for the first https address; before that nobody is trusted."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()

    certificate = _certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with _server(handle, tls) as url:
        error = await _fails(pool, url)
        assert "certificate" in str(error)
        assert not error.reached
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        trusting = HttpPool(Settings.model_validate({}))
        assert await _read(trusting, url) == b"ok"
        await trusting.aclose()


async def test_proxies_are_for_other_machines(stub: SpeechStub, pool: HttpPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second site is named as everybody's proxy: this machine's services are reached without it, others through it."""
    proxy = stub.urls[1].removesuffix("/v1")
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    assert b"tts-1" in await _read(pool, stub.url)
    assert stub.events(site=1) == []
    await _read(pool, "http://speech.invalid:8880")
    assert len(stub.events(site=1)) == 1


async def test_local_only_reaches_neither_names_nor_proxies(stub: SpeechStub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy would show that a foreign name was asked for."""
    monkeypatch.setenv("http_proxy", stub.url.removesuffix("/v1"))
    pool = HttpPool(Settings.model_validate({"local_only": True}))
    error = await _fails(pool, "http://speech.invalid:8880")
    await pool.aclose()
    assert "VOICEMODE_LOCAL_ONLY" in str(error)
    assert not error.retryable
    assert stub.events() == []


async def test_closing_twice_is_closing_once(stub: SpeechStub) -> None:
    """Before the first call, after it, and again."""
    pool = HttpPool(Settings.model_validate({}))
    await pool.aclose()
    assert await _read(pool, stub.url)
    await pool.aclose()
    await pool.aclose()
    assert await _read(pool, stub.url)
    await pool.aclose()
