"""pocketsphinx as we use it: dictation, expected answers, and the judgement whether an answer was really among them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pocketsphinx

from voicemode.engines.workers.answers import Answers, Words
from voicemode.engines.workers.judge import Hypothesis, Segment, believable
from voicemode.engines.workers.pronounce import pronounce
from voicemode.engines.workers.speech_span import SpeechSpan

__all__ = ["Heard", "Sphinx"]

_RATE = 16_000
_STEP = 3200
"""Bytes per step, 0.1 s. The decoder holds the GIL: only between steps is a cancellation seen."""

_MEAN, _PHONES, _ANSWERS = "mean", "phones", "answers"
"""Names of the searches beside the default one, which is dictation."""

_NO_WORD = re.compile(r"SIL|[<\[(+].*")
"""Silences and noises among words and phones."""
_VARIANT = re.compile(r"\(\d+\)$")


class Heard(NamedTuple):
    """What was said."""

    text: str
    """As dictated, in lower case; empty when there were no words. For an option, see ``option``."""
    option: int | None
    """Which of the expected answers it was, if it was one."""


class Sphinx:
    """One recogniser with the English model of the wheel: 0.4 s to load, 0.4 s per second of speech."""

    def __init__(self) -> None:
        """Load the model. Raises RuntimeError."""
        # Without its second pass it makes no more errors, and is done at once after the last sample or a cancellation.
        self._decoder = pocketsphinx.Decoder(samprate=_RATE, loglevel="FATAL", fwdflat=False)
        any_word = self._decoder.create_fsg(_MEAN, 0, 1, [(0, 1, 1.0, "yes")])
        self._decoder.add_fsg(_MEAN, any_word)
        self._decoder.add_allphone_file(_PHONES, pocketsphinx.get_model_path("en-us/en-us-phone.lm.bin"))
        self._decoder.activate_search(_MEAN)
        self._span = SpeechSpan()
        self._answers: Answers | None = None
        self._forms: Sequence[Sequence[Words]] = ()
        self.left_out: tuple[int, ...] = ()
        """The options that cannot be recognised, by index, since nobody knows how they are pronounced."""

    def expect(self, forms: Sequence[Sequence[Words]]) -> None:
        """Make the grammar of these answers, unless it is there; ``forms`` are those of ``Answers``, none for dictation."""
        if forms == self._forms:
            return
        answers = Answers(forms)
        pronounceable = {word for word in answers.words if self._learn(word)}
        self.left_out = tuple(
            index for index, option in enumerate(answers.forms) if not any(pronounceable.issuperset(form) for form in option)
        )
        if len(self.left_out) == len(answers.forms):
            self._answers = None
        else:
            transitions, end = answers.transitions(pronounceable)
            edges = [edge if edge.word is not None else edge[:3] for edge in transitions]
            self._decoder.add_fsg(_ANSWERS, self._decoder.create_fsg(_ANSWERS, 0, end, edges))
            self._answers = answers
        self._forms = forms

    def transcribe(self, pcm: bytes, check: Callable[[], None]) -> Heard:
        """Write down one utterance of 16 kHz mono PCM. ``check`` is called every 0.1 s of it and may raise."""
        pcm = self._span.cut(pcm, check)
        if not pcm:
            return Heard("", None)
        mean = self._mean(pcm)
        dictated = self._decode(None, pcm, mean, check)
        text = " ".join(dictated.words)
        answers = self._answers
        if answers is None or not dictated.words:
            return Heard(text, None)
        if (said := answers.said(dictated.words)) is not None:
            return Heard(text, said[0])
        fitted = self._decode(_ANSWERS, pcm, mean, check)
        if (said := answers.said(fitted.words)) is None:
            return Heard(text, None)
        heard = self._decode(_PHONES, pcm, mean, check)
        sure = believable(said[1], fitted=fitted, dictated=dictated, heard=heard, phones=self._phones)
        return Heard(text, said[0] if sure else None)

    def _mean(self, pcm: bytes) -> str:
        """The cepstral mean of the utterance. Without it, half of the words are wrong when decoding in steps."""
        decoder = self._decoder
        decoder.activate_search(_MEAN)
        decoder.reinit_feat()
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        return str(decoder.get_cmn())

    def _decode(self, search: str | None, pcm: bytes, mean: str, check: Callable[[], None]) -> Hypothesis:
        decoder = self._decoder
        decoder.activate_search(search)
        decoder.reinit_feat()  # forgets the speaker and room of the utterance before
        decoder.set_cmn(mean)
        decoder.start_utt()
        try:
            for at in range(0, len(pcm), _STEP):
                check()
                decoder.process_raw(pcm[at : at + _STEP])
            decoder.end_utt()
            return _hypothesis(decoder)
        except BaseException:
            decoder.end_utt()
            raise
        finally:
            # with dictation active, a word that is learned would become one that is dictated
            decoder.activate_search(_MEAN)

    def _learn(self, word: str) -> bool:
        """Have the word in the dictionary, by a guess if need be."""
        if self._decoder.lookup_word(word) is not None:
            return True
        phones = pronounce(word, self._decoder.lookup_word)
        if phones is None:
            return False
        self._decoder.add_word(word, phones, False)
        return True

    def _phones(self, word: str) -> list[str]:
        return (self._decoder.lookup_word(word) or "").split()


def _hypothesis(decoder: pocketsphinx.Decoder) -> Hypothesis:
    found = decoder.hyp()
    if found is None or not found.hypstr or found.score <= 0:
        return Hypothesis(-math.inf, [])
    segments = [
        Segment(_VARIANT.sub("", segment.word), segment.start_frame, segment.end_frame)
        for segment in decoder.seg()
        if not _NO_WORD.fullmatch(segment.word)
    ]
    return Hypothesis(math.log(found.score), segments)
