"""Where calls are heard, and by whom."""

from __future__ import annotations

import pytest

from voicemode.transports.webrtc_ice import addresses_for


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("127.0.0.1", ("127.0.0.1",)),
        ("localhost", ("127.0.0.1",)),
        ("::1", ("::1",)),
        ("192.0.2.7", ("192.0.2.7",)),
    ],
)
def test_calls_are_heard_where_the_server_listens(host: str, addresses: tuple[str, ...]) -> None:
    """And nowhere else."""
    assert addresses_for(host) == addresses


def test_a_server_for_everybody_is_heard_at_all_addresses_loopback_last() -> None:
    """So that a peer elsewhere tries the others first."""
    assert addresses_for("0.0.0.0")[-1] == "127.0.0.1"
