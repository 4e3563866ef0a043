"""A voicemode process as others see it: one that has written its report and lives on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voicemode.runtime.endpoint_report import EndpointReport

__all__ = ["another_process"]

_WRITER = """
import asyncio, json, sys
from pathlib import Path
from voicemode.runtime.endpoint_report import EndpointReport
from voicemode.runtime.snapshots import Snapshots

async def main():
    folder, program = Path(sys.argv[1]), sys.argv[2]
    snapshots = Snapshots(folder, program, lambda: [EndpointReport(**each) for each in json.loads(sys.argv[3])])
    snapshots.settled()
    while not list(folder.glob("*.json")):
        await asyncio.sleep(0.01)
    print("written", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@contextmanager
def another_process(folder: Path, *endpoints: EndpointReport, program: str = "another") -> Iterator[subprocess.Popen[str]]:
    """A process whose file lies in ``folder``, until the end of the block or earlier."""
    told = json.dumps([endpoint.as_json() for endpoint in endpoints])
    command = [sys.executable, "-c", _WRITER, str(folder), program, told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "written\n"
            yield process
        finally:
            process.kill()
