"""What every record promises, on disk and in memory."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.conftest import Clock
from tests.store.entries import begun, said, texts, told
from voicemode.record import OWNER, Entry, ForeignThreadError, Role, Standing, Surface
from voicemode.store.memory import MemoryRecords
from voicemode.store.sqlite import SqliteRecords

pytestmark = pytest.mark.anyio

AnyRecords = MemoryRecords | SqliteRecords


async def test_what_was_put_is_read_at_once(records: AnyRecords) -> None:
    """Also what is still on its way to the disk."""
    record = await records.open("walk", surface=Surface.CLI)
    record.put(said("1", "Where to?"))
    record.put(told("2", "To the river."))
    assert texts(await record.history()) == ["Where to?", "To the river."]
    assert texts(await record.history(1)) == ["To the river."]
    assert record.problem == ""


async def test_an_entry_keeps_its_place_when_it_is_put_again(records: AnyRecords, clock: Clock) -> None:
    """The assistant began before the person spoke over it; what was heard of it is known later."""
    record = await records.open(surface=Surface.WEBRTC)
    record.put(begun("a"))
    first = (await record.history())[0].began_at
    record.put(said("b", "Wait"))
    record.put(told("a", "I was just", Standing.INTERRUPTED))
    clock.now += 100
    entries = await record.history()
    assert [(entry.key, entry.text, entry.standing) for entry in entries] == [
        ("a", "I was just", Standing.INTERRUPTED),
        ("b", "Wait", Standing.WHOLE),
    ]
    assert entries[0].began_at == first > 0


async def test_everything_about_an_entry_comes_back(records: AnyRecords) -> None:
    """Of tools as well."""
    record = await records.open(surface=Surface.PHONE)
    entry = Entry(
        "k", Role.TOOL, "7 degrees", Standing.FAILED, 12.5, Surface.API, "weather", "call_1", '{"city": "Ghent"}',
        {"transcription": 0.25}, "",
    )  # fmt: skip
    record.put(entry)
    assert await record.history() == (entry,)


async def test_surfaces_go_on_with_one_thread(records: AnyRecords) -> None:
    """Typed, then spoken; each entry says where."""
    typed = await records.open("trip", surface=Surface.CLI)
    typed.put(said("1", "one"))
    await typed.aclose()
    spoken = await records.open("trip", surface=Surface.CONVERSE)
    spoken.put(said("2", "two"))
    entries = await spoken.history()
    assert [(entry.text, entry.surface) for entry in entries] == [("one", Surface.CLI), ("two", Surface.CONVERSE)]
    assert typed.session != spoken.session


async def test_a_thread_without_a_name_gets_one_of_its_own(records: AnyRecords) -> None:
    """Two conversations that nobody named are two."""
    names = {(await records.open(surface=Surface.CLI)).thread for _ in range(3)}
    assert len(names) == 3


async def test_one_person_never_sees_another(records: AnyRecords) -> None:
    """Threads of the same name are different threads."""
    mine = await records.open("diary", surface=Surface.CLI)
    theirs = await records.open("diary", surface=Surface.WEBSOCKET, identity="eve")
    mine.put(said("1", "secret"))
    theirs.put(said("1", "public"))
    assert texts(await theirs.history()) == ["public"]
    assert texts(await mine.history()) == ["secret"]
    history = records.history
    assert texts(found.entry for found in await history.search("secret public", identity="eve")) == []
    assert texts(found.entry for found in await history.search("public", identity="eve")) == ["public"]
    assert [thread.opening for thread in await history.threads(identity="eve")] == ["public"]
    with pytest.raises(ForeignThreadError):
        await history.show("diary", identity="mallory")


@pytest.mark.parametrize("name", ["a\nb", "x" * 201, " a", "a\u202eb", "a\0"])
async def test_a_name_that_cannot_be_told_from_others_is_refused(records: AnyRecords, name: str) -> None:
    """It is told as one that is not there."""
    with pytest.raises(ForeignThreadError):
        await records.open(name, surface=Surface.API)


async def test_what_is_in_flight_when_the_surface_leaves_is_lost(records: AnyRecords) -> None:
    """And the thread can be gone on with."""
    record = await records.open("t", surface=Surface.CLI)
    record.put(begun("1"))
    record.put(said("2", "whole"))
    await record.aclose("the client left")
    await record.aclose("again")
    entries = await (await records.open("t", surface=Surface.CLI)).history()
    assert [entry.standing for entry in entries] == [Standing.LOST, Standing.WHOLE]
    session = (await records.history.sessions("t", identity=OWNER))[0]
    assert session.closed_at is not None
    assert session.reason == "the client left"
    assert not session.lost


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.text(min_size=1, max_size=20),
    text=st.text(),
    began_at=st.floats(),
    timing=st.floats(),
    call=st.text(max_size=20),
)
async def test_nothing_that_can_be_said_breaks_a_record(
    records: AnyRecords, key: str, text: str, began_at: float, timing: float, call: str
) -> None:
    """Lone surrogates, zeros, times that are no numbers."""
    record = await records.open(surface=Surface.API)
    record.put(Entry(key, Role.USER, text, began_at=began_at, call_id=call, timings={"x": timing}))
    record.put(said("last one", "fine"))
    assert texts(await record.history())[-1] == "fine"
    await record.aclose()
    entries = await records.history.show(record.thread, identity=OWNER)
    assert len(entries) == 2
    assert record.problem == ""


async def test_memory_has_an_end(clock: Clock) -> None:
    """A server runs for months: threads that nobody holds are forgotten, the oldest first, and held ones never."""
    records = MemoryRecords(wall=clock)
    held = await records.open("held", surface=Surface.CLI)
    held.put(said("1", "here"))
    for number in range(300):
        record = await records.open(f"t{number}", surface=Surface.CLI)
        record.put(said("1", "x"))
        await record.aclose()
    health = await records.history.check()
    assert health.threads <= 257
    assert texts(await held.history()) == ["here"]
    with pytest.raises(ForeignThreadError):
        await records.history.show("t0", identity=OWNER)
