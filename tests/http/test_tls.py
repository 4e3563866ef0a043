"""A server with a certificate of its own, and a process that finds its page there."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from starlette.routing import Router

from tests.http.serving import TOKEN
from voicemode.errors import SettingsError
from voicemode.http.client_secrets import ClientSecrets
from voicemode.http.guard import Access, Guard
from voicemode.http.page_line import PageLines
from voicemode.http.server import Server, Tls, listen, server_config, tls_of
from voicemode.settings import Settings
from voicemode.transports.errors import PageLineError
from voicemode.transports.page_line import NotAttached, PageLine

pytestmark = pytest.mark.anyio


def certificate(folder: Path, name: str) -> Tls:
    """For a name that is not the address it is called by."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{name}.example.org")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    tls = Tls(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    Path(tls.certificate).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    Path(tls.key).write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return tls


def test_without_files_there_is_no_tls() -> None:
    """The default."""
    assert tls_of(Settings()) is None


@pytest.mark.parametrize("wrong", ["missing", "other key", "no key"])
def test_files_that_give_no_tls_stop_the_start(tmp_path: Path, wrong: str) -> None:
    """In one sentence, before anybody is let in."""
    own, other = certificate(tmp_path, "own"), certificate(tmp_path, "other")
    given = {
        "missing": {"serve_tls_cert": str(tmp_path / "none.pem"), "serve_tls_key": own.key},
        "other key": {"serve_tls_cert": own.certificate, "serve_tls_key": other.key},
        "no key": {"serve_tls_cert": own.certificate},
    }[wrong]
    with pytest.raises(SettingsError, match="VOICEMODE_SERVE_TLS_CERT"):
        tls_of(Settings.model_validate(given))


async def test_a_process_trusts_that_certificate_and_no_other(tmp_path: Path) -> None:
    """It calls the server by its address, whatever name the certificate is for."""
    own, other = certificate(tmp_path, "own"), certificate(tmp_path, "other")
    settings = Settings.model_validate({"serve_tls_cert": own.certificate, "serve_tls_key": own.key})
    lines = PageLines(lambda: "once")
    app = Guard(Router([*lines.routes()]), Access(token=SecretStr(TOKEN), secrets=ClientSecrets()))
    listening = listen(settings, "127.0.0.1", 0)
    running = Server(server_config(app, tls_of(settings)))
    serving = asyncio.create_task(running.serve(sockets=[listening.socket]))
    while not running.started:
        await asyncio.sleep(0.005)
    address = f"127.0.0.1:{listening.port}"
    right = PageLine(address, SecretStr(TOKEN), "Claude", certificate=own.certificate)
    wrong = PageLine(address, SecretStr(TOKEN), "Claude", certificate=other.certificate)
    try:
        assert await right.take(wait_s=1, ring_s=1) == NotAttached("once")
        with pytest.raises(PageLineError, match="certificate"):
            await wrong.take(wait_s=1, ring_s=1)
    finally:
        await right.aclose()
        await wrong.aclose()
        running.should_exit = True
        await serving
        listening.socket.close()
