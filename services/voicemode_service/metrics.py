"""What a service counts, in Prometheus' text format. No text, name or address of a person is ever a label."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]


class Metrics:
    """The figures of one service; a registry of its own, so that two in one process do not mix."""

    CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, service: str) -> None:
        self._registry = CollectorRegistry()
        prefix = f"voicemode_{service}"
        self.requests = Counter(f"{prefix}_requests", "Requests by outcome.", ["outcome"], registry=self._registry)
        self.first_byte = Histogram(
            f"{prefix}_first_byte_seconds", "From the request's end to the first byte of its answer.", registry=self._registry
        )
        self.audio = Counter(f"{prefix}_audio_seconds", "Seconds of sound heard or made.", registry=self._registry)
        self.jobs = Gauge(f"{prefix}_jobs", "Requests under way or waiting.", registry=self._registry)
        self.model_loaded = Gauge(f"{prefix}_model_loaded", "1 while the model is in memory.", registry=self._registry)

    def text(self) -> bytes:
        """The page that a scraper reads."""
        return generate_latest(self._registry)
