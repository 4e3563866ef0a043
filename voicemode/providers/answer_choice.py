"""Who answers: the person's command, else a chat endpoint, else an echo. Chosen anew with each answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voicemode.answers import Answerer, AnswerFlow, AnswerRequest
from voicemode.core.failover import Need
from voicemode.engines.command_answerer import CommandAnswerer
from voicemode.engines.command_options import CommandOptions
from voicemode.providers.answer_echo import EchoAnswerer
from voicemode.providers.failover_chat import FailoverAnswerer
from voicemode.providers.registry import Registry
from voicemode.settings import Settings

__all__ = ["AnswererChoice", "ChosenAnswerer", "choose_answerer"]


@dataclass(frozen=True, slots=True)
class AnswererChoice:
    """One of the three, and why it and none before it."""

    answerer: Answerer
    reason: str
    """Without a full stop, as in "VOICEMODE_RESPONDER_COMMAND is set"."""

    @property
    def is_echo(self) -> bool:
        """Nobody answers."""
        return isinstance(self.answerer, EchoAnswerer)


def choose_answerer(settings: Settings, registry: Registry, environ: Mapping[str, str]) -> ChosenAnswerer:
    """Starts and asks nothing. ``environ`` is this process's own, of which a command gets the allowed part.

    Raises SettingsError for a command that cannot be used.
    """
    chosen = ChosenAnswerer(registry, environ)
    chosen.configure(settings)
    return chosen


class ChosenAnswerer:
    """An Answerer that is whichever one there is now: endpoints come and go, and settings change."""

    def __init__(self, registry: Registry, environ: Mapping[str, str]) -> None:
        self._registry, self._environ = registry, environ
        self._chat, self._echo = FailoverAnswerer(registry.chat), EchoAnswerer()
        self._command: CommandAnswerer | None = None
        self._retired: list[CommandAnswerer] = []
        """Of settings that are no longer in force, but perhaps of conversations that still go on."""

    def configure(self, settings: Settings) -> None:
        """These settings count from the next answer on. Raises SettingsError, and then changes nothing."""
        options = CommandOptions.of(settings) if settings.responder_command.strip() else None
        before = self._command
        if before is not None and before.options == options:
            return
        self._command = CommandAnswerer(options, self._environ) if options is not None else None
        if before is not None:
            self._retired.append(before)

    @property
    def choice(self) -> AnswererChoice:
        """Who would answer now, and why."""
        if self._command is not None:
            return AnswererChoice(self._command, "VOICEMODE_RESPONDER_COMMAND is set")
        order = self._registry.chat.in_order(Need(task="chat", streaming=True))
        if order:
            others = f" and {len(order) - 1} more" if len(order) > 1 else ""
            return AnswererChoice(self._chat, f"there is the chat endpoint {order[0].name}{others}")
        none = "VOICEMODE_RESPONDER_COMMAND and VOICEMODE_CHAT_BASE_URLS are empty, and no chat endpoint was found"
        return AnswererChoice(self._echo, none)

    @property
    def name(self) -> str:
        return self.choice.answerer.name

    @property
    def acts(self) -> bool:
        return self.choice.answerer.acts

    def answer(self, request: AnswerRequest) -> AnswerFlow:
        return self.choice.answerer.answer(request)

    async def leave(self, session_id: str) -> None:
        for each in self._commands():
            await each.leave(session_id)

    async def aclose(self) -> None:
        """Ends processes. The endpoints are the registry's."""
        for each in self._commands():
            await each.aclose()

    def _commands(self) -> list[CommandAnswerer]:
        return [*self._retired, *([self._command] if self._command is not None else [])]
