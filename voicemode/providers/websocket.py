"""One WebSocket to an endpoint. Imported when the first one is wanted: the library takes 50 ms to load."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

import voicemode
from voicemode.errors import EndpointError

__all__ = ["CLOSE_S", "dial", "open_socket"]

CLOSE_S = 0.1
"""Seconds that a goodbye may take: the person waits."""
_MOST_BYTES = 1 << 20
"""Of one message: the words of a day are fewer."""


def _silent() -> logging.Logger:
    """The library tells its log keys and transcripts, at the level DEBUG."""
    logger = logging.Logger("voicemode.websocket")  # of no family: nobody can turn it on
    logger.disabled = True
    return logger


_LOGGER = _silent()


class _Straight(connect):
    """Follows no redirect: keys and sound go where the person said."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def dial(
    url: str,
    *,
    headers: Mapping[str, str],
    connect_s: float,
    use_proxy: bool,
    ping_s: float | None = None,
    most_bytes: int = _MOST_BYTES,
) -> ClientConnection:
    """``url`` is http or https. With ``ping_s`` whoever answers none for so long is gone. Raises what the library does."""
    context = await asyncio.to_thread(httpx2.create_ssl_context) if url.startswith("https:") else None
    return await _Straight(
        "ws" + url.removeprefix("http"),
        additional_headers=headers,
        user_agent_header=f"voicemode/{voicemode.__version__}",
        compression=None,  # of sound it saves nothing
        proxy=True if use_proxy else None,
        open_timeout=connect_s,
        ping_interval=ping_s,
        ping_timeout=ping_s,
        close_timeout=CLOSE_S,
        max_size=most_bytes,
        logger=_LOGGER,
        ssl=context,
    )


async def open_socket(
    url: str, name: str, *, headers: Mapping[str, str], connect_s: float, use_proxy: bool
) -> ClientConnection:
    """``url`` is http or https; ``name`` is what errors call the endpoint. Raises EndpointError."""
    try:
        # No pings: who waits for words has a deadline.
        return await dial(url, headers=headers, connect_s=connect_s, use_proxy=use_proxy)
    except InvalidStatus as error:
        raise EndpointError(name, "opens no stream", error.response.status_code) from error
    except TimeoutError as error:
        raise EndpointError(name, f"opened no stream within {connect_s:g} s") from error
    except OSError as error:
        raise EndpointError(name, "no connection for a stream", reached=False) from error
    except (WebSocketException, ImportError) as error:  # ImportError: a SOCKS proxy wants one more package
        raise EndpointError(name, f"opens no stream ({type(error).__name__})") from error
