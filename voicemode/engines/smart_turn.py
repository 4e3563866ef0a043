"""smart-turn v3 in a worker process; prosody answers for it where it cannot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.engines.prosody import ProsodyScorer
from voicemode.engines.worker import Worker
from voicemode.errors import EngineError

__all__ = ["SMART_TURN", "SmartTurnScorer"]

_LOG = logging.getLogger(__name__)

SMART_TURN = "smart-turn-v3"
_WINDOW_S = 8
"""What the model sees; more is not sent."""
_PREPARE_S = 10.0
"""Seconds to start, import and load on a busy machine; 0.4 is usual."""
_SLOW_S = 1.0
"""A judgement that takes longer comes too late to shorten a silence of about a second."""
_CHANCES = 3
"""Turns in a row that may bring trouble before no more are tried: a busy machine recovers, a broken model does not."""
_MODULE = "voicemode.engines.workers.smart_turn_worker"


class SmartTurnScorer:
    """A TurnScorer. Its worker starts with ``prepare`` or the first score and ends when idle.

    After trouble prosody scores the rest of the turn; ``prepare`` tries again, three times at most without a success between.
    """

    name = SMART_TURN

    def __init__(self, model: Path, environ: Mapping[str, str], *, idle_s: float = 120.0, module: str = _MODULE) -> None:
        """Start nothing. ``model``: the ONNX file. The worker sees the allowed part of ``environ``, this process's own."""
        self._header = {"path": str(model)}
        self._worker = Worker(module, engine=SMART_TURN, idle_s=idle_s, environ=environ)
        self._prosody = ProsodyScorer()
        self._problem = ""
        self._troubles = 0
        """Since the last success."""

    @property
    def used(self) -> str:
        """Which one scores now: "smart-turn-v3", or "prosody" after trouble."""
        return self._prosody.name if self._problem else self.name

    @property
    def problem(self) -> str:
        """What the trouble was; empty without."""
        return self._problem

    @property
    def pid(self) -> int | None:
        """The worker process, or None while there is none."""
        return self._worker.pid

    async def prepare(self) -> None:
        """Start the worker and load the model. Never raises."""
        if self._troubles >= _CHANCES:
            return
        try:
            await self._worker.ask({"op": "load", **self._header}, timeout_s=_PREPARE_S)
        except EngineError as error:
            self._give_up(error.detail)
        else:
            self._problem = ""

    async def score(self, utterance: AudioChunk) -> float:
        """How likely the person has finished, 0 to 1, by whoever ``used`` names afterwards. Raises ValueError unless 16 kHz."""
        if utterance.sample_rate != CAPTURE_RATE:
            raise ValueError(f"the scorer takes {CAPTURE_RATE} Hz, not {utterance.sample_rate}")
        last = AudioChunk(utterance.samples[-_WINDOW_S * CAPTURE_RATE :], CAPTURE_RATE)
        if not self._problem:
            try:
                async with asyncio.timeout(_SLOW_S):
                    return await self._ask(last)
            except TimeoutError:
                self._give_up(f"it did not answer within {_SLOW_S:g} s")
            except EngineError as error:
                self._give_up(error.detail)
        return await self._prosody.score(last)

    async def aclose(self) -> None:
        """End the worker. Idempotent."""
        await self._worker.aclose()

    async def _ask(self, last: AudioChunk) -> float:
        answer = await self._worker.ask({"op": "score", **self._header}, last.pcm, timeout_s=2 * _SLOW_S)
        score = answer.header["score"]
        self._troubles = 0
        return float(score)

    def _give_up(self, problem: str) -> None:
        self._troubles += 1
        if problem != self._problem:
            _LOG.warning("%s has trouble, so prosody judges: %s", self.name, problem)
        self._problem = problem
