"""A dialogue in virtual time: an engine on fakes, the smallest adapter there is, and a person who sends sound."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tests.runtime.room import in_virtual_time
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    AudioIn,
    CancelAnswer,
    CancelReason,
    Command,
    CommitInput,
    Configure,
    DialogueOptions,
    Expect,
    InputTranscribed,
    InputTranscriptFailed,
    Message,
    Report,
    Respond,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    ToolResult,
    TurnTaking,
    UserTurn,
)
from voicemode.errors import EndpointError, SpeechFailedError
from voicemode.runtime.dialogue_engine import DialogueEngine
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.journal import Journal
from voicemode.testing import FakeAnswerer, FakeDetector, FakeScorer, FakeSynthesizer, FakeTranscriber, tone

__all__ = ["DOWN", "SILENCE", "TURN", "Talk", "in_virtual_time", "quiet"]

T = TypeVar("T")
SILENCE = DialogueOptions(turn_taking=TurnTaking.SILENCE)
"""OpenAI's server_vad as it is by default: half a second ends a turn."""


def quiet(seconds: float) -> Samples:
    """A room with nobody speaking, at about -70 dBFS: not digital silence."""
    noise = np.random.default_rng(7).normal(0, 10, round(seconds * CAPTURE_RATE))
    return noise.astype(np.int16)


@dataclass(eq=False)
class Talk:
    """One engine, and an adapter that makes an item of each turn and has it answered. Make it inside ``in_virtual_time``."""

    folder: Path
    options: DialogueOptions = SILENCE
    answerer: Any = field(default_factory=FakeAnswerer)
    transcriber: Any = field(default_factory=lambda: FakeTranscriber(["the words"]))
    synthesizer: Any = field(default_factory=FakeSynthesizer)
    scorer: FakeScorer = field(default_factory=lambda: FakeScorer([0.9]))
    sink: Any = None
    answers: bool = True
    """Does the adapter have each turn answered?"""
    expects: bool = False
    """Does it say beforehand how?"""
    audio: bool = True
    changes: dict[str, Any] = field(default_factory=dict)
    """Other parts than those."""
    tools: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        self.reports: list[Any] = []
        self.times: list[float] = []
        """When each was made, by the loop's clock since the beginning."""
        self.history: list[Message | UserTurn | ToolCall | ToolResult] = []
        self.items = 0
        self.responses = 0
        self.on_report: Callable[[Report], None] = lambda _: None
        self.parts = replace(
            DialogueParts(
                make_detector=FakeDetector,
                synthesizer=self.synthesizer,
                transcriber=self.transcriber,
                scorer=self.scorer,
                journal=Journal(self.folder / "pending"),
                answerer=self.answerer,
                session_id="sess",
            ),
            **self.changes,
        )
        self.began = asyncio.get_running_loop().time()
        self.engine = DialogueEngine(self.parts, report=self.report, playout=self.sink)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Talk]:
        """The engine runs; afterwards nothing of it is left."""
        others = asyncio.all_tasks()
        running = asyncio.create_task(self.engine.run())
        self.engine.command(Configure(self.options))
        await asyncio.sleep(0)
        try:
            yield self
        finally:
            await self.engine.aclose()
            await asyncio.wait({running})
            assert asyncio.all_tasks() == others

    def report(self, report: Report) -> None:
        self.reports.append(report)
        self.times.append(self.now)
        match report:
            case SpeechStarted() if self.expects:
                self.engine.command(Expect(self.request("")))
            case SpeechStopped():
                self.items += 1
                item = f"item_{self.items}"
                self.engine.command(CommitInput(item))
                self.history.append(UserTurn(item))
                if self.answers:
                    self.respond()
            case _:
                pass
        self.on_report(report)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.began

    def command(self, command: Command) -> None:
        self.engine.command(command)

    def request(self, response_id: str) -> Respond:
        return Respond(response_id, tuple(self.history), audio=self.audio, tools=self.tools)

    def respond(self, **changes: Any) -> str:
        self.responses += 1
        name = f"resp_{self.responses}"
        self.engine.command(replace(self.request(name), **changes))
        return name

    def cancel(self, response_id: str) -> None:
        self.engine.command(CancelAnswer(response_id, CancelReason.TURN_DETECTED))

    def ask(self, text: str, **changes: Any) -> str:
        """Something that is typed, and to be answered."""
        self.history.append(Message("user", text))
        return self.respond(**changes)

    async def hear(self, *sounds: Samples, rate: int = CAPTURE_RATE, block_s: float = 0.02, pace: float = 1.0) -> None:
        """Send it block by block, ``pace`` times as slowly as in real time; 0 sends all at once."""
        sound = np.concatenate(sounds)
        step = round(block_s * rate)
        for at in range(0, len(sound), step):
            self.engine.command(AudioIn(sound[at : at + step], rate))
            if pace:
                await asyncio.sleep(block_s * pace)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for it, to 5 ms."""
        async with asyncio.timeout(120):
            while not condition():
                await asyncio.sleep(0.005)

    async def answered(self, response_id: str = "resp_1") -> None:
        """Wait until nothing more of it comes."""
        await self.until(lambda: any(r.response_id == response_id for r in self.of(AnswerDone, AnswerFailed)))

    def of(self, *kinds: Any) -> list[Any]:
        return [report for report in self.reports if isinstance(report, kinds)]

    @property
    def kinds(self) -> list[str]:
        """Names of the reports, each run of equal ones once."""
        names = [type(report).__name__ for report in self.reports]
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]

    def time_of(self, kind: Any) -> float:
        """When the first one of it was made."""
        return next(at for at, report in zip(self.times, self.reports, strict=True) if isinstance(report, kind))

    def text(self, response_id: str = "resp_1") -> str:
        return "".join(r.delta for r in self.of(AnswerText) if r.response_id == response_id)

    def sound_s(self, response_id: str = "resp_1") -> float:
        return sum(len(r.samples) for r in self.of(AnswerAudio) if r.response_id == response_id) / 24_000

    @property
    def transcripts(self) -> list[str]:
        return [report.text for report in self.of(InputTranscribed)]

    @property
    def failures(self) -> list[Any]:
        return self.of(InputTranscriptFailed, AnswerFailed)

    @property
    def recordings(self) -> list[Path]:
        """What waits on disk."""
        return sorted((self.folder / "pending").glob("*.wav")) if (self.folder / "pending").exists() else []


def talk(scenario: Callable[[Talk], Awaitable[T]], folder: Path, **parts: Any) -> T:
    """Hold a dialogue in virtual time."""

    async def whole() -> T:
        async with Talk(folder, **parts).held() as held:
            return await scenario(held)

    return in_virtual_time(whole)


def word(seconds: float = 0.8) -> Samples:
    return tone(seconds)


DOWN = SpeechFailedError("speech-to-text", [EndpointError("stt", "down")])
TURN = (quiet(0.5), word(), quiet(1.5))
