"""What the tests of the page share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests_clients.serving import served
from tests_frontend.browsing import Seen, driven, link_in, microphone

PAUSE_S, INTO_S = 4.0, 5.0
"""Before the first words, and between their end and the second ones, when the answer to the first is being spoken."""


@dataclass(frozen=True, slots=True)
class Talked:
    """A conversation that a person held through the page."""

    seen: Seen
    transport: str
    link: str
    log: str
    """Of the server."""
    chats: tuple[dict[str, Any], ...]


@pytest.fixture(scope="module", params=["ws", "webrtc"])
def talked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talked]:
    """One for each transport; the tests look at it from all sides."""
    folder = tmp_path_factory.mktemp("talked")
    wav = microphone(folder / "microphone.wav", [(PAUSE_S, "go_forward_ten_meters"), (INTO_S, "seven_of_clubs")])
    with served(folder) as server:
        link = link_in(folder / "serve.log")
        seen = driven("talk.mjs", folder, link=link, wav=wav, transport=request.param)
        yield Talked(seen, request.param, link, server.log, tuple(server.chats()))
