"""A stub of an agent's command line, with the good and the bad manners that such programs have.

``python tests/stubs/agent.py HOW [ARGUMENT ...]`` is a process for one turn, or, with ``talk``, one that is told each turn as a
line. What it does besides is in the functions' names.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__: list[str] = []

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


def say(*words: object) -> None:
    print(*words, flush=True)


def answer(*arguments: str) -> None:
    say("You asked:")
    say(*arguments)


def remember(folder: str, session: str, text: str) -> None:
    """Each session is a file; a turn is a line of it."""
    path = Path(folder, session)
    with path.open("a") as file:
        file.write(f"{text}\n")
    say(f"turn {len(path.read_text().splitlines())}")


def begin(folder: str, session: str, text: str) -> None:
    """As those that refuse to begin a session twice."""
    if Path(folder, session).exists():
        sys.exit("that session is there already")
    remember(folder, session, text)


def go_on(folder: str, session: str, text: str) -> None:
    """As those that refuse to go on with what was not begun."""
    if not Path(folder, session).exists():
        sys.exit("there is no such session")
    remember(folder, session, text)


def environment(*_: str) -> None:
    say(*sorted(f"{name}={value}" for name, value in os.environ.items()))


def coloured(*_: str) -> None:
    for piece in ("\x1b[1;3", "2mGreen\x1b[0m and ", "\x1b]0;title\x07plain.\r\n", "Caf\xc3", "\xa9"):
        sys.stdout.buffer.write(piece.encode("latin-1"))
        sys.stdout.flush()
        time.sleep(0.02)


def fail(status: str, text: str) -> None:
    say("Half of")
    print("a warning\nno model for", text, "with key sk-abcdefgh1234", file=sys.stderr, flush=True)
    sys.exit(int(status))


def say_nothing(*_: str) -> None:
    print("thinking", file=sys.stderr)


def hang(*_: str) -> None:
    time.sleep(60)


def start_others(stubborn: str = "", *_: str) -> None:
    """One that outlives its parent unless somebody ends it; and says who they are."""
    if stubborn == "stubborn":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    other = subprocess.Popen(SLEEPS, stdin=subprocess.DEVNULL)
    say(os.getpid(), other.pid)
    time.sleep(60)


def leave_one_behind(*_: str) -> None:
    """It has the standard output, and keeps it open."""
    say("Started", subprocess.Popen(SLEEPS, stdin=subprocess.DEVNULL).pid)


def save_when_interrupted(path: str, *_: str) -> None:
    def save(*_: object) -> None:
        Path(path).write_text("saved")
        sys.exit(130)

    signal.signal(signal.SIGINT, save)
    say("Working.")
    time.sleep(60)


def flood(*_: str) -> None:
    while True:
        say("x" * 65_536)


def talk(end: str = "", *manners: str) -> None:
    """Manners: prompt (the end is no line, and stands before the first turn), stubborn (SIGINT is ignored), silent (of
    an interruption)."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, signal.SIG_IGN if "stubborn" in manners else stop)
    ending: Callable[[], None] = lambda: print(end, end="" if "prompt" in manners else "\n", flush=True)  # noqa: E731
    if "prompt" in manners:
        ending()
    for turns, line in enumerate(sys.stdin, 1):
        try:
            _turn(line.strip(), turns)
        except KeyboardInterrupt:
            if "silent" not in manners:
                say("interrupted")
        if end:
            ending()


def _turn(line: str, turns: int) -> None:
    match line:
        case "die":
            print("out of memory", file=sys.stderr)
            sys.exit(3)
        case "go on":
            for number in range(600):
                say(f"word {number}")
                time.sleep(0.05)
        case "pid":
            say(str(os.getpid()))
        case _:
            say(f"turn {turns}:", line)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
