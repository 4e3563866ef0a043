"""The worker process of the built-in synthesizer. espeak-ng is GPL-3 and keeps global state, so it lives here alone."""

from __future__ import annotations

from typing import Any

from voicemode.engines.workers.espeak_library import Espeak, Onset
from voicemode.engines.workers.serve import Cancelled, Request, serve


def main() -> None:
    """Load espeak-ng (8 ms), then serve "voices" and "synthesize"."""
    espeak = Espeak()

    def voices(_request: Request) -> dict[str, Any]:
        return {"voices": espeak.voices(), "variants": espeak.variants(), "sample_rate": espeak.sample_rate}

    def synthesize(request: Request) -> dict[str, Any]:
        def take(pcm: bytes, onsets: list[Onset]) -> bool:
            if request.cancelled:
                return False
            request.reply({"sample_rate": espeak.sample_rate, "onsets": onsets}, pcm)
            return True

        espeak.speak(request.header["text"], request.header["voice"], request.header["words_per_minute"], take)
        if request.cancelled:
            raise Cancelled
        return {}

    serve({"voices": voices, "synthesize": synthesize})


if __name__ == "__main__":
    main()
