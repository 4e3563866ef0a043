"""A stub of gptme's command line: ``gptme --non-interactive --name NAME PROMPT``.

Each conversation is a file of one JSON message a line, below ``GPTME_LOGS_HOME``; naming one again goes on with it. It answers
with the number of the sentence, for which there is a tone.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from tests.stubs.sentence_tones import NUMBERS

__all__ = ["main"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", "--non-interactive", action="store_true", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("prompt")
    asked = parser.parse_args()
    path = Path(os.environ["GPTME_LOGS_HOME"], asked.name, "conversation.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    before = len(path.read_text().splitlines()) if path.exists() else 0
    answer = f"This is sentence {NUMBERS[before // 2 + 1]}."
    with path.open("a") as file:
        for role, content in (("user", asked.prompt), ("assistant", answer)):
            file.write(json.dumps({"role": role, "content": content}) + "\n")
    print(answer)


if __name__ == "__main__":
    main()
