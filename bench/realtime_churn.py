"""Sessions that are opened, used for one turn and closed: ``python -m bench.realtime_churn URL``.

A number on standard input is a batch of so many at once; the answer is a JSON line with what went wrong. Over WebSocket the
sound is sent faster than real time, which changes no decision. It takes the token from VOICEMODE_BENCH_KEY.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys

import numpy as np
from websockets.asyncio.client import connect

from bench.realtime_clients import KEY_VARIABLE
from bench.realtime_person import session_update
from bench.realtime_sounds import appends, room, saying

__all__ = ["main"]

_TURN_S = 20.0
_AFTER_S = 0.8
"""Of room behind the clip: more than the silence that ends the turn."""


async def _over_socket(url: str, headers: dict[str, str], chance: random.Random) -> None:
    """One session. Raises TimeoutError, RuntimeError and what the connection raises."""
    sound = appends(np.concatenate((saying(chance).samples, room(_AFTER_S))), 0.1)
    async with asyncio.timeout(_TURN_S), connect(url, additional_headers=headers, proxy=None, compression=None) as socket:
        await socket.send(session_update())
        for chunk in sound:
            await socket.send(chunk)
        async for message in socket:
            event = json.loads(message)
            if event["type"] == "error":
                raise RuntimeError(event["error"]["code"])
            if event["type"] == "response.done":
                if event["response"]["status"] != "completed":
                    raise RuntimeError(f"the answer is {event['response']['status']}")
                return


async def _over_webrtc(url: str, headers: dict[str, str], chance: random.Random) -> None:
    from bench.realtime_webrtc_person import WebRtcPerson

    person, stay = WebRtcPerson(0, chance), asyncio.Event()
    stay.set()
    async with asyncio.timeout(2 * _TURN_S):
        await person.hold(url, headers, 1, stay)
    if person.turns[0].problem:
        raise RuntimeError(person.turns[0].problem)


async def _batches(url: str) -> None:
    headers = {"Authorization": f"Bearer {os.environ[KEY_VARIABLE]}"}
    one = _over_socket if url.startswith("ws") else _over_webrtc
    number = 0
    while line := await asyncio.to_thread(sys.stdin.readline):
        count = int(line)
        sessions = [one(url, headers, random.Random(number + each)) for each in range(count)]
        number += count
        ended = await asyncio.gather(*sessions, return_exceptions=True)
        print(json.dumps([f"{type(error).__name__}: {error}" for error in ended if error is not None]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.realtime_churn", description=__doc__)
    parser.add_argument("url", help="of /v1/realtime (ws://) or of /v1/realtime/calls (http://)")
    asyncio.run(_batches(parser.parse_args().url))


if __name__ == "__main__":
    main()
