"""``pipecat-ai``: a pipeline around ``OpenAIRealtimeLLMService``, with transports that are a microphone and a loudspeaker."""

from __future__ import annotations

import asyncio
from typing import Any

from pipecat.adapters.schemas.function_schema import FunctionSchema
from pipecat.adapters.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMRunFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime.events import AudioConfiguration, AudioInput, InputAudioTranscription, SessionProperties
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams

from person import FRAME, INSTRUCTIONS, MOVE, RATE, Loudspeaker, Microphone, Order, conversation, drive, move, saw

PARAMETERS = TransportParams(
    audio_in_enabled=True, audio_in_sample_rate=RATE, audio_out_enabled=True, audio_out_sample_rate=RATE
)

_BETWEEN_FRAMES_S = 0.1


class FromMicrophone(BaseInputTransport):
    def __init__(self) -> None:
        super().__init__(PARAMETERS)

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def put(self, pcm: bytes) -> None:
        await self.push_audio_frame(InputAudioRawFrame(audio=pcm, sample_rate=RATE, num_channels=1))


class ToLoudspeaker(BaseOutputTransport):
    """A device takes frames as fast as it plays them, so this one waits until they were played."""

    def __init__(self, loudspeaker: Loudspeaker) -> None:
        super().__init__(PARAMETERS)
        self._loudspeaker = loudspeaker

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        if not any(frame.audio):
            await asyncio.sleep(len(frame.audio) / RATE / 2)  # padding at the end of an answer
            return True
        self._loudspeaker.play(frame.audio)
        await self._loudspeaker.until("a frame is played", lambda: self._loudspeaker.waiting_s <= FRAME / RATE / 2)
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._loudspeaker.stop(spoke=not self._loudspeaker.silent_for(_BETWEEN_FRAMES_S))


class Errors(BaseObserver):
    """Every kind of error once, whichever part of the pipeline tells it."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    async def on_push_frame(self, data: FramePushed) -> None:
        if isinstance(data.frame, ErrorFrame) and data.frame.error not in self._told:
            self._told.add(data.frame.error)
            saw("error", error=data.frame.error)


async def _move(call: FunctionCallParams) -> None:
    await call.result_callback(move(**call.arguments))


def _service(order: Order) -> OpenAIRealtimeLLMService:
    properties = SessionProperties(
        instructions=INSTRUCTIONS, audio=AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
    )
    settings = OpenAIRealtimeLLMService.Settings(session_properties=properties)
    service = OpenAIRealtimeLLMService(api_key=order.key, base_url=order.websocket, settings=settings)
    service.register_function("move", _move)
    return service


def _tell(context: LLMContext) -> None:
    for message in context.get_messages():
        if isinstance(message, dict) and message.get("role") in ("user", "assistant") and message.get("content"):
            saw(f"{message['role']}_said", text=_words(message["content"]))


def _words(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


async def main(order: Order) -> None:
    schema = FunctionSchema(name="move", description="Drive.", properties=MOVE["properties"], required=MOVE["required"])
    greeting = {"role": "user", "content": "Say hello."}
    context = LLMContext([greeting], tools=ToolsSchema(standard_tools=[schema]))
    aggregators = LLMContextAggregatorPair(context)
    loudspeaker, source = Loudspeaker(), FromMicrophone()
    microphone = Microphone(source.put)
    pipeline = Pipeline([source, aggregators.user(), _service(order), ToLoudspeaker(loudspeaker), aggregators.assistant()])
    parameters = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    task = PipelineTask(pipeline, params=parameters, observers=[Errors()])
    ready = asyncio.Event()

    async def started(*_: object) -> None:
        ready.set()

    task.add_event_handler("on_pipeline_started", started)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(PipelineRunner(handle_sigint=False).run(task))
        await asyncio.wait_for(ready.wait(), 20)
        tasks = [group.create_task(work) for work in (microphone.run(), loudspeaker.run())]
        await task.queue_frames([LLMRunFrame()])  # as its examples do: it sets the conversation up
        await conversation(order, microphone, loudspeaker, greeted=True)
        _tell(context)
        for each in tasks:
            each.cancel()
        await task.cancel()
        await running
    loudspeaker.save(order.heard)


if __name__ == "__main__":
    drive(main)
