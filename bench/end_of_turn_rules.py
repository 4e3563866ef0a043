"""The rules that the benchmark of the end of a turn compares, and the sweeps that make their curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.end_of_turn_play import Rule
from voicemode.core.endpointing import EndpointingOptions
from voicemode.core.turn_policy import SCALES, Evidence, TurnPolicy, turn_policy

__all__ = ["CalledOnce", "called_once", "default_rules", "plain_rules", "sweep"]

SILENCES_MS = (300, 400, 500, 600, 700, 800, 1000, 1200, 1500)
_FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.7, 2.0, 2.3, 2.6, 2.9, 3.2, 3.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledOnce(TurnPolicy):
    """smart-turn as Pipecat uses it: one call 0.2 s after the last word; below the threshold, only a long silence ends."""

    threshold: float = 0.5
    fallback_s: float = 3.0

    def wait_s(self, evidence: Evidence) -> float:
        complete = bool(evidence.scores) and evidence.scores[0] >= self.threshold
        return 0.2 if complete else self.fallback_s


def plain_rules() -> Iterator[Rule]:
    """A fixed silence."""
    for ms in SILENCES_MS:
        yield Rule(f"silence {ms} ms", "silence", EndpointingOptions(silence_s=ms / 1000))


def called_once() -> Iterator[Rule]:
    """Pipecat's setting, then other thresholds and other fallbacks."""
    for threshold, fallback_s in (
        (0.5, 3.0),
        (0.1, 3.0),
        (0.3, 3.0),
        (0.7, 3.0),
        (0.9, 3.0),
        (0.5, 1.5),
        (0.8, 1.5),
        (0.95, 1.5),
    ):
        policy = CalledOnce(threshold=threshold, fallback_s=fallback_s, scores_in_noise=True)
        name = f"smart-turn once, {threshold:g}, else {fallback_s:g} s"
        yield Rule(name, "smart-turn once", EndpointingOptions(policy=policy), "smart-turn-v3")


def _ours(policy: TurnPolicy, scorer: str, words: bool, name: str = "") -> Rule:
    family = f"policy, {scorer or 'no scorer'}{', words' if words else ''}"
    return Rule(name or family, family, EndpointingOptions(policy=policy, partials=words), scorer, words)


def default_rules(scorers: tuple[str, ...]) -> Iterator[Rule]:
    """The policy as it is, with each scorer and with none, with and without words; its curve is its patience."""
    for scorer in (*scorers, ""):
        for words in (True, False):
            for factor in _FACTORS:
                rule = _ours(replace(turn_policy(scorer), factor=factor), scorer, words)
                yield replace(rule, name=f"{rule.family}, x{factor:g}")


def sweep(scorer: str) -> Iterator[Rule]:
    """Other numbers, for the choice of the default: how far waits reach, and which scores they reach from and to."""
    low, high = SCALES[scorer]
    ranges = {
        (low, high),
        (low - 0.1, high),
        (low + 0.1, high),
        (low, high - 0.1),
        (low - 0.2, high - 0.1),
        (low - 0.3, high - 0.2),
    }
    for longest_s in (0.7, 0.8, 0.9, 1.0, 1.2, 1.5):
        for more, end in sorted(ranges):
            for share in (0.0, 0.5):
                policy = replace(TurnPolicy(), longest_s=longest_s, sure_of_more=more, sure_of_end=end, pause_share=share)
                yield _ours(
                    policy, scorer, True, f"{scorer}: up to {longest_s:g} s, scores {more:g} to {end:g}, pauses {share:g}"
                )
