"""The user is asked aloud whether a server's tool may be called, and answers aloud; by event they may answer all the same.

Only the turn counts that follows the question, before anything else was answered, when enough of the question was heard to know
what was asked, and when it is a clear yes or no. Everything else is answered like any turn, and the request stays open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicemode.core.assent import AskToCall, ask_to_call, read_assent
from voicemode.dialogue import InputTranscribed, InputTranscriptFailed, InputTranscriptGrew
from voicemode.wire.realtime.answer import Answer
from voicemode.wire.realtime.answers import Answers
from voicemode.wire.realtime.mcp_items import ApprovalItem, ApprovalRequestItem
from voicemode.wire.realtime.state import SessionState
from voicemode.wire.realtime.step import Outbox
from voicemode.wire.realtime.turns import TranscriptReport

__all__ = ["SpokenApproval"]

_MOST_ASKED = 2
"""How often one request is asked about: who said something else the first time may have wanted to know more."""
_HEARD_PART = 0.75
"""Of what names server and function: who interrupts after that knows what it is about."""


@dataclass(slots=True, eq=False)
class _Question:
    request: ApprovalRequestItem
    words: AskToCall
    answer: Answer
    heard: str = ""
    """Of it, when the person began to speak."""


class SpokenApproval:
    def __init__(self, state: SessionState, answers: Answers) -> None:
        self._state, self._answers = state, answers
        self._asked: dict[str, int] = {}
        """How often, by request."""
        self._question: _Question | None = None
        """The last one."""
        self._listens = False
        """Whether the turn under way may answer it."""
        self._turns: dict[str, str | None] = {}
        """What the person said to it, by item; None: the words are not known yet."""
        self._answer_owed = False
        """Those turns are to be answered if they decide nothing."""

    @property
    def judges(self) -> bool:
        """Whether a turn may be a yes or a no, so that nobody need think of another answer yet."""
        return self._listens or bool(self._turns)

    @property
    def waits(self) -> bool:
        """Whether there is something to ask."""
        return self._due() is not None

    def ask(self, out: Outbox) -> bool:
        """Ask, if there is something to ask and no response is in the way."""
        request = self._due()
        if request is None or not self._answers.can_add():
            return False
        config = replace(self._state.config, tools=(), servers=(), tool_choice="none")
        language = config.options().language or config.defaults.language
        words = ask_to_call(request.name, request.route.server.label, request.arguments, language)
        answer = self._answers.create(out, config, history=(), script=words.text)
        self._question = _Question(request, words, answer)
        self._asked[request.id] = self._asked.get(request.id, 0) + 1
        return True

    def speech_started(self, now_ms: float) -> None:
        """Before what is being said is ended by it."""
        question = self._question
        if self._turns or question is None:
            self._listens = bool(self._turns)
            return
        self._listens = self._is_open(question)
        message = question.answer.message
        if self._listens and message is not None and message.spoken is not None:
            question.heard = message.spoken.heard(message.heard_ms(now_ms))

    def turn_ended(self, item_id: str, *, answer_owed: bool) -> bool:
        """Whether its answer has to wait until it is known what was said."""
        if not self._listens:
            return False
        self._listens, self._answer_owed = False, answer_owed
        self._turns[item_id] = None
        return True

    def transcript(self, report: TranscriptReport) -> None:
        match report:
            case InputTranscribed() if report.item_id in self._turns:
                self._turns[report.item_id] = report.text
            case InputTranscriptFailed() if report.item_id in self._turns:
                self._turns[report.item_id] = ""
            case InputTranscribed() | InputTranscriptFailed() | InputTranscriptGrew():
                pass

    def decide(self, out: Outbox, now_ms: float) -> None:
        """While nobody speaks: once it is known what was said, it allows or refuses, or is answered."""
        self._listens = False
        words = [text for text in self._turns.values() if text is not None]
        if not self._turns or len(words) < len(self._turns):
            return
        self._turns.clear()
        question, said = self._question, read_assent(" ".join(words))
        if question is None or said is None or not self._was_heard(question):
            if self._answer_owed:
                self._answers.answer_turn(out)
            return
        item = ApprovalItem(out.new_id("item"), request_id=question.request.id, approve=said)
        conversation = self._state.conversation
        previous_id = conversation.last_id
        conversation.append(item)
        out.event("conversation.item.added", previous_item_id=previous_id, item=item.wire())
        out.event("conversation.item.done", previous_item_id=previous_id, item=item.wire())
        self._state.calls.decide(out, question.request, item, now_ms)

    def _due(self) -> ApprovalRequestItem | None:
        config = self._state.config
        # Where the client ends turns, it is not known when they began.
        if not config.defaults.approval_aloud or not config.speaks or config.turn_detection is None or self.judges:
            return None
        if self._question is not None and self._is_open(self._question):
            return None
        return next((each for each in self._state.calls.unanswered() if self._asked.get(each.id, 0) < _MOST_ASKED), None)

    def _is_open(self, question: _Question) -> bool:
        """Nothing else was answered since it was asked, by whomever."""
        latest = question.answer.id == self._state.latest_response_id
        return latest and question.request in self._state.calls.unanswered()

    def _was_heard(self, question: _Question) -> bool:
        """And is still to be decided."""
        message = question.answer.message
        if message is None or question.request not in self._state.calls.unanswered():
            return False
        heard = message.heard if message.cut_ms is not None else question.heard
        return len(heard) >= _HEARD_PART * len(question.words.lead)
