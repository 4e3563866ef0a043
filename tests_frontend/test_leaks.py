"""Beginning, ending and leaving calls again and again leaves nothing open, neither in the page nor at the server."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests_clients.serving import KEY, Served, served
from tests_frontend.browsing import driven, link_in

_CYCLES = 100
_CYCLE_S = 3.0
"""For one on a busy machine; a quiet one needs a quarter of a second, and half a second with WebRTC."""
_GONE_ALREADY = "Failed to load resource: the server responded with a status of 404 (Not Found)"
"""The browser's own words where a call is hung up that the server has ended already, as one that was left halfway may be."""
_GONE_S = 15.0
"""Until the server notices that a call is over."""


@pytest.mark.timeout(60 + _CYCLE_S * _CYCLES)
@pytest.mark.parametrize("transport", ["ws", "webrtc"])
def test_a_call_that_is_over_leaves_nothing(transport: str, tmp_path: Path) -> None:
    """A hundred calls begun and ended, fifty left during set-up at another moment each: as much is open as before."""
    within_s = 30 + _CYCLE_S * _CYCLES
    with served(tmp_path, serve_max_sessions_per_address="50") as server:
        seen = driven(
            "leaks.mjs", tmp_path, link=link_in(tmp_path / "serve.log"), transport=transport, cycles=_CYCLES, within_s=within_s
        )
        assert seen.all("failed") == [], (seen.lines[-3:], server.log[-2000:])
        assert seen.all("error") == []
        assert [each for each in seen.all("console") if each["text"] != _GONE_ALREADY] == []
        alive, before = seen.one("alive"), seen.one("before")
        assert alive["base"] == "idle"
        kinds = ("contexts", "connections", "sockets", "tracks", "open")
        assert {kind: alive[kind] for kind in kinds} == dict.fromkeys(kinds, 0)
        assert alive["listeners"] == before["listeners"]
        assert seen.one("whole")["contexts"] == _CYCLES + 1
        assert _none_is_held(server)


def _none_is_held(server: Served) -> bool:
    deadline = time.monotonic() + _GONE_S
    while time.monotonic() < deadline:
        request = Request(f"http://127.0.0.1:{server.port}/metrics", headers={"Authorization": f"Bearer {KEY}"})
        with urlopen(request, timeout=5) as answer:
            found = re.search(r"^voicemode_\w*sessions\w*(?:\{[^}]*\})? ([0-9.]+)$", answer.read().decode(), re.MULTILINE)
        assert found is not None
        if float(found[1]) == 0:
            return True
        time.sleep(0.2)
    return False
