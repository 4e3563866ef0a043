"""Which of an endpoint's models is asked for."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["pick_model"]


def pick_model(wanted: Sequence[str], offered: Sequence[str] | None) -> str:
    """The first wanted model that is offered, else the first offered one. Of an endpoint that does not tell (None), the first
    wanted one; empty when neither side names any.

    ``offered`` is in the order in which the models fit the task.
    """
    if not offered:
        return wanted[0] if wanted else ""
    known = {name.removesuffix(":latest"): name for name in reversed(offered)}  # Ollama's "llama3.2" is "llama3.2:latest"
    return next((known[name.removesuffix(":latest")] for name in wanted if name.removesuffix(":latest") in known), offered[0])
