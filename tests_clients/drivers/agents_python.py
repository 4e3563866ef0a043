"""``openai-agents`` (Python): a ``RealtimeSession`` with its defaults, but for the address."""

from __future__ import annotations

import asyncio

from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeItem, RealtimeRunner, RealtimeSession, RealtimeSessionEvent

from person import INSTRUCTIONS, Loudspeaker, Microphone, Order, conversation, drive, saw
from person import move as drive_robot


@function_tool
def move(direction: str, meters: float) -> str:
    """Drive.

    Args:
        direction: Where to.
        meters: How far.
    """
    return drive_robot(direction, meters)


class Client:
    """A microphone and a loudspeaker around the session."""

    def __init__(self, session: RealtimeSession) -> None:
        self._session = session
        self._history: list[RealtimeItem] = []
        self.loudspeaker = Loudspeaker()
        self.microphone = Microphone(session.send_audio)

    async def receive(self) -> None:
        """Until the session ends."""
        async for event in self._session:
            self._heed(event)

    def _heed(self, event: RealtimeSessionEvent) -> None:
        match event.type:
            case "audio":
                self.loudspeaker.play(event.audio.data)
            case "audio_interrupted":
                self.loudspeaker.stop()
            case "history_updated":
                self._history = event.history
            case "error":
                saw("error", error=str(event.error))

    def tell_history(self) -> None:
        """What the session keeps of the conversation; it follows the server by retrieving items."""
        for item in self._history:
            if item.type == "message" and item.role != "system":
                words = [getattr(part, "transcript", None) for part in item.content]
                saw(f"{item.role}_said", text=" ".join(word for word in words if word))


async def main(order: Order) -> None:
    set_tracing_disabled(True)
    agent = RealtimeAgent(name="robot", instructions=INSTRUCTIONS, tools=[move])
    async with await RealtimeRunner(agent).run(model_config={"url": order.websocket, "api_key": order.key}) as session:
        client = Client(session)
        async with asyncio.TaskGroup() as group:
            works = [client.receive(), client.microphone.run(), client.loudspeaker.run()]
            tasks = [group.create_task(work) for work in works]
            await conversation(order, client.microphone, client.loudspeaker)
            client.tell_history()
            for task in tasks:
                task.cancel()
    client.loudspeaker.save(order.heard)


if __name__ == "__main__":
    drive(main)
