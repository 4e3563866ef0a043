"""Reads server events, one JSON object a line, and prints what the types of ``openai`` and ``openai-agents`` hold against them.

One JSON object a line, for each event that one of them refuses: {"line": 3, "by": "openai", "type": ..., "error": ...}.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any, get_args

from agents.realtime.openai_realtime import get_server_event_type_adapter
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError


def main() -> None:
    """Standard input to standard output."""
    for number, line in enumerate(sys.stdin, 1):
        event = json.loads(line)
        kind = event.get("type")
        for name, judge in {"openai": _by_openai(kind), "openai-agents": get_server_event_type_adapter()}.items():
            try:
                judge.validate_python(event)
            except ValidationError as error:
                print(json.dumps({"line": number, "by": name, "type": kind, "error": str(error)}))


@cache
def _by_openai(kind: str) -> TypeAdapter[Any]:
    """The one class of the event; the whole union, which explains itself in hundreds of lines, where there is none."""
    union = get_args(RealtimeServerEvent)[0]
    named = [each for each in get_args(union) if kind in get_args(each.model_fields["type"].annotation)]
    return TypeAdapter(named[0] if named else RealtimeServerEvent)


if __name__ == "__main__":
    main()
