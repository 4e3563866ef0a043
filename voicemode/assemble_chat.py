"""Builds what answers typed turns: endpoints and records, and nothing of sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from voicemode.assemble_kept import build_records
from voicemode.load_config import LoadedSettings
from voicemode.providers.answer_choice import ChosenAnswerer, choose_answerer
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.providers.watch import Watch
from voicemode.record import Record, Records, Surface
from voicemode.runtime.chat import Chat, Reply
from voicemode.store.memory import MemoryRecords
from voicemode.store.steady import SteadyRecords

__all__ = ["TypedChat", "open_chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedChat:
    """One conversation by keyboard. Close it."""

    record: Record
    answerer: ChosenAnswerer
    chat: Chat
    records: Records
    watch: Watch
    pool: HttpPool

    async def say(self, text: str, on_text: Callable[[str], None]) -> Reply:
        """As ``Chat.say``."""
        async with self.watch.conversation("chat"):
            return await self.chat.say(text, on_text)

    async def aclose(self) -> None:
        """Write what waits, and free everything. Idempotent."""
        await self.record.aclose()
        await self.answerer.leave(self.record.session)
        await self.answerer.aclose()
        await self.watch.aclose()
        await self.records.aclose()
        await self.pool.aclose()


async def open_chat(loaded: LoadedSettings, environ: Mapping[str, str], thread: str) -> TypedChat:
    """Go on with a thread, "" with the settings' own, or else begin one. Raises SettingsError, ForeignThreadError."""
    settings = loaded.settings
    pool = HttpPool(settings)
    registry = Registry(settings, pool, Builtin())
    answerer = choose_answerer(settings, registry, environ)
    incognito = settings.memory == "incognito"
    records: Records = MemoryRecords() if incognito else SteadyRecords(build_records(settings))
    record = await records.open(thread or settings.thread, surface=Surface.CLI)
    return TypedChat(
        record=record,
        answerer=answerer,
        chat=Chat(record, answerer),
        records=records,
        watch=Watch(registry, pool),
        pool=pool,
    )
