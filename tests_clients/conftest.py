"""What the tests of the vendors' clients share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests_clients.driving import driven
from tests_clients.held import Held
from tests_clients.recording_proxy import RecordingProxy
from tests_clients.serving import KEY, served

CLIENTS = (
    "openai_python.py",
    "agents_python.py",
    "livekit_plugin.py",
    "pipecat_pipeline.py",
    "agents_websocket.mjs",
    "agents_webrtc.mjs",
)
"""Drivers, each around one vendor's client."""


@pytest.fixture(scope="module", params=CLIENTS, ids=lambda name: name.partition(".")[0])
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """One conversation for each client; the tests look at it from all sides."""
    folder = tmp_path_factory.mktemp("held")
    with served(folder) as server, RecordingProxy(server.port) as proxy:
        seen = driven(request.param, f"http://127.0.0.1:{proxy.port}", KEY, folder)
        events = [message.event for connection in proxy.connections for message in connection.received]
        if not events:  # they went over a data channel, and the page kept them
            events = [line["event"] for line in seen.all("wire")]
        yield Held(seen, tuple(events), tuple(server.chats()), server.log)
