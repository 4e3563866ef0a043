"""Progress notifications: once a second, rising, and none after the end."""

from __future__ import annotations

import asyncio

import pytest

from voicemode.events import Interrupted, ListeningStarted, SpeakingStarted, SpeechPaused, SpeechStarted, TurnEvent, Understood
from voicemode.serving.progress import progress


def test_a_change_of_state_is_told_at_once() -> None:
    """The person sees that the microphone listens when it begins to, not a second later."""

    async def scenario() -> list[str]:
        told: list[str] = []

        async def report(_value: float, _total: None, state: str) -> None:
            told.append(state)

        async with progress(report) as sink:
            sink(SpeakingStarted(0.1, "engine"))
            await asyncio.sleep(0.02)
            sink(ListeningStarted(0.2))
            await asyncio.sleep(0.02)
        return told

    assert asyncio.run(scenario()) == ["speaking", "listening: the person may speak now"]


def test_values_rise_and_nothing_is_told_after_the_end() -> None:
    """MCP asks for both."""

    async def scenario() -> tuple[list[float], int]:
        values: list[float] = []

        async def report(value: float, _total: None, _state: str) -> None:
            values.append(value)

        async with progress(report) as sink:
            for _ in range(20):
                sink(SpeakingStarted(0.0, "engine"))
                await asyncio.sleep(0)
                sink(SpeechStarted(0.0))
                await asyncio.sleep(0)
            await asyncio.sleep(1.1)
        at_end = len(values)
        sink(ListeningStarted(9.0))
        await asyncio.sleep(0.05)
        return values, at_end

    values, at_end = asyncio.run(scenario())
    assert values == sorted(set(values))
    assert len(values) == at_end > 2
    assert values[-1] >= 1.0


def test_a_client_that_does_not_read_delays_nobody() -> None:
    """A report that hangs is abandoned at the end of the call."""

    async def scenario() -> bool:
        async def report(_value: float, _total: None, _state: str) -> None:
            await asyncio.sleep(3600)

        async with asyncio.timeout(2), progress(report) as sink:
            sink(SpeakingStarted(0.1, "engine"))
            await asyncio.sleep(0.02)
        return True

    assert asyncio.run(scenario())


def states(*events: TurnEvent) -> list[str]:
    """What a client is told as these happen one after the other."""

    async def scenario() -> list[str]:
        told: list[str] = []

        async def report(_value: float, _total: None, state: str) -> None:
            told.append(state)

        async with progress(report) as sink:
            for event in events:
                sink(event)
                await asyncio.sleep(0.02)
        return told

    return asyncio.run(scenario())


def test_what_was_understood_so_far_is_shown_as_unverified() -> None:
    """It is the person's, not the assistant's, and they may not have finished."""
    assert states(SpeechStarted(0.1), SpeechPaused(0.5), Understood(0.6, "I would like")) == [
        "the person is speaking",
        "the person paused",
        "the person has said so far (unverified): I would like",
    ]


def test_only_the_end_of_a_long_utterance_is_shown() -> None:
    """A progress line, not a transcript."""
    (line,) = states(Understood(0.6, "word " * 200 + "end"))
    assert line.endswith("end")
    assert len(line) < 300


def test_nothing_understood_is_nothing_told() -> None:
    """A cough does not wipe the line."""
    assert states(SpeechPaused(0.5), Understood(0.6, "")) == ["the person paused"]


def test_an_interruption_is_told() -> None:
    """The message is not spoken any more, and the person may speak."""
    assert states(SpeakingStarted(0.1, "x"), Interrupted(1.0)) == ["speaking", "interrupted: the person may speak now"]


@pytest.mark.parametrize("later", range(6))
def test_a_change_at_the_very_end_keeps_nobody_waiting(later: int) -> None:
    """However close last change and end are: wait_for of Python 3.11 loses a cancellation that comes with a result."""

    async def scenario() -> None:
        async def report(_value: float, _total: None, _state: str) -> None:
            """Nobody reads it."""

        async with asyncio.timeout(10), progress(report) as sink:
            await asyncio.sleep(0.01)
            sink(SpeakingStarted(0.1, "engine"))
            for _ in range(later):
                await asyncio.sleep(0)

    asyncio.run(scenario())
