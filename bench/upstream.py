"""What it costs to have an upstream's answers come through our server: ``python -m bench.upstream [-n 40] [--json FILE]``.

The same client talks to the stub of an upstream directly and through ``voicemode serve``, in turns, so that both see the same
machine. Each answer is two seconds of sound in deltas of 100 ms, which leave the upstream every 20 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect

from bench.realtime_server import realtime_server
from bench.source import commit, fingerprint
from bench.upstream_figures import BAR_MS, Added, Answer, added
from tests.stubs.realtime_upstream_client import UpstreamStub

__all__ = ["main"]

_ROOT = Path(__file__).parents[1]
_SCRIPT = {"text": "One two three four five six seven.", "seconds": 2.0, "delta_ms": 100, "pace_s": 0.02}
_WARM = 3
"""Answers of each that are not counted: the first ones load and connect."""
_TURN_S = 30.0
_PLAIN_WIDTH = 140


class _Client:
    """One connection, with the client's own turns: no detector is measured."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._sound = base64.b64encode(np.zeros(4800, np.int16).tobytes()).decode()

    async def tell(self, kind: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def until(self, kind: str) -> list[float]:
        """When each delta of sound came on the way to that event. Raises RuntimeError for an error."""
        came: list[float] = []
        async with asyncio.timeout(_TURN_S):
            while True:
                text = await self._socket.recv()
                now = time.monotonic()
                event = json.loads(text)
                if event["type"] == "response.output_audio.delta":
                    came.append(now)
                elif event["type"] == "error":
                    raise RuntimeError(event["error"]["code"])
                elif event["type"] == kind:
                    return came

    async def there_and_back(self) -> float:
        """Seconds of a message that is answered without anybody's help."""
        began = time.monotonic()
        await self.tell("session.update", session={"type": "realtime"})
        await self.until("session.updated")
        return time.monotonic() - began

    async def turn(self) -> tuple[float, list[float]]:
        """Speak and be answered: when the answer was asked for, and when its sound came."""
        await self.tell("input_audio_buffer.append", audio=self._sound)
        await self.tell("input_audio_buffer.commit")
        await self.until("input_audio_buffer.committed")
        asked_at = time.monotonic()
        await self.tell("response.create")
        return asked_at, await self.until("response.done")


@contextlib.asynccontextmanager
async def _client(url: str, headers: dict[str, str]) -> AsyncIterator[_Client]:
    async with connect(url, additional_headers=headers, proxy=None, compression=None, max_size=None) as socket:
        client = _Client(socket)
        await client.until("session.created")
        audio = {"input": {"turn_detection": None}}
        await client.tell("session.update", session={"type": "realtime", "audio": audio})
        await client.until("session.updated")
        yield client


async def _measure(stub: UpstreamStub, server: tuple[str, dict[str, str]], count: int) -> tuple[list[Answer], list[Answer]]:
    direct: list[Answer] = []
    through: list[Answer] = []
    async with _client(f"{stub.url}?model=stub", {}) as upstream, _client(*server) as ours:
        for number in range(count + _WARM):
            for client, answers in ((upstream, direct), (ours, through)):
                stub.reset()
                stub.script(**_SCRIPT)
                control_s = await client.there_and_back()
                asked_at, came = await client.turn()
                left = [event["at"] for event in stub.events("(delta)")]
                if number >= _WARM:
                    answers.append(Answer(asked_at, tuple(came), tuple(left), control_s))
    return direct, through


def main() -> int:
    """Exit status: 0, or 1 with ``--check`` where the server adds more than it may."""
    arguments = _arguments()
    before = os.getloadavg()[0]
    with UpstreamStub() as stub, tempfile.TemporaryDirectory() as folder:
        settings = {"upstream": stub.url, "builtin": "true"}
        with realtime_server(Path(folder), **settings) as server:
            direct, through = asyncio.run(_measure(stub, (server.socket_url, server.headers), arguments.n))
    found = added(direct, through)
    facts = {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": commit(_ROOT),
        "source": fingerprint(_ROOT / "voicemode"),
        "load_before": before,
        "load_after": os.getloadavg()[0],
    }
    _show(found, facts)
    if arguments.json is not None:
        rows = [{**asdict(each), "p50": each.p50, "p95": each.p95, "bar_ms": BAR_MS, "kept": each.kept} for each in found]
        raw = {"direct": [asdict(answer) for answer in direct], "through": [asdict(answer) for answer in through]}
        arguments.json.write_text(json.dumps({"machine": facts, "added": rows, "answers": raw}, indent=1) + "\n", "utf-8")
    return int(arguments.check and not all(each.kept for each in found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.upstream", description=__doc__)
    parser.add_argument("-n", type=int, default=40, help="answers each way (default 40)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and instants there")
    parser.add_argument("--check", action="store_true", help="exit with 1 when it adds more than it may")
    return parser.parse_args()


def _show(found: list[Added], facts: dict[str, Any]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_WIDTH)
    table = Table(title=f"what our server adds to an upstream's answers, ms; bar: p95 {BAR_MS:g}")
    for name in ("", "n", "direct p50", "p95", "through us p50", "p95", "added p50", "p95", "kept"):
        table.add_column(name, justify="right" if name else "left")
    for each in found:
        figures = (each.direct_p50, each.direct_p95, each.through_p50, each.through_p95, each.p50, each.p95)
        table.add_row(each.name, str(each.count), *[f"{ms:.2f}" for ms in figures], "yes" if each.kept else "NO")
    console.print(table)
    console.print(
        f"voicemode {facts['commit']} (source {facts['source']}). {facts['system']}, {facts['cores']} cores, "
        f"Python {facts['python']}; load {facts['load_before']:.1f} before, {facts['load_after']:.1f} after.",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
