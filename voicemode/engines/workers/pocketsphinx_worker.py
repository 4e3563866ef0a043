"""The worker process of the built-in transcriber: 124 MB that the MCP process does not have."""

from __future__ import annotations

from typing import Any

from voicemode.engines.workers.serve import Cancelled, Request, serve
from voicemode.engines.workers.sphinx import Sphinx

__all__ = ["main"]


def main() -> None:
    """Load the model, then serve "expect" and "transcribe"."""
    sphinx = Sphinx()

    def expect(request: Request) -> dict[str, Any]:
        sphinx.expect([[tuple(form) for form in option] for option in request.header["forms"]])
        return {"left_out": sphinx.left_out}

    def transcribe(request: Request) -> dict[str, Any]:
        def check() -> None:
            if request.cancelled:
                raise Cancelled

        expect(request)
        heard = sphinx.transcribe(request.payload, check)
        return {"text": heard.text, "option": heard.option, "left_out": sphinx.left_out}

    serve({"expect": expect, "transcribe": transcribe})


if __name__ == "__main__":
    main()
