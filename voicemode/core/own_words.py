"""Is what was heard during playback the assistant's own voice, come back through the microphone?

When the loudspeaker is turned up or moved, the echo canceller lets it through for a second. It sounds like a person then; its
words give it away.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

__all__ = ["is_own_voice"]

_SHARE = 0.6
"""Of the transcript's words: a recogniser gets every third one wrong of an echo that was cut at both ends."""
_FEWEST = 3
"""Words. People answer "tea" while "tea or coffee?" is still sounding: less than three in a row prove nothing."""
_WORD = re.compile(r"\w+")


def is_own_voice(text: str, audible: str) -> bool:
    """Whether most words of ``text`` are, in order, in ``audible``: what the loudspeaker said while it was recorded.

    ``audible`` is to hold those seconds only and not the whole message: people answer in the words of a question.
    """
    said, played = (_WORD.findall(each.casefold().replace("'", "").replace("\u2019", "")) for each in (text, audible))
    if len(said) < _FEWEST:
        return False
    blocks = SequenceMatcher(None, said, played, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) >= _SHARE * len(said)
