"""Phrases that recur: which are kept, for how long, where, and who may use them."""

from __future__ import annotations

import functools
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.providers.engines import Voice, in_flight, loop_time, put, refused, shelf_of
from voicemode.audio import AudioChunk
from voicemode.core.failover import Origin
from voicemode.errors import EndpointError, SpeechFailedError
from voicemode.interfaces import SpeechRequest
from voicemode.providers.failover_tts import INSTANT_S, FailoverSynthesizer
from voicemode.providers.shelf import Shelf
from voicemode.providers.speech_cache import LONGEST_TEXT, Phrase, SpeechCache

pytestmark = pytest.mark.anyio

PHRASE = Phrase("http://a/v1", "tts-1 alloy", "af_sky", 1.0, "en", "One moment.")
SOUND = AudioChunk(np.arange(2400, dtype=np.int16), 24_000)
SIZE = SOUND.samples.nbytes
MOMENT = SpeechRequest("One moment.")

slow = functools.partial(Voice, after_s=0.2)
"""An engine that one waits for."""


def numbered(number: int) -> Phrase:
    return replace(PHRASE, text=str(number))


async def kept(cache: SpeechCache, phrase: Phrase = PHRASE) -> bool:
    sound = await cache.get(phrase)
    assert sound is None or (sound.sample_rate, sound.samples.tolist()) == (24_000, SOUND.samples.tolist())
    return sound is not None


class TestMemory:
    """In this process, by default."""

    async def test_what_was_put_comes_back_and_nothing_else(self) -> None:
        """Whatever decides how it sounds is part of the question."""
        cache = SpeechCache()
        await cache.put(PHRASE, SOUND)
        assert await kept(cache)
        for change in (
            {"endpoint": "b"},
            {"variant": "tts-2"},
            {"voice": None},
            {"speed": 1.1},
            {"language": None},
            {"text": ""},
        ):
            assert not await kept(cache, replace(PHRASE, **change))

    async def test_the_one_not_used_for_longest_leaves_first(self) -> None:
        """When there is no room for all, in bytes."""
        cache = SpeechCache(memory_bytes=3 * SIZE)
        for number in range(3):
            await cache.put(numbered(number), SOUND)
        await kept(cache, numbered(0))
        await cache.put(numbered(3), SOUND)
        assert [await kept(cache, numbered(number)) for number in range(4)] == [True, False, True, True]
        await cache.put(numbered(3), SOUND)  # known already: takes no more room
        assert await kept(cache, numbered(0))

    async def test_what_is_too_long_empty_or_larger_than_all_room_is_not_kept(self) -> None:
        """Nor does it drive the others out."""
        cache = SpeechCache(memory_bytes=SIZE)
        await cache.put(PHRASE, SOUND)
        await cache.put(replace(PHRASE, text="x" * (LONGEST_TEXT + 1)), SOUND)
        await cache.put(numbered(1), AudioChunk(np.zeros(0, dtype=np.int16), 24_000))
        await cache.put(numbered(2), AudioChunk(np.zeros(2401, dtype=np.int16), 24_000))
        assert await kept(cache)
        assert await cache.get(numbered(1)) is None
        assert await cache.get(numbered(2)) is None


class TestDisk:
    """In a folder, if asked for."""

    async def test_a_phrase_outlives_the_process(self, tmp_path: Path) -> None:
        """And is found by the next one."""
        await SpeechCache(tmp_path / "home" / "cache").put(PHRASE, SOUND)
        assert await kept(SpeechCache(tmp_path / "home" / "cache"))

    async def test_memory_alone_writes_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not even a folder."""
        monkeypatch.chdir(tmp_path)
        await SpeechCache().put(PHRASE, SOUND)
        assert list(tmp_path.iterdir()) == []

    async def test_nobody_reads_in_it_what_was_said(self, tmp_path: Path) -> None:
        """Not in a name, not in a file."""
        await SpeechCache(tmp_path / "cache").put(PHRASE, SOUND)
        (file,) = (tmp_path / "cache").iterdir()
        assert file.name == f"{PHRASE.digest}.speech"
        assert len(PHRASE.digest) == 64
        for word in (b"moment", b"One", b"af_sky", b"http"):
            assert word not in file.read_bytes()

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
    async def test_only_its_owner_may_look(self, tmp_path: Path) -> None:
        """Whatever the umask; a folder that was open is closed."""
        (tmp_path / "cache").mkdir(mode=0o755)
        before = os.umask(0)
        try:
            await SpeechCache(tmp_path / "cache").put(PHRASE, SOUND)
        finally:
            os.umask(before)
        (file,) = (tmp_path / "cache").iterdir()
        assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)

    @pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another file", "rate"])
    async def test_a_damaged_file_is_not_played_and_goes(self, tmp_path: Path, damage: str) -> None:
        """The next time the phrase is made anew."""
        await SpeechCache(tmp_path).put(PHRASE, SOUND)
        (file,) = tmp_path.iterdir()
        data = bytearray(file.read_bytes())
        flipped = bytes([*data[:100], data[100] ^ 1, *data[101:]])
        no_rate = bytes([*data[:8], 0, 0, 0, 0, *data[12:]])
        damaged = {"cut": bytes(data[:-10]), "flipped": flipped, "empty": b"", "another file": b"RIFF" * 20, "rate": no_rate}
        file.write_bytes(damaged[damage])
        assert not await kept(SpeechCache(tmp_path))
        assert not file.exists()

    async def test_the_oldest_files_go_when_there_are_too_many(self, tmp_path: Path) -> None:
        """One that was used since is not old."""
        cache = SpeechCache(tmp_path, disk_bytes=3 * (SIZE + 100))
        for number in range(3):
            await cache.put(numbered(number), SOUND)
            os.utime(tmp_path / f"{numbered(number).digest}.speech", (1000 + number, 1000 + number))
        assert await kept(SpeechCache(tmp_path), numbered(0))
        await cache.put(numbered(3), SOUND)
        assert [await kept(SpeechCache(tmp_path), numbered(number)) for number in range(4)] == [True, False, True, True]

    async def test_nothing_half_written_stays(self, tmp_path: Path) -> None:
        """Of a process that died, an hour ago; one that writes right now is left alone."""
        (tmp_path / "old.part").write_bytes(b"half")
        os.utime(tmp_path / "old.part", (1000, 1000))
        (tmp_path / "new.part").write_bytes(b"half")
        await SpeechCache(tmp_path).put(PHRASE, SOUND)
        assert {file.suffix for file in tmp_path.iterdir()} == {".part", ".speech"}
        assert not (tmp_path / "old.part").exists()

    async def test_a_folder_that_cannot_be_written_is_no_trouble(self, tmp_path: Path) -> None:
        """The phrase is then kept in memory alone."""
        (tmp_path / "cache").write_text("a file is in the way")
        cache = SpeechCache(tmp_path / "cache")
        await cache.put(PHRASE, SOUND)
        assert await kept(cache)
        assert not await kept(SpeechCache(tmp_path / "cache"))


async def say(shelf: Shelf[Voice], cache: SpeechCache | None, request: SpeechRequest = MOMENT) -> tuple[str, float]:
    """Who spoke, and for how many seconds."""
    synthesis = FailoverSynthesizer(shelf, cache).synthesize(request)  # type: ignore[arg-type]
    seconds = sum([chunk.seconds async for chunk in synthesis])
    assert in_flight(shelf) == {}
    return synthesis.engine, round(seconds, 3)


def count(shelf: Shelf[Voice], name: str) -> int:
    return len(shelf[name].engine.asked)


class TestInFrontOfTheEndpoints:
    """A phrase that is kept needs no endpoint."""

    async def test_a_phrase_is_made_once(self) -> None:
        """And said by the same name the second time, whole."""
        shelf, cache = shelf_of("tts", slow("a", chunks=17)), SpeechCache()
        assert [await say(shelf, cache) for _ in range(2)] == [("a", 1.7)] * 2
        assert count(shelf, "a") == 1
        assert [await say(shelf, None) for _ in range(2)] == [("a", 1.7)] * 2
        assert count(shelf, "a") == 3

    async def test_an_engine_that_is_as_quick_as_memory_is_asked(self) -> None:
        """Nobody waits for it, and what it says now may be better than what it said."""
        shelf, cache = shelf_of("tts", Voice("a", after_s=INSTANT_S / 2)), SpeechCache()
        assert [await say(shelf, cache) for _ in range(3)] == [("a", 0.2)] * 3
        assert count(shelf, "a") == 3
        shelf["a"].engine.error, shelf["a"].engine.chunks = refused("a"), 0
        with pytest.raises(SpeechFailedError):
            await say(shelf, cache, SpeechRequest("Hello."))
        assert (await say(shelf, cache))[0] == "a"

    async def test_it_is_said_in_the_preferred_voice_though_that_endpoint_is_down(self) -> None:
        """What is not kept, another endpoint says."""
        shelf, cache = shelf_of("tts", slow("a"), slow("b")), SpeechCache()
        await say(shelf, cache)
        shelf["a"].engine.error, shelf["a"].engine.chunks = refused("a"), 0
        assert (await say(shelf, cache, SpeechRequest("Hello.")))[0] == "b"
        assert (await say(shelf, cache))[0] == "a"
        assert (count(shelf, "a"), count(shelf, "b")) == (2, 1)

    async def test_when_nobody_can_be_asked_what_is_kept_is_still_said(self) -> None:
        """Anything else is an error."""
        shelf, cache = shelf_of("tts", slow("a")), SpeechCache()
        await say(shelf, cache)
        shelf["a"].engine.error, shelf["a"].engine.chunks = EndpointError("a", "wants a key", 401), 0
        for _ in range(2):
            with pytest.raises(SpeechFailedError):
                await say(shelf, cache, SpeechRequest("Hello."))
        assert (await say(shelf, cache))[0] == "a"

    async def test_a_substitutes_phrase_does_not_speak_for_the_preferred_one(self) -> None:
        """Once that works again, it is asked."""
        shelf, cache = shelf_of("tts", slow("a", 0, refused("a")), slow("b")), SpeechCache()
        await say(shelf, cache)
        shelf["a"].engine.error, shelf["a"].engine.chunks = None, 2
        shelf["a"].health.breaker.settings_changed()
        assert (await say(shelf, cache))[0] == "a"

    async def test_equals_share_what_they_keep(self) -> None:
        """Either of them could have been asked."""
        shelf, cache = shelf_of("tts", slow("a")), SpeechCache()
        put(shelf, slow("b"), rank=0)
        said = {(await say(shelf, cache))[0] for _ in range(4)}
        assert len(said) == 1
        assert count(shelf, "a") + count(shelf, "b") == 1

    async def test_in_mid_message_only_the_one_who_speaks_it_is_remembered(self) -> None:
        """A voice must not change because another one said this sentence once."""
        shelf, cache = shelf_of("tts", slow("a"), slow("b")), SpeechCache()
        await say(shelf, cache)
        in_message = SpeechRequest("One moment.", previous="b")
        assert [(await say(shelf, cache, in_message))[0] for _ in range(2)] == ["b", "b"]
        assert count(shelf, "b") == 1

    async def test_other_settings_are_another_sound(self) -> None:
        """Models and voices that were set for the endpoint, and what the request asks for."""
        shelf, cache = shelf_of("tts", slow("a")), SpeechCache()
        for request in (MOMENT, replace(MOMENT, voice="v"), replace(MOMENT, speed=2.0), replace(MOMENT, language="de")):
            await say(shelf, cache, request)
        put(shelf, shelf["a"].engine, variant="tts-2")
        await say(shelf, cache)
        assert count(shelf, "a") == 5

    async def test_only_what_was_spoken_to_its_end_is_kept(self) -> None:
        """Not half a phrase of one that broke off, and not one that nobody heard to the end."""
        shelf, cache = shelf_of("tts", slow("a", 1, EndpointError("a", "broke off"))), SpeechCache()
        with pytest.raises(EndpointError):
            await say(shelf, cache)
        shelf["a"].engine.error, shelf["a"].engine.chunks = None, 5
        synthesis = FailoverSynthesizer(shelf, cache).synthesize(MOMENT)  # type: ignore[arg-type]
        chunks = aiter(synthesis)
        await anext(chunks)
        await synthesis.aclose()
        assert await say(shelf, cache) == ("a", 0.5)
        assert count(shelf, "a") == 3

    async def test_long_texts_are_not_kept(self) -> None:
        """Nobody says them twice."""
        shelf, cache = shelf_of("tts", slow("a")), SpeechCache()
        long = SpeechRequest("x" * (LONGEST_TEXT + 1))
        for _ in range(2):
            await say(shelf, cache, long)
        assert count(shelf, "a") == 2

    async def test_an_endpoint_that_left_is_not_spoken_for(self) -> None:
        """Its settings are gone, and with them the leave to use its voice."""
        shelf, cache = shelf_of("tts", slow("a"), slow("b")), SpeechCache()
        await say(shelf, cache)
        shelf.keep_only(["b"])
        assert (await say(shelf, cache))[0] == "b"

    async def test_a_kept_phrase_is_said_at_once_and_ends_when_closed(self) -> None:
        """Nobody waits for a slow endpoint, and nobody hears on after the end."""
        shelf, cache = shelf_of("tts", slow("a", chunks=30)), SpeechCache()
        put(shelf, slow("b"), origin=Origin.BUILTIN)
        await say(shelf, cache)
        shelf["a"].engine.after_s = 60.0
        began = loop_time()
        synthesis = FailoverSynthesizer(shelf, cache).synthesize(MOMENT)  # type: ignore[arg-type]
        heard = 0
        async for _ in synthesis:
            heard += 1
            await synthesis.aclose()
        assert (heard, synthesis.engine) == (1, "a")
        assert loop_time() - began < 30
