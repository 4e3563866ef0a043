"""What could not be transcribed becomes text later, and is delivered once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runtime.parts import run
from voicemode.audio import AudioChunk
from voicemode.errors import EndpointError, MediaError, RequestError, SpeechFailedError
from voicemode.interfaces import Transcriber, TranscriptionRequest
from voicemode.runtime import recovery as module
from voicemode.runtime.journal import Journal
from voicemode.runtime.recovery import LiveTranscriber, Recovery
from voicemode.runtime.result import Recovered
from voicemode.testing import FakeTranscriber

DOWN = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")])
UTTERANCE = AudioChunk.silence(0.5, 16_000)


@pytest.fixture(autouse=True)
def _short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_S", 0.005)
    monkeypatch.setattr(module, "_PAUSE_S", (0.01, 0.02))


class Scene:
    """A spool, and endpoints that a test takes away and brings back."""

    def __init__(self, folder: Path, transcriber: FakeTranscriber | None = None) -> None:
        self.journal = Journal(folder)
        self.transcriber = transcriber or FakeTranscriber(["at last"])
        self.back: Transcriber | None = None
        """Whom the retries may ask."""
        self.recovery = Recovery(self.journal, self.transcriber, lambda: self.back)

    def lost(self) -> Path:
        """An utterance whose endpoints have all failed."""
        path = self.journal.new_path()
        self.journal.keep(path, UTTERANCE)
        self.journal.release(path)
        self.recovery.failed(path, "de", ("ja", "nein"))
        return path

    async def taken(self) -> list[Recovered]:
        """Wait until something can be taken."""
        while not (taken := self.recovery.take()):
            await asyncio.sleep(0.005)
        return taken


def hold(scene: Scene, body: Callable[[], object]) -> None:
    """Run a scenario, and close afterwards."""

    async def scenario() -> None:
        result = body()
        assert asyncio.iscoroutine(result)
        await result
        await scene.recovery.aclose()

    run(scenario)


def test_when_an_endpoint_is_back_the_words_come_by_themselves(tmp_path: Path) -> None:
    """With the language and the options it was asked for at first, once; then the disk is clean."""
    scene = Scene(tmp_path)

    async def body() -> None:
        path = scene.lost()
        await asyncio.sleep(0.05)
        assert scene.transcriber.requests == [], "nobody is back"
        scene.back = scene.transcriber
        (words,) = await scene.taken()
        assert (words.handle, words.text, words.engine) == (path.stem, "at last", "fake")
        assert (scene.transcriber.requests[0].language, scene.transcriber.requests[0].options) == ("de", ("ja", "nein"))
        assert list(tmp_path.iterdir()) == []
        assert scene.recovery.take() == []

    hold(scene, body)


def test_until_the_words_are_taken_the_recording_stays(tmp_path: Path) -> None:
    """If this process dies now, nothing is lost."""
    scene = Scene(tmp_path)

    async def body() -> None:
        path = scene.lost()
        scene.back = scene.transcriber
        while await scene.recovery.ask(path, budget_s=5) is None:
            pass
        assert scene.journal.pending() == [path.stem]
        assert [words.text for words in scene.recovery.take(path)] == ["at last"]
        assert scene.journal.pending() == []

    hold(scene, body)


def test_what_another_process_handed_over_is_not_given_again(tmp_path: Path) -> None:
    """'transcribe --pending' was faster."""
    scene = Scene(tmp_path)

    async def body() -> None:
        path = scene.lost()
        assert await scene.recovery.ask(path, budget_s=5) is not None
        Journal(tmp_path).discard(path)
        assert scene.recovery.take() == []

    hold(scene, body)


def test_what_another_process_works_on_is_left_to_it(tmp_path: Path) -> None:
    """Neither transcribed twice nor given twice; if the other one fails, it is there again."""
    scene = Scene(tmp_path)
    other = Journal(tmp_path)

    async def body() -> None:
        path = scene.lost()
        assert other.claim(path)
        with pytest.raises(RequestError, match="somebody else"):
            await scene.recovery.ask(path, budget_s=5)
        assert scene.transcriber.requests == []
        other.release(path)
        assert await scene.recovery.ask(path, budget_s=5) is not None
        assert other.claim(path)
        assert scene.recovery.take() == []
        other.release(path)
        assert len(scene.recovery.take()) == 1

    hold(scene, body)


def test_a_retry_stands_aside_for_live_speech(tmp_path: Path) -> None:
    """The person who speaks now never waits for what they said before; then it goes on."""
    slow = FakeTranscriber(["earlier"], delay_s=60)
    scene = Scene(tmp_path)
    live = LiveTranscriber(FakeTranscriber(["now"]), scene.recovery)

    async def body() -> None:
        scene.lost()
        scene.back = slow
        while not slow.requests:
            await asyncio.sleep(0.005)
        async with asyncio.timeout(5):
            assert (await live.transcribe(TranscriptionRequest(UTTERANCE))).text == "now"
        slow.delay_s = 0
        assert [words.text for words in await scene.taken()] == ["earlier"]

    hold(scene, body)


def test_no_retry_begins_while_live_speech_is_transcribed(tmp_path: Path) -> None:
    """An engine that does one thing at a time would keep the person waiting."""
    scene = Scene(tmp_path)

    async def body() -> None:
        async with scene.recovery.live():
            scene.lost()
            scene.back = scene.transcriber
            await asyncio.sleep(0.1)
            assert scene.transcriber.requests == []
        await scene.taken()

    hold(scene, body)


def test_a_recording_that_nobody_can_read_is_tried_only_so_often(tmp_path: Path) -> None:
    """It stays on disk, for a person to look at."""
    scene = Scene(tmp_path)
    refusing = FakeTranscriber([EndpointError("http://up", "too large", 413)])

    async def body() -> None:
        path = scene.lost()
        scene.back = refusing
        while len(refusing.requests) < module._TRIES:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert len(refusing.requests) == module._TRIES
        assert scene.journal.pending() == [path.stem]

    hold(scene, body)


def test_a_file_that_is_no_sound_is_not_tried_again(tmp_path: Path) -> None:
    """Somebody else has written there."""
    scene = Scene(tmp_path)

    async def body() -> None:
        path = scene.lost()
        path.write_bytes(b"no sound")
        scene.back = scene.transcriber
        await asyncio.sleep(0.1)
        assert scene.transcriber.requests == []
        with pytest.raises(MediaError):
            await scene.recovery.ask(path, budget_s=5)

    hold(scene, body)


def test_a_spent_budget_leaves_the_work_going_on(tmp_path: Path) -> None:
    """The next time the words are there, and were asked for once."""
    scene = Scene(tmp_path, FakeTranscriber(["long"], delay_s=0.2))

    async def body() -> None:
        path = scene.lost()
        assert await scene.recovery.ask(path, budget_s=0.05) is None
        words = await scene.recovery.ask(path, budget_s=5)
        assert words is not None
        assert words.text == "long"
        assert len(scene.transcriber.requests) == 1

    hold(scene, body)


def test_a_cancelled_question_gives_the_recording_back(tmp_path: Path) -> None:
    """Somebody else may have it at once."""
    scene = Scene(tmp_path, FakeTranscriber(["late"], delay_s=60))

    async def body() -> None:
        path = scene.lost()
        asking = asyncio.create_task(scene.recovery.ask(path, budget_s=None))
        while not scene.transcriber.requests:
            await asyncio.sleep(0.005)
        asking.cancel()
        await asyncio.wait({asking})
        while not Journal(tmp_path).claim(path):
            await asyncio.sleep(0.005)
        assert path.exists()

    hold(scene, body)


def test_nothing_is_tried_when_nobody_has_talked_for_long(tmp_path: Path) -> None:
    """An endpoint is not asked all night; the next conversation brings it back to mind."""
    scene = Scene(tmp_path)
    now = [0.0]
    scene.recovery = Recovery(scene.journal, scene.transcriber, lambda: scene.back, clock=lambda: now[0])

    async def body() -> None:
        scene.lost()
        now[0] = 1000.0
        await asyncio.sleep(0.05)
        scene.back = scene.transcriber
        await asyncio.sleep(0.05)
        assert scene.transcriber.requests == []
        scene.recovery.conversing()
        await scene.taken()

    hold(scene, body)


def test_closing_ends_the_retries_and_leaves_the_recordings(tmp_path: Path) -> None:
    """And frees them for others."""
    slow = FakeTranscriber(["never"], delay_s=60)
    scene = Scene(tmp_path)

    async def body() -> None:
        path = scene.lost()
        scene.back = slow
        while not slow.requests:
            await asyncio.sleep(0.005)
        await scene.recovery.aclose()
        assert Journal(tmp_path).claim(path)

    hold(scene, body)
