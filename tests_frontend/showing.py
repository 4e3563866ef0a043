"""A server with something to show, and somebody who looks at all of it; as a program it makes the pictures of the documents.

``python -m tests_frontend.showing docs/screenshots``; the voice and the endpoints are stubs, what is answered is written here.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tests.stubs.client import SpeechStub
from tests_clients.serving import Served, served
from tests_frontend.browsing import Seen, driven, link_in, microphone
from voicemode.record import Entry, Role, Standing, Surface
from voicemode.store.sqlite import SqliteRecords

__all__ = ["VIEWS", "looked_at", "showing"]

VIEWS = ("ready", "settings", "talk", "feedback", "inspector", "events", "sessions", "forget", "status", "welcome")
_SUMMARY = (
    "A walk on Saturday, from the old bridge up to the mill and back along the river: nine kilometres. The train is at 9:14."
)
_COLOURS = 128
"""Of a picture: text on few grounds needs no more, and a quarter of the bytes."""


@contextlib.contextmanager
def showing(folder: Path) -> Iterator[Served]:
    """A server that keeps conversations, and has kept some."""
    base = folder / "base"
    asyncio.run(_keep(base))
    with SpeechStub(sites=1) as speech:
        speech.configure(voice="tone", rate_x=4.0)
        answers = shlex.join([sys.executable, str(Path(__file__).with_name("answering.py")), "{text}"])
        responder = {"responder_command": answers, "tts_base_urls": speech.url}
        with served(folder, memory="persistent", keep_audio="true", base_dir=str(base), **responder) as server:
            yield server


def looked_at(folder: Path) -> Seen:
    """All views, seen by somebody who talks and types meanwhile; their pictures are in ``folder``/pictures."""
    pictures = folder / "pictures"
    pictures.mkdir()
    wav = microphone(folder / "microphone.wav", [(9.0, "go_forward_ten_meters")])
    with showing(folder):
        return driven("views.mjs", folder, link=link_in(folder / "serve.log"), wav=wav, pictures=pictures)


async def _keep(base: Path) -> None:
    """Two conversations, of yesterday and the day before."""
    sound = base / "history" / "audio" / "saturday.wav"
    sound.parent.mkdir(parents=True)
    with wave.open(str(sound), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(bytes(16_000 * 2 * 20))
    await _keep_thread(base, "saturday", Surface.CONVERSE, _saturday(str(sound)), _SUMMARY)
    await _keep_thread(base, "tests", Surface.PHONE, _tests(), "")


def _saturday(sound: str) -> list[Entry]:
    began = time.time() - 26 * 3600
    forecast = '{"saturday": "dry, 14 degrees", "sunday": "rain from noon"}'
    said = (
        Entry(
            "1",
            Role.USER,
            "Where could we walk on Saturday, if it stays dry?",
            timings={"listening": 3.4, "transcription": 0.41},
            audio=sound,
        ),
        Entry("2", Role.TOOL, forecast, tool="weather.forecast", call_id="c", arguments='{"days": 2}'),
        Entry(
            "3",
            Role.ASSISTANT,
            "It stays dry on Saturday, with 14 degrees. You could start at the old bridge and go up to the mill.",
        ),
        Entry("4", Role.USER, "And how long does that take?", timings={"listening": 2.1, "transcription": 0.33}, audio=sound),
        Entry("5", Role.ASSISTANT, "About two hours and a half. If you come back along the", Standing.INTERRUPTED),
        Entry(
            "6",
            Role.USER,
            "That is enough for one day. Which train do we take?",
            timings={"listening": 2.8, "transcription": 0.37},
            audio=sound,
        ),
        Entry("7", Role.ASSISTANT, "The one at 9:14. It is nine kilometres altogether, so you are back for tea."),
    )
    return [_at(entry, began + 14 * i) for i, entry in enumerate(said)]


def _tests() -> list[Entry]:
    began = time.time() - 50 * 3600
    said = (
        Entry("1", Role.USER, "Did the tests pass last night?"),
        Entry("2", Role.ASSISTANT, "All but one: the one of the retry waits for a port that another one holds."),
    )
    return [_at(entry, began + 9 * i) for i, entry in enumerate(said)]


def _at(entry: Entry, began_at: float) -> Entry:
    return Entry(
        entry.key,
        entry.role,
        entry.text,
        entry.standing,
        began_at,
        tool=entry.tool,
        call_id=entry.call_id,
        arguments=entry.arguments,
        timings=entry.timings,
        audio=entry.audio,
    )


async def _keep_thread(base: Path, thread: str, surface: Surface, entries: list[Entry], summary: str) -> None:
    now = entries[0].began_at
    records = SqliteRecords(base / "history", wall=lambda: now)
    record = await records.open(thread, surface=surface)
    for entry in entries:
        record.put(entry)
    await record.history()
    now = entries[-1].began_at + 6
    await record.aclose()
    if summary:
        await records.history.end(thread, identity="owner", summary=summary)
    await records.aclose()


def _main(target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seen = looked_at(folder)
        for failure in seen.all("failed"):
            raise SystemExit(f"{failure['error']}\n{seen.log}\n{(folder / 'serve.log').read_text()}")
        for picture in sorted((folder / "pictures").glob("*.png")):
            with Image.open(picture) as image:
                image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(target / picture.name, optimize=True)
    print(f"{len(list(target.glob('*.png')))} pictures are in {target}")


if __name__ == "__main__":
    _main(Path(sys.argv[1]).resolve())
