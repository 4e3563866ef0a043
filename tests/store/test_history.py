"""What can be done with what is kept, on disk and in memory."""

from __future__ import annotations

import pytest

from tests.store.conftest import Clock
from tests.store.entries import begun, said, texts, told
from voicemode.record import OWNER, Entry, ForeignThreadError, Role, Standing, Surface
from voicemode.store.memory import MemoryRecords
from voicemode.store.sqlite import SqliteRecords

pytestmark = pytest.mark.anyio

AnyRecords = MemoryRecords | SqliteRecords


async def talk(records: AnyRecords, thread: str, *words: str, identity: str = OWNER) -> None:
    """A session in which somebody says all this."""
    record = await records.open(thread, surface=Surface.CLI, identity=identity)
    for number, each in enumerate(words):
        record.put(said(f"{record.session}-{number}", each))
    await record.aclose()


async def test_threads_are_listed_the_last_used_first(records: AnyRecords, clock: Clock) -> None:
    """With their first words, and those in which nothing was said not at all."""
    await talk(records, "old", "the first words", "more")
    clock.now += 10
    await talk(records, "new", "x" * 300)
    await records.open("silent", surface=Surface.CLI)
    clock.now += 10
    await talk(records, "old", "again")
    threads = await records.history.threads(identity=OWNER)
    assert [(thread.thread, thread.entries) for thread in threads] == [("old", 3), ("new", 1)]
    assert threads[0].opening == "the first words"
    assert len(threads[1].opening) == 80
    assert threads[0].surfaces == (Surface.CLI,)
    assert [thread.thread for thread in await records.history.threads(identity=OWNER, last=1)] == ["old"]


class TestSearch:
    """Finding words again."""

    async def test_all_words_must_be_there(self, records: AnyRecords) -> None:
        """In any order, whatever their case and accents."""
        await talk(records, "t", "The Café by the river", "the river alone", "a cafe")
        found = await records.history.search("RIVER cafe", identity=OWNER)
        assert texts(each.entry for each in found) == ["The Café by the river"]
        assert found[0].thread == "t"

    async def test_words_in_quotes_belong_together(self, records: AnyRecords) -> None:
        """And without them anywhere."""
        await talk(records, "t", "red green", "green and red")
        assert len(await records.history.search("red green", identity=OWNER)) == 2
        found = await records.history.search('"red green"', identity=OWNER)
        assert texts(each.entry for each in found) == ["red green"]

    async def test_better_comes_before_newer(self, records: AnyRecords, clock: Clock) -> None:
        """And of equals the newest is first."""
        await talk(records, "t", "apple apple apple", "apple here", "apple then", f"apple {'and more ' * 40}")
        clock.now += 10
        found = texts(each.entry for each in await records.history.search("apple", identity=OWNER))
        assert found[:3] == ["apple apple apple", "apple then", "apple here"]
        assert len(found) == 4

    async def test_parts_of_text_without_spaces_are_found(self, records: AnyRecords) -> None:
        """Han and kana are not written in words."""
        await talk(records, "t", "東京タワーへ行く", "京都へ行く")
        found = await records.history.search("東京", identity=OWNER)
        assert texts(each.entry for each in found) == ["東京タワーへ行く"]

    @pytest.mark.parametrize(
        "words",
        ['"', "AND", "a OR", "NEAR(a b)", "body:x", "-x", "^x", "*", "a*", "(", '""', "{a b}:", "a\0b", "'; DROP", "\ud800"],
    )
    async def test_nothing_is_an_operator(self, records: AnyRecords, words: str) -> None:
        """Whatever is typed, it is searched for."""
        await talk(records, "t", "nothing of it")
        assert await records.history.search(words, identity=OWNER) == ()

    async def test_a_word_that_is_an_operator_elsewhere_is_found(self, records: AnyRecords) -> None:
        """As any other word."""
        await talk(records, "t", "this OR that")
        assert len(await records.history.search("or", identity=OWNER)) == 1

    async def test_one_thread_can_be_searched(self, records: AnyRecords) -> None:
        """And one that is not there has nothing."""
        await talk(records, "a", "word one")
        await talk(records, "b", "word two")
        found = await records.history.search("word", identity=OWNER, thread="b")
        assert texts(each.entry for each in found) == ["word two"]
        assert await records.history.search("word", identity=OWNER, thread="c") == ()
        assert await records.history.search("word", identity="eve", thread="b") == ()

    async def test_the_snippet_shows_the_place(self, records: AnyRecords) -> None:
        """On one line, cut at both ends."""
        await talk(records, "t", f"{'before ' * 50}needle\nin hay {'after ' * 50}")
        (found,) = await records.history.search("needle", identity=OWNER)
        assert found.snippet.startswith("…")
        assert found.snippet.endswith("…")
        assert "needle in hay" in found.snippet
        assert len(found.snippet) < 200

    async def test_what_an_entry_said_before_is_not_found(self, records: AnyRecords) -> None:
        """The words that were not heard are nowhere."""
        record = await records.open("t", surface=Surface.CLI)
        record.put(told("1", "all of the sentence", Standing.IN_FLIGHT))
        await record.history()
        assert len(await records.history.search("sentence", identity=OWNER)) == 1
        record.put(told("1", "all of", Standing.INTERRUPTED))
        assert await records.history.search("sentence", identity=OWNER) == ()
        assert len(await records.history.search("all", identity=OWNER)) == 1


class TestEnd:
    """Ending what goes on in a thread."""

    async def test_the_first_call_counts(self, records: AnyRecords) -> None:
        """The second tells what had been, and fills in what was left empty."""
        record = await records.open("t", surface=Surface.WEBRTC)
        record.put(said("1", "hello"))
        first = await records.history.end("t", identity=OWNER, reason="goodbye", summary="They met.")
        again = await records.history.end("t", identity=OWNER, reason="else", summary="other", feedback="nice")
        assert (first.first, again.first) == (True, False)
        assert (again.reason, again.summary, again.feedback) == ("goodbye", "They met.", "nice")
        assert again.ended_at == first.ended_at
        assert first.sessions == (record.session,)
        assert first.entries == 1

    async def test_nothing_new_is_added_and_what_is_in_flight_settles(self, records: AnyRecords) -> None:
        """What was heard of the last sentence may be known only after the end."""
        record = await records.open("t", surface=Surface.WEBRTC)
        record.put(begun("1"))
        await record.history()
        await records.history.end("t", identity=OWNER)
        record.put(told("1", "Bye", Standing.INTERRUPTED))
        record.put(said("2", "late"))
        await record.aclose()
        assert texts(await records.history.show("t", identity=OWNER)) == ["Bye"]
        assert "ended" in record.problem

    async def test_a_session_after_it_is_ended_anew(self, records: AnyRecords) -> None:
        """A thread goes on as long as somebody wants."""
        await talk(records, "t", "one")
        await records.history.end("t", identity=OWNER, reason="first")
        await talk(records, "t", "two", "three")
        ending = await records.history.end("t", identity=OWNER, reason="second")
        assert ending.first
        assert (ending.reason, ending.entries) == ("second", 2)
        assert [each.reason for each in await records.history.sessions("t", identity=OWNER)] == ["first", "second"]

    async def test_nobody_ends_what_is_not_theirs(self, records: AnyRecords) -> None:
        """It is told as a thread that is not there."""
        await talk(records, "t", "one")
        with pytest.raises(ForeignThreadError):
            await records.history.end("t", identity="eve")
        assert (await records.history.sessions("t", identity=OWNER))[0].ended_at is None


class TestForget:
    """Removing what was kept."""

    async def test_a_thread_is_gone(self, records: AnyRecords) -> None:
        """And the others are not."""
        await talk(records, "a", "shared word", "two")
        await talk(records, "b", "shared word")
        gone = await records.history.forget("a", identity=OWNER)
        assert (gone.threads, gone.entries) == (1, 2)
        with pytest.raises(ForeignThreadError):
            await records.history.show("a", identity=OWNER)
        assert [each.thread for each in await records.history.search("shared", identity=OWNER)] == ["b"]

    async def test_nobody_forgets_what_is_not_theirs(self, records: AnyRecords) -> None:
        """Neither one thread nor all."""
        await talk(records, "a", "mine")
        with pytest.raises(ForeignThreadError):
            await records.history.forget("a", identity="eve")
        assert (await records.history.forget_all(identity="eve")).threads == 0
        assert texts(await records.history.show("a", identity=OWNER)) == ["mine"]

    async def test_a_conversation_goes_on_without_what_was_forgotten(self, records: AnyRecords) -> None:
        """What was put before and is put again does not come back; what is new is kept."""
        record = await records.open("t", surface=Surface.WEBRTC)
        record.put(told("1", "forget this", Standing.IN_FLIGHT))
        await record.history()
        await records.history.forget("t", identity=OWNER)
        record.put(told("1", "forget this whole", Standing.WHOLE))
        record.put(said("2", "something new"))
        await record.aclose()
        assert texts(await records.history.show("t", identity=OWNER)) == ["something new"]

    async def test_everything_of_one_person(self, records: AnyRecords) -> None:
        """Theirs alone."""
        await talk(records, "a", "x")
        await talk(records, "b", "y")
        await talk(records, "a", "z", identity="eve")
        assert (await records.history.forget_all(identity=OWNER)).threads == 2
        assert await records.history.threads(identity=OWNER) == ()
        assert texts(await records.history.show("a", identity="eve")) == ["z"]


async def test_tools_are_found_too(records: AnyRecords) -> None:
    """What came of them is part of the conversation."""
    record = await records.open("t", surface=Surface.API)
    record.put(Entry("1", Role.TOOL, "zephyr from the west", tool="weather"))
    (found,) = await records.history.search("zephyr", identity=OWNER)
    assert found.entry.tool == "weather"
