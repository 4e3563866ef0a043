"""Moving sound and messages between a conversation and somebody far away."""

__all__: list[str] = []
