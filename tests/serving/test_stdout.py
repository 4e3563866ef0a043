"""Standard output is kept for the protocol."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """\
import os
from voicemode.serving.stdout import ReservedStdout
stdout = ReservedStdout()
print("at import")
os.write(1, b"at import, raw\\n")
with stdout.handed_over():
    os.write(1, b"protocol\\n")
    print("in a call, buffered")
os.system("echo at exit")
"""


def test_only_what_is_written_while_it_is_handed_over_arrives() -> None:
    """All the rest is on standard error, a child's words as well, and nothing is lost."""
    # -E: with PYTHONUNBUFFERED there would be no buffer to see to.
    done = subprocess.run([sys.executable, "-E", "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "protocol\n"
    assert sorted(done.stderr.splitlines()) == ["at exit", "at import", "at import, raw", "in a call, buffered"]
