"""Whatever comes over a WebSocket, the server goes on serving; every socket is answered when it asks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.realtime_server import free_engines, realtime_server
from tests.realtime_fuzz.over_sockets import barrage

_FRAMES = 2_000
_MOST_MB = 80.0
"""Four sockets at once with 16 MiB frames, and what the first session loads."""


def test_a_barrage_over_websockets_leaves_nothing_behind(tmp_path: Path) -> None:
    """No session is left, memory is bounded, and the log has no fault of the server's own."""
    with free_engines() as engines, realtime_server(tmp_path, **engines) as server:
        before = server.figures()
        outcome = asyncio.run(barrage(server, _FRAMES, seed=6))
        after = server.settled()
        assert outcome.problems == []
        assert outcome.sent > _FRAMES * 0.9
        assert after.rss_mb - before.rss_mb < _MOST_MB
        assert "Error" not in server.log
        assert after.sessions == 0
