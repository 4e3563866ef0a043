"""Bring one file of known size and SHA-256 to this disk: resumable, bounded, and under its name only once it is right."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import io
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

import voicemode
from voicemode.providers.http import routes

__all__ = ["FetchError", "Wanted", "digest", "fetch", "hop", "make_client"]

_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
"""Before the tries after one that brought nothing; then it is given up."""
_PROGRESS = 1 << 20
"""Bytes after which a broken connection counts as a new first one."""
_MAX_HOPS = 5
_BLOCK = 1 << 22
"""Bytes hashed at a time: 4 ms, so that a cancelled check ends at once."""
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')
"""A weak one (W/"…") must not be used to put two halves together (RFC 9110, 13.1.5)."""


class FetchError(Exception):
    """It is not here, and trying again at once would not help. Becomes a DownloadError, which knows the model."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem, self.remedy = problem, remedy


class _BrokenError(Exception):
    """This try ended early; another one may go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file as it must be."""

    url: str
    hosts: frozenset[str]
    """Where https addresses may redirect to, besides their own host: names, or ".example.org" for all below it."""
    target: Path
    size: int
    """Bytes."""
    sha256: str

    @property
    def part(self) -> Path:
        """What came so far."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def etag(self) -> Path:
        """Which version ``part`` is of; without it there is no going on."""
        return self.target.with_name(f"{self.target.name}.etag")

    @property
    def have(self) -> int:
        """Bytes in ``part``."""
        return self.part.stat().st_size if self.part.exists() else 0

    def discard(self) -> None:
        """Forget what came so far."""
        self.part.unlink(missing_ok=True)
        self.etag.unlink(missing_ok=True)


OnBytes = Callable[[int], None]
"""How many bytes of the file are there now, or have been checked."""
Pause = Callable[[float], Awaitable[None]]


def make_client(*, local_only: bool) -> httpx2.AsyncClient:
    """A client for downloads, with the machine's proxies. Whoever made it closes it."""
    return httpx2.AsyncClient(
        transport=routes(lambda: local_only),
        timeout=httpx2.Timeout(30.0, connect=10.0),
        headers={"User-Agent": f"voicemode/{voicemode.__version__}", "Accept-Encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
    )


async def fetch(
    client: httpx2.AsyncClient, wanted: Wanted, on_bytes: OnBytes, on_check: OnBytes, *, pause: Pause = asyncio.sleep
) -> None:
    """Make ``wanted.target`` be there. What an earlier try left is used if the server still has the same version.

    Cancelled or interrupted, it leaves what came. Raises FetchError; after a wrong checksum nothing is left.
    """
    fruitless = 0
    while (before := wanted.have) < wanted.size:
        try:
            with _disk_errors(wanted):
                await _ask(client, wanted, on_bytes)
        except _BrokenError as error:
            fruitless = 0 if wanted.have - before >= _PROGRESS else fruitless + 1
            if fruitless > len(_PAUSES_S):
                problem = f"{_host(wanted.url)} {error}, {fruitless} times in a row"
                raise FetchError(problem, "Call again later to go on.") from error
            await pause(_PAUSES_S[max(fruitless - 1, 0)])
    await _accept(wanted, on_check)


async def digest(path: Path, on_bytes: OnBytes) -> str:
    """The SHA-256 of a file in lower-case hexadecimal digits. Raises OSError."""
    total, summed = 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := await asyncio.to_thread(file.read, _BLOCK):
            await asyncio.to_thread(summed.update, block)
            total += len(block)
            on_bytes(total)
    return summed.hexdigest()


def hop(current: httpx2.URL, location: str, hosts: frozenset[str]) -> httpx2.URL:
    """Where a redirect may lead: on the same server anywhere, else by https to one of ``hosts``. Raises FetchError."""
    try:
        target = current.join(location)
    except (httpx2.InvalidURL, ValueError):
        raise FetchError(f"{current.host} redirects to what is no address", _WRONG_SERVER) from None
    same = (target.scheme, target.host, target.port) == (current.scheme, current.host, current.port)
    encrypted = current.scheme == target.scheme == "https" and target.port is None
    if target.userinfo or not (same or (encrypted and _listed(target.host, hosts))):
        where = f"{target.scheme}://{target.host}"[:100]
        raise FetchError(f"{current.host} redirects to {where}, which is none of its own hosts", _WRONG_SERVER)
    return target


_WRONG_SERVER = "Nothing was asked of it. If a mirror is set (VOICEMODE_MODELS_URL), check its address."


def _listed(host: str, hosts: frozenset[str]) -> bool:
    return any(host.endswith(known) if known.startswith(".") else host == known for known in hosts)


def _host(url: str) -> str:
    return httpx2.URL(url).host


async def _ask(client: httpx2.AsyncClient, wanted: Wanted, on_bytes: OnBytes) -> None:
    """One request for what is missing. Raises _BrokenError, FetchError."""
    have, etag = wanted.have, wanted.etag.read_text("ascii") if wanted.etag.exists() else ""
    headers = {"Range": f"bytes={have}-", "If-Range": etag} if have and etag else {}
    try:
        response = await _open(client, wanted, headers)
        try:
            begin = _begin(response, wanted, have if headers else 0)
            await _receive(response, wanted, begin, on_bytes)
        finally:
            await response.aclose()
    except httpx2.HTTPError as error:
        raise _BrokenError(f"broke the connection off ({type(error).__name__})") from error


async def _open(client: httpx2.AsyncClient, wanted: Wanted, headers: dict[str, str]) -> httpx2.Response:
    url = httpx2.URL(wanted.url)
    for _ in range(_MAX_HOPS):
        response = await client.send(client.build_request("GET", url, headers=headers), stream=True)
        if not response.is_redirect:
            return response
        await response.aclose()
        url = hop(url, response.headers["location"], wanted.hosts)
    raise FetchError(f"{url.host} redirects in circles", "Call again later.")


def _begin(response: httpx2.Response, wanted: Wanted, have: int) -> int:
    """Where the answer's bytes belong. Raises _BrokenError, FetchError."""
    host = response.url.host
    match response.status_code:
        case 206 if response.headers.get("content-range") == f"bytes {have}-{wanted.size - 1}/{wanted.size}":
            return have
        case 206 | 416:
            wanted.discard()
            raise _BrokenError("answered with another part than was asked for")
        case 200:
            announced = response.headers.get("content-length", str(wanted.size))
            if announced != str(wanted.size):
                problem = f"{host} offers {announced[:20]} bytes where {wanted.target.name} has {wanted.size}"
                raise FetchError(f"{problem}: it is another file", "Nothing was kept of it. Check VOICEMODE_MODELS_URL if set.")
            return 0
        case status if status in _TRY_AGAIN:
            raise _BrokenError(f"answered HTTP {status}")
        case status:
            raise FetchError(f"{host} answered HTTP {status} for {wanted.target.name}", _WRONG_SERVER_STATUS)


_WRONG_SERVER_STATUS = "If a mirror is set (VOICEMODE_MODELS_URL), check that it has the model; else call again later."


async def _receive(response: httpx2.Response, wanted: Wanted, begin: int, on_bytes: OnBytes) -> None:
    if begin == 0:
        wanted.discard()  # first, so that no old half is ever taken for one of the new version
        etag = response.headers.get("etag", "")
        if _STRONG_ETAG.fullmatch(etag):
            wanted.etag.write_text(etag, "ascii")
    have = begin
    with _append(wanted.part) as file:
        async for data in response.aiter_raw():
            have += len(data)
            if have > wanted.size:
                break
            file.write(data)
            on_bytes(have)
    if have > wanted.size:
        wanted.discard()
        problem = f"{response.url.host} sends more than the {wanted.size} bytes that {wanted.target.name} has"
        raise FetchError(problem, "Nothing was kept of it. Check VOICEMODE_MODELS_URL if set.")
    if have < wanted.size:
        raise _BrokenError("ended early")


def _append(path: Path) -> io.FileIO:
    # Unbuffered: what was received is in the file, however this process ends. Not through a link that somebody put there.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "ab", buffering=0)


async def _accept(wanted: Wanted, on_check: OnBytes) -> None:
    """Give the file its name if it is what it must be. Raises FetchError."""
    found = await digest(wanted.part, on_check)
    if found != wanted.sha256:
        wanted.discard()
        problem = f"{wanted.target.name} came with the checksum {found[:12]}… where {wanted.sha256[:12]}… is right"
        raise FetchError(problem, "Nothing was kept of it. Call again; if it goes on, the server has another file.")
    await asyncio.to_thread(_sync, wanted.part)
    wanted.part.replace(wanted.target)
    wanted.etag.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _disk_errors(wanted: Wanted) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            missing = wanted.size - wanted.have
            problem = f"the disk is full: {wanted.target.name} needs {missing:,} bytes more"
            raise FetchError(problem, f"Free that much in {wanted.target.parent}, and call again to go on.") from error
        raise FetchError(f"{wanted.part} cannot be written: {error.strerror}", "Mend that, and call again.") from error
