"""``openai-agents`` (Python) uses tools of servers. It has no words of its own for them in a realtime session, so it sends
the protocol's, by the SDK's message for that, and reads the server's events as the SDK hands them on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import Any

from agents import set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession
from agents.realtime.model_inputs import RealtimeModelSendRawMessage

from person import saw

_DEADLINE_S = 20.0
Event = dict[str, Any]


class Client:
    """Sees each event, and waits for some."""

    def __init__(self, session: RealtimeSession) -> None:
        self._session = session
        self._seen: list[Event] = []
        self._more = asyncio.Event()
        self._told = 0

    async def receive(self) -> None:
        """Until the session ends."""
        async for event in self._session:
            if event.type == "raw_model_event" and event.data.type == "raw_server_event":
                self._seen.append(event.data.data)
                self._more.set()
            elif event.type == "error":
                saw("error", error=str(event.error))

    async def send(self, kind: str, **fields: object) -> None:
        await self._session.model.send_event(RealtimeModelSendRawMessage(message={"type": kind, "other_data": fields}))

    async def until(self, fits: Callable[[Event], bool]) -> Event:
        """The first event that fits, behind those that were waited for."""
        async with asyncio.timeout(_DEADLINE_S):
            while True:
                while self._told < len(self._seen):
                    self._told += 1
                    if fits(self._seen[self._told - 1]):
                        return self._seen[self._told - 1]
                self._more.clear()
                await self._more.wait()

    async def ask(self, text: str, approve: bool | None = None) -> None:
        """Say it, answer the request if there is to be one, and wait for the words of the answer."""
        await self._session.send_message(text)
        if approve is not None:
            request = (await self.until(lambda event: _item(event).get("type") == "mcp_approval_request"))["item"]
            saw("asked", name=request["name"], server=request["server_label"], arguments=json.loads(request["arguments"]))
            # The SDK drops an item without an id, which the protocol would make up.
            answer = {"id": f"answer_{self._told}", "type": "mcp_approval_response", "approval_request_id": request["id"]}
            answer["approve"] = approve
            await self.send("conversation.item.create", item=answer)
        said = await self.until(lambda event: event["type"] == "response.output_text.done")
        saw("answer", text=said["text"])


def _item(event: Event) -> Event:
    item: Event = event["item"] if event["type"] == "conversation.item.done" else {}
    return item


async def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--url", "--key", "--tools", "--orders"):
        parser.add_argument(name, required=True)
    order = parser.parse_args()
    set_tracing_disabled(True)
    config = {"model_settings": {"output_modalities": ["text"]}}
    address = order.url.replace("http://", "ws://") + "/v1/realtime"
    runner = RealtimeRunner(RealtimeAgent(name="helper", instructions="You help."), config=config)
    async with await runner.run(model_config={"url": address, "api_key": order.key}) as session:
        client = Client(session)
        async with asyncio.TaskGroup() as group:
            receiving = group.create_task(client.receive())
            tools = json.loads(order.tools)
            await client.send("session.update", session={"type": "realtime", "tools": tools})
            for _ in tools:
                listed = await client.until(lambda event: _item(event).get("type") == "mcp_list_tools")
                saw("listed", server=listed["item"]["server_label"], tools=[tool["name"] for tool in listed["item"]["tools"]])
            for text, approve in json.loads(order.orders):
                await client.ask(text, approve)
            saw("finished")
            receiving.cancel()


if __name__ == "__main__":
    asyncio.run(main())
