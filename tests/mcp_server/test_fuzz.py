"""Whatever arrives on standard input, the server neither crashes nor hangs, and says nothing but JSON-RPC."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.mcp_server.plugin import DEAF
from tests.mcp_server.process import ServerProcess

LINES = 100_000
SEED = 20_260_728
BATCH = 500
"""Lines in one write; after each the server must still be there."""
HUGE = 10**400
DEEP = 3_000
"""Brackets: more than any parser nests."""

METHODS = (
    "initialize",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "ping",
    "server/discover",
    "subscriptions/listen",
    "tools/list",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "completion/complete",
    "logging/setLevel",
    "tools/call",
)
FIELDS = ("speed", "voice", "language", "patience", "listen_duration_max", "turns", "resume", "wait_for_response", "mesage")
STRINGS = (
    "",
    "a",
    "\x00",
    "\x1b[2J",
    "\u202e",
    "é" * 50,
    "../../etc/passwd",
    "__proto__",
    "converse",
    "utt-",
    "🎤",
    "2025-06-18",
)


def any_value(rng: random.Random, depth: int = 0) -> Any:
    """JSON of any kind and any shape."""
    kind = rng.randrange(10 if depth < 4 else 8)
    match kind:
        case 8:
            return [any_value(rng, depth + 1) for _ in range(rng.randrange(4))]
        case 9:
            return {rng.choice(STRINGS + FIELDS): any_value(rng, depth + 1) for _ in range(rng.randrange(4))}
        case _:
            plain = (None, True, rng.randrange(-9, 1), rng.uniform(-1e9, 1e9), float("nan"), HUGE, -HUGE, rng.choice(STRINGS))
            return plain[kind]


def call(rng: random.Random, identity: Any) -> dict[str, Any]:
    """A call of ``converse`` that is always wrong: nothing may be said or heard here, and no time be spent."""
    wrong: dict[str, Any] = rng.choice(
        (
            {rng.choice(("mesage", "text", "", "__class__", "ctx", "self")): any_value(rng)},
            {"speed": rng.choice((0, -1, 99, float("inf"), "fast", [], HUGE))},
            {"message": rng.choice((None, 5, [], {}, "\x00", "\x07 bell", "\x9b"))},
            {"turns": rng.choice(([], [{}], "x", [[]], {}, [{"message": 1}], [{"message": "a", "odd": 1}], [None] * 30))},
            {"resume": rng.choice(("", "utt-../x", "\x00", "talk-", 7, [], "a" * 5_000))},
        )
    )
    if wrong.get("resume") == "":
        wrong["resume"] = "talk-"
    arguments: Any = {rng.choice(FIELDS): any_value(rng)} | wrong
    if rng.random() < 0.1:
        arguments = rng.choice((7, "x", [], [[]], True))
    name = "converse" if rng.random() < 0.9 else any_value(rng)
    params = {"name": name, "arguments": arguments, "_meta": {"progressToken": any_value(rng)}}
    return {"jsonrpc": "2.0", "id": identity, "method": "tools/call", "params": params}


def message(rng: random.Random) -> dict[str, Any]:
    """A message that may be whole, or wrong in any part."""
    # None that the test itself uses, which counts from 1.
    identity = rng.choice((rng.randrange(10**6, 10**7), f"s{rng.randrange(10**6)}", any_value(rng)))
    if rng.random() < 0.15:
        return call(rng, identity)
    method = rng.choice(METHODS[:-1]) if rng.random() < 0.6 else any_value(rng)
    params = {key: any_value(rng) for key in rng.sample(("name", "uri", "arguments", "cursor", "requestId", "_meta"), 2)}
    whole: dict[str, Any] = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}
    for key in tuple(whole):
        chance = rng.random()
        if chance < 0.08:
            del whole[key]
        elif chance < 0.16:
            whole[key] = any_value(rng)
    return whole


def damaged(rng: random.Random, line: bytes) -> bytes:
    """The line with a part cut off, changed, doubled, or put elsewhere."""
    at = rng.randrange(len(line) + 1)
    match rng.randrange(4):
        case 0:
            return line[:at]
        case 1:
            return line[:at] + bytes([rng.randrange(256)]) + line[at + 1 :]
        case 2:
            return line[:at] + line[at // 2 :]
        case _:
            return line[at:] + line[:at]


def line(rng: random.Random) -> bytes:
    """One line without its end."""
    chance = rng.random()
    if chance < 0.10:
        made = rng.randbytes(rng.randrange(200))
    elif chance < 0.101:
        opening = rng.choice((b"[", b'{"a":', b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":'))
        made = opening + b"[" * DEEP + (b"]" * DEEP if rng.random() < 0.5 else b"")
    elif chance < 0.103:
        made = b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * 20_000 + b'"}'
    elif chance < 0.11:
        made = rng.choice(
            (b"", b" ", b"null", b"[]", b"{}", b"\xff\xfe", b'"\\ud800"', b"\xef\xbb\xbf{}", b"1e999", b"-0", b"[[],[]]")
        )
    else:
        whole = json.dumps(message(rng), ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")
        made = whole if rng.random() < 0.5 else damaged(rng, whole)
    return made.replace(b"\n", b" ").replace(b"\r", b" ")


def batches(rng: random.Random, count: int) -> Iterator[bytes]:
    """So many lines, several to a write."""
    for _ in range(count // BATCH):
        yield b"".join(line(rng) + b"\n" for _ in range(BATCH))


def write_all(server: ServerProcess, rng: random.Random, count: int) -> None:
    assert server.process.stdin is not None
    for batch in batches(rng, count):
        server.process.stdin.write(batch)
    server.process.stdin.flush()


def within(seconds: float, work: Callable[[], None]) -> None:
    """A server that stops reading must fail the test and not hang it."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "the server does not read on"
    assert not failures, failures


def test_a_hundred_thousand_mutated_lines_neither_crash_nor_hang_the_server() -> None:
    """It reads them all, and then answers as on its first day."""
    with ServerProcess({**DEAF, "VOICEMODE_LOG_LEVEL": "error"}) as server:
        server.initialize()
        tools = server.wait(server.request("tools/list"))["result"]
        began = time.monotonic()
        within(100, lambda: write_all(server, random.Random(SEED), LINES))
        assert server.wait(server.request("tools/list"), 60)["result"] == tools
        took = time.monotonic() - began
        assert server.converse(message="Hello", speed=9)["structuredContent"]["code"] == "bad_request"
        assert server.process.poll() is None
        assert server.noise == []
        answers = sum("result" in told or "error" in told for _, told in server.messages)
        print(f"{LINES} lines, {answers} answers, {took:.1f} s")
        assert answers > LINES // 10
        server.close_stdin()
        assert server.process.wait(10) == 0
