"""One file: resumed, bounded, checked, and never from somewhere else."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.supervise.mirror import FILES, MODELS, Mirror
from voicemode.supervise.download import FetchError, Wanted, fetch, hop, make_client

FILE = MODELS[0].files[1]
DATA = FILES["model.bin"]
HALF = len(DATA) // 2


def wanted(folder: Path, url: str = "https://hub.example/m/model.bin", **changes: Any) -> Wanted:
    facts: dict[str, Any] = {
        "url": url,
        "hosts": frozenset({".cdn.example"}),
        "target": folder / FILE.name,
        "size": FILE.size,
        "sha256": FILE.sha256,
    }
    return Wanted(**{**facts, **changes})


def from_mirror(folder: Path, mirror: Mirror, fault: str = "ok") -> Wanted:
    return wanted(folder, f"{mirror.url(fault)}/{MODELS[0].name}/{FILE.name}", hosts=frozenset())


async def no_pause(_: float) -> None:
    """Nobody waits in a test."""


def download(want: Wanted, *, answer: Callable[[httpx2.Request], httpx2.Response] | None = None) -> list[int]:
    """Fetch it; the counts of bytes that were told."""
    told: list[int] = []

    async def run() -> None:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) if answer else make_client(local_only=False)
        async with client:
            await fetch(client, want, told.append, lambda _: None, pause=no_pause)

    asyncio.run(run())
    return told


async def streamed(data: bytes = DATA) -> AsyncIterator[bytes]:
    """A body as it comes over a connection."""
    yield data


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def half_there(want: Wanted, etag: str = '"v1"') -> None:
    """As an interrupted download leaves it."""
    want.part.write_bytes(DATA[:HALF])
    want.etag.write_text(etag)


@pytest.mark.parametrize("fault", ["ok", "no-ranges", "no-etag", "redirect-here", "short-once", "slow"])
def test_the_file_is_there_whole_and_nothing_else_is(tmp_path: Path, mirror: Mirror, fault: str) -> None:
    """Whatever the server can and cannot do."""
    want = from_mirror(tmp_path, mirror, fault)
    told = download(want)
    assert want.target.read_bytes() == DATA
    assert left(tmp_path) == [FILE.name]
    assert told[-1] == len(DATA)


def test_what_came_before_is_not_downloaded_again(tmp_path: Path, mirror: Mirror) -> None:
    """Only the rest is asked for, and only if it is of the same version."""
    want = from_mirror(tmp_path, mirror)
    half_there(want)
    told = download(want)
    asked = mirror.log(FILE.name)[-1]
    assert (asked["Range"], asked["If-Range"]) == (f"bytes={HALF}-", '"v1"')
    assert min(told) > HALF
    assert want.target.read_bytes() == DATA


@pytest.mark.parametrize("fault", ["no-ranges", "changed"])
def test_a_server_without_ranges_or_with_another_version_starts_anew(tmp_path: Path, mirror: Mirror, fault: str) -> None:
    """The old half is forgotten, so that two versions are never put together."""
    want = from_mirror(tmp_path, mirror, fault)
    half_there(want)
    want.part.write_bytes(b"x" * HALF)
    download(want)
    assert want.target.read_bytes() == DATA


@pytest.mark.parametrize("etag", ["", 'W/"v1"'])
def test_a_half_of_an_unknown_version_is_not_continued(tmp_path: Path, etag: str) -> None:
    """Without a strong validator, If-Range must not be sent (RFC 9110, 13.1.5)."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert "range" not in request.headers
        return httpx2.Response(200, content=streamed(), headers={"etag": etag} if etag else {})

    want = wanted(tmp_path)
    want.part.write_bytes(DATA[:HALF])
    download(want, answer=answer)
    assert want.target.read_bytes() == DATA


def test_a_part_that_was_not_asked_for_is_not_used(tmp_path: Path, mirror: Mirror) -> None:
    """It is dropped, and the whole is asked for."""
    want = from_mirror(tmp_path, mirror, "another-part")
    half_there(want)
    download(want)
    assert want.target.read_bytes() == DATA


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("wrong-bytes", "checksum"),
        ("too-long", "sends more"),
        ("another-size", "another file"),
        ("404", "HTTP 404"),
        ("redirect-away", r"https://elsewhere\.example"),
        ("redirect-plain", "none of its own hosts"),
        ("redirect-circle", "in circles"),
    ],
)
def test_what_is_wrong_leaves_nothing(tmp_path: Path, mirror: Mirror, fault: str, says: str) -> None:
    """Neither under its name nor as a part that the next try would build upon. (SECURITY 28)"""
    want = from_mirror(tmp_path, mirror, fault)
    with pytest.raises(FetchError, match=says):
        download(want)
    assert left(tmp_path) == []


def test_a_wrong_half_is_found_when_the_file_is_whole(tmp_path: Path, mirror: Mirror) -> None:
    """The sum is over the file on disk, not over what came just now."""
    want = from_mirror(tmp_path, mirror)
    half_there(want)
    want.part.write_bytes(b"x" * HALF)
    with pytest.raises(FetchError, match="checksum"):
        download(want)
    assert left(tmp_path) == []
    download(want)
    assert want.target.read_bytes() == DATA


@pytest.mark.parametrize(("fault", "kept"), [("short", True), ("503", False)])
def test_a_server_that_keeps_failing_is_given_up(tmp_path: Path, mirror: Mirror, fault: str, kept: bool) -> None:
    """After a few tries without news; what came is kept."""
    want = from_mirror(tmp_path, mirror, fault)
    requests = len(mirror.log())
    with pytest.raises(FetchError, match="in a row"):
        download(want)
    assert want.part.exists() is kept
    assert len(mirror.log()) - requests < 50
    download(from_mirror(tmp_path, mirror))
    assert want.target.read_bytes() == DATA


def test_a_cancelled_download_keeps_what_came(tmp_path: Path, mirror: Mirror) -> None:
    """Ctrl-C costs nothing."""
    want = from_mirror(tmp_path, mirror, "slow")

    async def run() -> None:
        async with make_client(local_only=False) as client:
            seen = asyncio.Event()
            task = asyncio.create_task(fetch(client, want, lambda _: seen.set(), lambda _: None))
            await asyncio.wait_for(seen.wait(), 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert 0 < want.have < len(DATA)
    told = download(from_mirror(tmp_path, mirror))
    assert want.target.read_bytes() == DATA
    assert min(told) > 1 << 14


def test_a_full_disk_is_said_and_what_came_is_kept(tmp_path: Path) -> None:
    """With how much is missing."""

    async def body() -> AsyncIterator[bytes]:
        yield DATA[:HALF]
        raise OSError(errno.ENOSPC, "No space left on device")

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body(), headers={"etag": '"v1"', "content-length": str(len(DATA))})

    want = wanted(tmp_path)
    with pytest.raises(FetchError, match=f"disk is full: {FILE.name} needs {len(DATA) - HALF:,} bytes more"):
        download(want, answer=answer)
    assert want.have == HALF
    assert want.etag.exists()


def test_a_part_is_not_written_through_a_link(tmp_path: Path, mirror: Mirror) -> None:
    """Whoever could put one there must not have us write elsewhere. (SECURITY 25)"""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    want = from_mirror(folder, mirror)
    want.part.symlink_to(victim)
    want.etag.write_text('"v1"')
    with pytest.raises(FetchError):
        download(want)
    assert victim.read_bytes() == b"mine"


def test_nothing_is_asked_for_compressed(tmp_path: Path, mirror: Mirror) -> None:
    """Sizes and ranges count the bytes of the file."""
    download(from_mirror(tmp_path, mirror))
    assert mirror.log(FILE.name)[-1]["Accept-Encoding"] == "identity"


def test_a_hub_may_hand_over_to_its_own_storage(tmp_path: Path) -> None:
    """As Hugging Face and GitHub do; the range travels along."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        if request.url.host == "hub.example":
            return httpx2.Response(302, headers={"location": "https://eu.cdn.example/blob?sign=1"})
        return httpx2.Response(200, content=streamed())

    want = wanted(tmp_path)
    download(want, answer=answer)
    assert asked == ["https://hub.example/m/model.bin", "https://eu.cdn.example/blob?sign=1"]
    assert hashlib.sha256(want.target.read_bytes()).hexdigest() == FILE.sha256


HUB = "https://hub.example/m/f"


@pytest.mark.parametrize(
    ("current", "location", "leads"),
    [
        (HUB, "/elsewhere/f", "https://hub.example/elsewhere/f"),
        (HUB, "https://eu.cdn.example/f", "https://eu.cdn.example/f"),
        (HUB, "//eu.cdn.example/f", "https://eu.cdn.example/f"),
        (HUB, "https://eu.cdn.example:443/f", "https://eu.cdn.example/f"),
        ("http://127.0.0.1:8000/m/f", "/f", "http://127.0.0.1:8000/f"),
        (HUB, "http://eu.cdn.example/f", None),
        (HUB, "http://hub.example/f", None),
        (HUB, "https://cdn.example/f", None),
        (HUB, "https://evilcdn.example/f", None),
        (HUB, "https://cdn.example.evil/f", None),
        (HUB, "https://eu.cdn.example:8443/f", None),
        (HUB, "https://user:word@eu.cdn.example/f", None),
        (HUB, "https://127.0.0.1/f", None),
        (HUB, "http://169.254.169.254/latest/meta-data", None),
        (HUB, "file:///etc/passwd", None),
        (HUB, "https://[::1", None),
        ("http://127.0.0.1:8000/m/f", "http://127.0.0.1:8001/f", None),
        ("http://127.0.0.1:8000/m/f", "http://localhost:8000/f", None),
        ("http://127.0.0.1:8000/m/f", "https://eu.cdn.example/f", None),
    ],
)
def test_a_redirect_leads_to_the_publishers_own_hosts_or_nowhere(current: str, location: str, leads: str | None) -> None:
    """Encrypted all the way, and never to this machine or a cloud's secrets. (SECURITY 28, 30)"""
    hosts = frozenset({".cdn.example"})
    if leads is None:
        with pytest.raises(FetchError):
            hop(httpx2.URL(current), location, hosts)
    else:
        assert str(hop(httpx2.URL(current), location, hosts)) == leads
