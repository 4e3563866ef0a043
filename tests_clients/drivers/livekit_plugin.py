"""``livekit-plugins-openai``: an ``AgentSession`` whose model is ``openai.realtime.RealtimeModel``, without a room."""

from __future__ import annotations

import asyncio
import time

from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool, utils
from livekit.agents.voice.io import AudioInput, AudioOutput, AudioOutputCapabilities
from livekit.plugins import openai

from person import INSTRUCTIONS, RATE, Loudspeaker, Microphone, Order, conversation, drive, saw
from person import move as drive_robot


class Robot(Agent):
    def __init__(self) -> None:
        super().__init__(instructions=INSTRUCTIONS)

    @function_tool
    async def move(self, direction: str, meters: float) -> str:
        """Drive.

        Args:
            direction: Where to.
            meters: How far.
        """
        return drive_robot(direction, meters)


class FromMicrophone(AudioInput):
    """Frames of the microphone, one after the other."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def put(self, pcm: bytes) -> None:
        self._frames.put_nowait(rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2))

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()


class ToLoudspeaker(AudioOutput):
    """Tells the session when an answer was heard to its end, or how much of it until it was interrupted."""

    def __init__(self, loudspeaker: Loudspeaker) -> None:
        super().__init__(label="loudspeaker", capabilities=AudioOutputCapabilities(pause=False), sample_rate=RATE)
        self._loudspeaker = loudspeaker
        self._began_s: float | None = None
        self._pushed_s = 0.0
        self._finishing: asyncio.Task[None] | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._began_s is None:
            self._began_s, self._pushed_s = self._loudspeaker.heard_s, 0.0
            self.on_playback_started(created_at=time.time())
        self._pushed_s += frame.duration
        self._loudspeaker.play(bytes(frame.data))

    def flush(self) -> None:
        super().flush()
        if self._began_s is not None and self._finishing is None:
            self._finishing = asyncio.create_task(self._finish(self._began_s + self._pushed_s))

    async def _finish(self, at_s: float) -> None:
        await self._loudspeaker.until("played to the end", lambda: self._loudspeaker.heard_s >= at_s - 0.001)
        self._finished(interrupted=False)

    def clear_buffer(self) -> None:
        if self._began_s is None:
            return
        self._loudspeaker.stop()
        if self._finishing is not None:
            self._finishing.cancel()
        self._finished(interrupted=True)

    def _finished(self, *, interrupted: bool) -> None:
        assert self._began_s is not None
        played_s = min(self._loudspeaker.heard_s - self._began_s, self._pushed_s)
        self._began_s, self._finishing = None, None
        self.on_playback_finished(playback_position=played_s, interrupted=interrupted)


def _report(session: AgentSession[None]) -> None:
    @session.on("user_input_transcribed")
    def _(event) -> None:  # type: ignore[no-untyped-def]
        if event.is_final:
            saw("user_said", text=event.transcript)

    @session.on("conversation_item_added")
    def _(event) -> None:  # type: ignore[no-untyped-def]
        if getattr(event.item, "role", "") == "assistant":
            saw("assistant_said", text=event.item.text_content)

    @session.on("error")
    def _(event) -> None:  # type: ignore[no-untyped-def]
        saw("error", error=str(event.error))


async def main(order: Order) -> None:
    async with utils.http_context.open():
        model = openai.realtime.RealtimeModel(api_key=order.key, base_url=f"{order.url}/v1")
        session: AgentSession[None] = AgentSession(llm=model)
        _report(session)
        source, loudspeaker = FromMicrophone(), Loudspeaker()
        microphone = Microphone(source.put)
        session.input.audio, session.output.audio = source, ToLoudspeaker(loudspeaker)
        await session.start(Robot(), record=False)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in (microphone.run(), loudspeaker.run())]
            await conversation(order, microphone, loudspeaker)
            await session.aclose()
            for task in tasks:
                task.cancel()
        loudspeaker.save(order.heard)


if __name__ == "__main__":
    drive(main)
