"""Answers in the place of an agent: ``answering.py TEXT``. It stands alone, since it is run from any folder."""

from __future__ import annotations

import sys

ANSWERS = {
    "forward": (
        "On my way, ten meters straight ahead. There is a table on the left after six of them, so I keep to the right. "
        "The floor is dry, and nobody is in the corridor. I will tell you when I am there."
    ),
    "door": (
        "Four meters are left to the door. It is closed, but not locked, as far as I can see from here. "
        "Shall I wait in front of it, or open it and look whether somebody is in the kitchen?"
    ),
}

if __name__ == "__main__":
    print(next((answer for word, answer in ANSWERS.items() if word in sys.argv[1].lower()), "I did not understand that."))
