"""How large the page is, and how soon it can be used: ``python -m bench.page`` prints both.

A Chromium without anything of it loads it from ``voicemode serve`` on loopback, twenty times; usable is when the button is
painted and can be pressed. What is compressed is what a proxy would send; ``voicemode serve`` itself sends files as they are.
"""

from __future__ import annotations

import gzip
import statistics
import tempfile
from pathlib import Path

from tests_clients.serving import served
from tests_frontend.browsing import driven, link_in
from voicemode.http.page import FOLDER

__all__ = ["main"]

_LOADS = 20
_MOST_KB, _MOST_S = 300, 1.0
"""What was promised."""


def main() -> int:
    """The exit status: 1 where it is too large or too slow."""
    scripts = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in sorted((FOLDER / "assets").glob("*.js"))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with served(folder):
            seen = driven("load.mjs", folder, link=link_in(folder / "serve.log"), cycles=_LOADS)
    if seen.all("failed"):
        print(seen.all("failed"), seen.log)
        return 1
    seconds = sorted(each["seconds"] for each in seen.all("loaded"))
    kilobytes = sum(scripts.values()) / 1000
    for path, size in scripts.items():
        print(f"{path:40} {size / 1000:7.1f} kB compressed")
    print(f"{'JavaScript together':40} {kilobytes:7.1f} kB compressed; at most {_MOST_KB}")
    print(f"{'first usable, median of ' + str(len(seconds)):40} {statistics.median(seconds):7.3f} s; at most {_MOST_S:g}")
    print(f"{'first usable, slowest':40} {seconds[-1]:7.3f} s")
    return 0 if kilobytes <= _MOST_KB and statistics.median(seconds) <= _MOST_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
