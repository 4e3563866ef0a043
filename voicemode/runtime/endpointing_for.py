"""How the end of a turn is looked for, given what was asked."""

from __future__ import annotations

from dataclasses import replace

from voicemode.core.endpointing import EndpointingOptions
from voicemode.core.questions import question_in
from voicemode.core.turn_policy import turn_policy
from voicemode.runtime.parts import TurnParts
from voicemode.runtime.result import TurnRequest

__all__ = ["endpointing_for"]

_CAPTURE_LATENCY_S = 0.02
"""Sound is heard this late: a block of 10 ms and the resampler's 12. When so much less silence than wanted was heard, the
wanted silence has passed in the air."""


def endpointing_for(request: TurnRequest, parts: TurnParts) -> EndpointingOptions:
    """A fixed silence where one was asked for; else a policy that knows the question and hears of every pause."""
    options = EndpointingOptions(start_timeout_s=parts.start_timeout_s, max_utterance_s=request.listen_duration_max)
    if request.silence_s is None:
        question = question_in(request.message, options=request.options, language=request.language)
        if question.language:
            parts.session.language = question.language
        elif parts.session.language is not None:
            question = question_in(request.message, options=request.options, language=parts.session.language)
        policy = turn_policy(parts.scorer.used, request.patience)
        return replace(options, policy=policy, question=question, partials=True)
    silence_s = max(request.silence_s - _CAPTURE_LATENCY_S, _CAPTURE_LATENCY_S)
    speculate_after_s = parts.session.pace.speculate_after_s(request.silence_s)
    return replace(options, silence_s=silence_s, speculate_after_s=speculate_after_s)
